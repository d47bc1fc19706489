"""Telling a provider that it is over: the request by its facts, and what the answer means (RFC 7009 and others)."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote, urlencode

from evergrant.domain.secret import Secret
from evergrant.keeper.exchange import Answer, Asked
from evergrant.keeper.provider.model import Body, Provider, Revoke, RevokeVerb
from evergrant.keeper.settings import Client
from evergrant.keeper.wire.bearer import header
from evergrant.keeper.wire.token_request import AGENT, posted
from evergrant.protocol.basic import write_basic

REFRESH, ACCESS = "refresh_token", "access_token"


class Told(StrEnum):
    """What the provider made of being told."""

    GONE = "gone"
    """Done, or there was nothing left to end (RFC 7009 section 2.2)."""
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Pair:
    """The tokens of one record, as far as there are any."""

    access: Secret | None
    refresh: Secret | None

    def named(self, kind: str) -> Secret | None:
        return self.refresh if kind == REFRESH else self.access


def requests(provider: Provider, client: Client, pair: Pair, assertion: str = "") -> list[Asked]:
    """What to send, in order, until one is answered with `GONE`; empty when the provider has no way to be told.

    A provider with RFC 7009 that has no refresh token of ours is told by the access token.
    """
    way = provider.revoke
    build = _VERBS.get(way.verb)
    if build is None or not way.url:
        return []
    kinds = [way.token]
    if way.verb is RevokeVerb.RFC7009 and pair.named(way.token) is None:
        kinds = [REFRESH, ACCESS]
    found = [(kind, token) for kind in kinds if (token := pair.named(kind)) is not None]
    return [build(provider, client, way, kind, token, pair, assertion) for kind, token in found[:1]]


def meaning(provider: Provider, answer: Answer) -> tuple[Told, str]:
    """What the answer means, and the provider's error code for the audit trail."""
    members = _members(answer.body)
    error = members.get("error")
    code = error if isinstance(error, str) and error.isprintable() and len(error) < 80 else f"status {answer.status}"  # noqa: PLR2004
    gone = _ALREADY | {shape.error for shape in provider.dead_grant if shape.error}
    if answer.status in {404, 410} or code in gone:
        return Told.GONE, code
    if 200 <= answer.status < 300:  # noqa: PLR2004 - success (RFC 9110 section 15.3)
        return (Told.REFUSED, code) if _is_error(provider, members) else (Told.GONE, "")
    later = answer.status in {408, 425, 429} or answer.status >= 500  # noqa: PLR2004 - server errors (RFC 9110)
    return (Told.LATER if later else Told.REFUSED), code


_ALREADY: Final = frozenset({"invalid_token", "invalid_grant", "token_revoked", "token_expired"})


def _is_error(provider: Provider, members: Mapping[str, object]) -> bool:
    flags = [record.reply.ok for record in provider.records if record.reply.ok]
    return any(members.get(flag) is False for flag in flags)


def _members(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _rfc7009(
    provider: Provider, client: Client, way: Revoke, kind: str, token: Secret, pair: Pair, assertion: str
) -> Asked:
    url = _address(way, client, token)
    said = {"token": token.reveal(), "token_type_hint": kind, **_filled(way.body, client, token)}
    if way.auth == "client":
        return posted(provider, client, url, said, assertion=assertion)
    headers = {**_headers(provider), **_proof(provider, client, way, pair)}
    form = urlencode(said)
    if provider.body is Body.QUERY:
        return Asked("POST", f"{url}{'&' if '?' in url else '?'}{form}", headers)
    return Asked("POST", url, {**headers, "Content-Type": "application/x-www-form-urlencoded"}, form.encode())


def _free(
    provider: Provider, client: Client, way: Revoke, kind: str, token: Secret, pair: Pair, assertion: str
) -> Asked:
    headers = {**_headers(provider), **_proof(provider, client, way, pair)}
    body = b""
    said = _filled(way.body, client, token)
    if said or way.verb is RevokeVerb.JSON:
        headers["Content-Type"] = "application/json"
        body = json.dumps(said or {"token": token.reveal()}).encode()
    del kind, assertion
    return Asked(way.method, _address(way, client, token), headers, body)


def _headers(provider: Provider) -> dict[str, str]:
    return {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": AGENT, **provider.headers}


def _proof(provider: Provider, client: Client, way: Revoke, pair: Pair) -> dict[str, str]:
    if way.auth == "bearer" and pair.access is not None:
        name, value = header(provider.bearer, pair.access)
        return {name: value}
    if way.auth in {"basic", "client"}:
        secret = client.secret.reveal() if client.secret is not None else ""
        return {"Authorization": write_basic(client.client_id, secret)}
    return {}


_VERBS: Final[Mapping[RevokeVerb, Callable[..., Asked]]] = {
    RevokeVerb.RFC7009: _rfc7009,
    RevokeVerb.DELETE: _free,
    RevokeVerb.JSON: _free,
    RevokeVerb.API_CALL: _free,
}


def _filled(members: Mapping[str, str], client: Client, token: Secret) -> dict[str, str]:
    return {name: _in(value, client, token) for name, value in members.items()}


def _address(way: Revoke, client: Client, token: Secret) -> str:
    """The address with its gaps filled; a slash in a token must not make another path of it."""
    said = {"{token}": quote(token.reveal(), safe=""), "{client_id}": quote(client.client_id, safe="")}
    return _put(way.url, said)


def _in(text: str, client: Client, token: Secret) -> str:
    secret = client.secret.reveal() if client.secret is not None else ""
    return _put(text, {"{token}": token.reveal(), "{client_id}": client.client_id, "{client_secret}": secret})


def _put(text: str, said: Mapping[str, str]) -> str:
    return _GAP.sub(lambda gap: said.get(gap[0], gap[0]), text)


_GAP: Final = re.compile(r"\{[a-z_]+\}")
