"""Who may exchange a received token, for what, and how it narrows (RFC 8693, with a default of no).

One pure function. What it lets through is never wider than the token it began with: not in scope, not in time, and in
audience only by as much as the operator wrote into the client's registration.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from evergrant.domain.client import Client

# Long chains are loops or mistakes: each hop is a service that calls the next one for the same person.
MOST_ACTORS: Final = 4
# Each exchange adds an identifier to the token, also where a client narrows its own one again and again.
MOST_ANCESTORS: Final = 8


class Hindrance(StrEnum):
    """Why a token is not exchanged."""

    NOT_RECEIVED = "the token was neither issued to this client nor sent to an API of its own"
    BOUND = "the token is bound to a key that this request does not prove"
    ACTOR = "the token names another client as the one who may act (RFC 8693 section 4.4)"
    LOOP = "this client has acted for this person earlier in the chain"
    DEPTH = "too many clients have acted one after the other"
    DESCENT = "the token comes of too many exchanges"
    AUDIENCE = "the token was not for that resource, and nothing allows this client to go there"
    NOWHERE = "nothing of the token's audience is a resource that a token could be issued for"


class Subject(NamedTuple):
    """The token that is exchanged: its claims, and the resources of its audience in canonical form."""

    claims: Mapping[str, Any]
    audience: frozenset[str]


def hindrance(client: Client, own: frozenset[str], subject: Subject, proved: Mapping[str, str]) -> Hindrance | None:
    """Why *client* may not exchange *subject* at all, or None.

    *own*: the canonical identifiers of the client's APIs. *proved*: the confirmation members that the request proves.
    """
    claims = subject.claims
    received = bool(own & subject.audience)
    if claims["client_id"] != client.id and not received:
        return Hindrance.NOT_RECEIVED
    bound = claims.get("cnf")
    if bound and dict(bound) != dict(proved):
        return Hindrance.BOUND
    may_act = claims.get("may_act")
    if may_act is not None and not (isinstance(may_act, Mapping) and may_act.get("sub") == client.id):
        return Hindrance.ACTOR
    chain = actors(claims)
    if client.id in chain[1:] or (client.id in chain and claims["client_id"] != client.id):
        return Hindrance.LOOP
    if len(chain) >= MOST_ACTORS and claims["client_id"] != client.id:
        return Hindrance.DEPTH
    return Hindrance.DESCENT if len(claims.get("jti_from", ())) >= MOST_ANCESTORS else None


def line_of(claims: Mapping[str, Any]) -> list[str]:
    """The token with these claims, and those that it was exchanged from, the latest first, each by its `jti`.

    When one of them is revoked, it is revoked (claim `jti_from`).
    """
    return [claims["jti"], *claims.get("jti_from", ())]


def actors(claims: Mapping[str, Any]) -> list[str]:
    """Who has acted, the latest first (section 4.1)."""
    found: list[str] = []
    act = claims.get("act")
    while isinstance(act, Mapping):
        found.append(str(act.get("sub")))
        act = act.get("act")
    return found


def targets(asked: Iterable[str], subject: Subject, allowed: frozenset[str]) -> list[str] | Hindrance:
    """The resources of the new token, sorted: those *asked* for, or what the old one was for. All in canonical form.

    *allowed*: what the client's registration adds to the token's own audience.
    """
    wanted = set(asked)
    if not wanted:
        return sorted(subject.audience) or Hindrance.NOWHERE
    return sorted(wanted) if wanted <= subject.audience | allowed else Hindrance.AUDIENCE


def acting(client: Client, claims: Mapping[str, Any]) -> dict[str, Any]:
    """The `act` claim of the new token: this client, and whoever acted before (section 4.1). Empty for its own token.

    Only the outermost actor may count for a decision.
    """
    if claims["client_id"] == client.id:
        return {"act": claims["act"]} if "act" in claims else {}
    act: dict[str, Any] = {"sub": client.id}
    if "act" in claims:
        act["act"] = claims["act"]
    return {"act": act}
