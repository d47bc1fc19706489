"""The shape of what is answered: token replies and errors, in the provider's own words and encoding."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from evergrant.keeper.provider.model import ErrorShape, Reply, TokenRecord
from evergrant.testing.chaos.behaviour import Behaviour, Special
from evergrant.testing.chaos.grants import Grant, Pair
from evergrant.testing.chaos.wire import Answer

_NO_STORE: Final = ("cache-control", "no-store")
JSON: Final = ("content-type", "application/json")
FORM: Final = ("content-type", "application/x-www-form-urlencoded; charset=utf-8")
HTML: Final = ("content-type", "text/html; charset=utf-8")


def put(members: dict[str, Any], path: str, value: object) -> None:
    """Set a member by its dotted path."""
    *outer, last = path.split(".")
    for name in outer:
        inner = members.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        members = inner
    members[last] = value


def has(members: Mapping[str, Any], path: str) -> bool:
    """Whether there is a member at a dotted path."""
    found: Any = members
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return False
        found = found[name]
    return True


def token_members(
    pairs: Mapping[str, Pair], grant: Grant, behaviour: Behaviour, *, refreshed: bool, now: int, origin: str,
    separator: str,
) -> dict[str, Any]:  # fmt: skip
    """The members of a token reply, in the places where this provider has them."""
    members: dict[str, Any] = {}
    for record in behaviour.records:
        if record.name in pairs:
            pair = pairs[record.name]
            _record(members, record, pair, grant, behaviour, refreshed=refreshed, now=now, separator=separator)
            _about(members, record.reply, grant.user if not behaviour.subject else behaviour.subject, origin)
    return members


def _record(
    members: dict[str, Any], record: TokenRecord, pair: Pair, grant: Grant, behaviour: Behaviour, *, refreshed: bool,
    now: int, separator: str,
) -> None:  # fmt: skip
    reply, flat = record.reply, refreshed and record.flat_on_refresh

    def say(path: str, value: object) -> None:
        if path:
            put(members, path.rpartition(".")[2] if flat else path, value)

    say(reply.access_token, pair.access.value)
    if pair.refresh and not (behaviour.omits_refresh_token and refreshed):
        say(reply.refresh_token, pair.refresh)
    lifetime = pair.access.ends_at - now if pair.access.ends_at else None
    expires_in = behaviour.expires_in
    if expires_in is Special.USUAL and lifetime is not None:
        expires_in = lifetime * 1_000 if reply.expires_in_unit == "ms" else lifetime
    if not isinstance(expires_in, Special):
        say(reply.expires_in, expires_in)
    scope = behaviour.scope(grant.scope) if behaviour.scope else grant.scope
    say(reply.scope, separator.join(scope.split()))
    say(reply.token_type, behaviour.token_type)


def _about(members: dict[str, Any], reply: Reply, user: str, origin: str) -> None:
    for paths, value in ((reply.subject, user), (reply.label, f"Account of {user}")):
        if paths:
            put(members, paths[0], value)
    for name in reply.keep:
        if not has(members, name):
            put(members, name, _sample(name.rpartition(".")[2], origin))
    if reply.ok:
        put(members, reply.ok, value=True)


def _sample(name: str, origin: str) -> object:
    """A value for a member of which only the name is known."""
    if name.endswith("_in"):
        return 1_800
    return origin if looks_like_origin(name) else f"{name}-1"


def looks_like_origin(name: str) -> bool:
    """Whether a member or parameter of this name holds the address of a server."""
    return name.endswith(("url", "_domain", "_server", "-server", "_point"))


def encoded(members: Mapping[str, Any], *, form: bool, status: int = 200) -> Answer:
    """Members as JSON, or as a form."""
    if form:
        return Answer(status, urlencode(members).encode(), (FORM, _NO_STORE))
    return Answer(status, json.dumps(members).encode(), (JSON, _NO_STORE))


def error(
    name: str, description: str = "", *, status: int = 400, form: bool = False, members: Mapping[str, Any] | None = None
) -> Answer:
    """An OAuth error (RFC 6749 section 5.2)."""
    told = {**(members or {}), "error": name}
    if description:
        told["error_description"] = description
    return encoded(told, form=form, status=status)


def dead_grant(shape: ErrorShape, *, form: bool, in_200: bool) -> Answer:
    """How this provider says that a refresh token is worth nothing."""
    status = 200 if in_200 else shape.status or 400
    description = shape.description_contains or "The refresh token is invalid, expired or revoked."
    return error(shape.error or "invalid_grant", description, status=status, form=form, members=shape.members)
