"""The control endpoint: what tests in other processes and languages use to set modes and to read the ledger.

Guarded by a bearer token that is printed once at the start. Faults never happen to it.
"""

import json
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any, Final

from evergrant.testing.chaos.endpoints.device import decide
from evergrant.testing.chaos.endpoints.token import granted
from evergrant.testing.chaos.mode import NoSuchMode, Occasion
from evergrant.testing.chaos.replies import JSON, error
from evergrant.testing.chaos.state import Asked, State
from evergrant.testing.chaos.wire import Answer, Request
from evergrant.testing.chaos.wishes import wish

CONTROL: Final = "/chaos"


def control(state: State, request: Request) -> Answer:
    """Answer whoever knows the control token."""
    given = request.headers.get("authorization", "").partition(" ")[2]
    if not compare_digest(given.encode(), state.control_token.encode()):
        return error("invalid_token", "the control token is asked for", status=401)
    said = _said(request)
    try:
        return _done(state, request.method, request.path.removeprefix(CONTROL), said)
    except NoSuchMode as wrong:
        return error("invalid_request", str(wrong))


def _done(state: State, method: str, path: str, said: Mapping[str, Any]) -> Answer:
    match method, path:
        case "GET", "/modes":
            pass
        case "POST" | "PUT", "/modes":
            wishes = [wish(text) for text in said.get("modes", [])]
            if method == "PUT":
                state.modes.clear()
            state.modes.add(*wishes)
        case "DELETE", "/modes":
            state.modes.clear()
        case "GET", "/ledger":
            return _json(state.ledger.as_json())
        case "POST", "/grants":
            return _json(make_grant(state, str(said.get("user", "ada")), str(said.get("scope", ""))))
        case "POST", "/withdraw":
            ended = state.book.end(state.book.of_user(str(said.get("user", ""))), "withdrawn")
            return _json({"ended": list(ended)})
        case "POST", "/end-access":
            return _json({"ended": state.book.end_all_access(str(said.get("user", "")))})
        case "POST", "/device":
            allow = bool(said.get("allow", True))
            done = decide(state, str(said.get("user_code", "")), str(said.get("user", "ada")), allow=allow)
            return _json({"done": done})
        case "POST", "/release":
            state.release()
        case _:
            return error("not_found", status=404)
    return _json({"modes": [str(one) for one in state.modes.wishes]})


def make_grant(state: State, user: str, scope: str, redirect_uri: str = "") -> dict[str, Any]:
    """A grant without a browser: the token reply, with `grant` beside its members."""
    behaviour, _ = state.modes.changed(state.base, Occasion.EXCHANGE)
    asked = Asked(redirect_uri, scope or state.facts.refresh_scope, {}, user, state.clock.now())
    grant, members = granted(state, asked, {}, behaviour, refreshable=state.facts.refresh_tokens)
    return {"grant": grant.id, "reply": members}


def _said(request: Request) -> Mapping[str, Any]:
    try:
        read = json.loads(request.body or b"{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _json(members: Mapping[str, Any]) -> Answer:
    return Answer(200, json.dumps(members).encode(), (JSON, ("cache-control", "no-store")))
