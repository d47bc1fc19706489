"""Revocation with the verb this provider has: RFC 7009, DELETE, a JSON body, or an API call with the token itself."""

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from evergrant.keeper.provider.model import ClientAuth, RevokeVerb
from evergrant.testing.chaos.addresses import REVOKE
from evergrant.testing.chaos.replies import JSON, error
from evergrant.testing.chaos.state import State
from evergrant.testing.chaos.wire import Answer, Request

_DONE: Final = Answer(200, b"{}", (JSON,))


def revoke(state: State, request: Request) -> Answer:
    """End what is named, with everything that hangs on it; a token that is unknown is as good as ended."""
    facts = state.facts.revoke
    if facts.verb is RevokeVerb.NONE:
        return error("not_found", status=404)
    if request.method != facts.method:
        return error("invalid_request", f"{facts.method} is asked for", status=405)
    said = _said(request)
    if not _may(state, request, said):
        return error("invalid_client", "the caller is not the client", status=401)
    value = _named(state, request, said)
    if not value:
        return error("invalid_request", "no token is named")
    if facts.token == "refresh_token" and state.book.of_refresh(value) is None and state.book.of_access(value):
        state.book.end_access(value)
        return _DONE
    grant = state.book.of_refresh(value) or state.book.of_access(value)
    if grant is not None:
        others = state.book.of_user(grant.user) if facts.ends_only_itself is False else ()
        state.book.end([grant, *others], "revoked")
    return _DONE


def _said(request: Request) -> Mapping[str, str]:
    text = request.body.decode("utf-8", "replace")
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            read = json.loads(text)
        except ValueError:
            return {}
        return {name: str(value) for name, value in read.items()} if isinstance(read, dict) else {}
    return {**request.query, **dict(parse_qsl(text))}


def _may(state: State, request: Request, said: Mapping[str, str]) -> bool:
    header = request.headers.get("authorization", "")
    match state.facts.revoke.auth:
        case "none":
            return True
        case "bearer":
            return state.book.of_access(header.partition(" ")[2]) is not None
        case "basic":
            return not state.unproven(request, said, (ClientAuth.BASIC,))
    return not state.unproven(request, said)


def _named(state: State, request: Request, said: Mapping[str, str]) -> str:
    """The token that is to end: in the path, in the member whose value is `{token}`, as `token`, or the bearer."""
    facts = state.facts.revoke
    in_path = request.path.removeprefix(REVOKE).strip("/")
    if in_path and in_path != state.client.client_id:
        return in_path
    member = next((name for name, value in facts.body.items() if "{token}" in value), "token")
    if member in said:
        return said[member]
    return request.headers.get("authorization", "").partition(" ")[2] if facts.auth == "bearer" else ""
