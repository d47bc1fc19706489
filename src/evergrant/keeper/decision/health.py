"""How the health of a connection moves, and what is told about it. Every edge is an event; one table says which.

What is not in `ALLOWED` does not happen: a passing fault never covers up that the user must come back, and nothing but
an operator ends a quarantine.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from evergrant.keeper.connection import Connection, Health, Reason
from evergrant.keeper.event import Event, What

_H = Health
ALLOWED: Final[Mapping[Health, frozenset[Health]]] = {
    _H.PENDING_CONSENT: frozenset({_H.ACTIVE, _H.REVOKING, _H.REVOKED}),
    _H.ACTIVE: frozenset(
        {_H.DEGRADED, _H.IN_DOUBT, _H.NEEDS_REAUTH, _H.SUSPENDED_CLIENT, _H.QUARANTINED, _H.REVOKING, _H.REVOKED}
    ),
    _H.DEGRADED: frozenset(
        {_H.ACTIVE, _H.IN_DOUBT, _H.NEEDS_REAUTH, _H.SUSPENDED_CLIENT, _H.QUARANTINED, _H.REVOKING, _H.REVOKED}
    ),
    _H.IN_DOUBT: frozenset(
        {_H.ACTIVE, _H.DEGRADED, _H.NEEDS_REAUTH, _H.SUSPENDED_CLIENT, _H.QUARANTINED, _H.REVOKING, _H.REVOKED}
    ),
    _H.SUSPENDED_CLIENT: frozenset(
        {_H.ACTIVE, _H.DEGRADED, _H.IN_DOUBT, _H.NEEDS_REAUTH, _H.QUARANTINED, _H.REVOKING, _H.REVOKED}
    ),
    _H.NEEDS_REAUTH: frozenset({_H.ACTIVE, _H.QUARANTINED, _H.REVOKING, _H.REVOKED}),
    _H.QUARANTINED: frozenset({_H.ACTIVE, _H.REVOKING, _H.REVOKED}),
    _H.REVOKING: frozenset({_H.REVOKED}),
    _H.REVOKED: frozenset({_H.ACTIVE}),
}
"""From each health to what it may become. REVOKED → ACTIVE is a reconnect."""

TOLD: Final[Mapping[Health, What]] = {
    _H.ACTIVE: What.RESTORED,
    _H.DEGRADED: What.DEGRADED,
    _H.IN_DOUBT: What.IN_DOUBT,
    _H.NEEDS_REAUTH: What.NEEDS_REAUTH,
    _H.SUSPENDED_CLIENT: What.SUSPENDED,
    _H.QUARANTINED: What.QUARANTINED,
    _H.REVOKING: What.REVOKING,
    _H.REVOKED: What.REVOKED,
}
"""The event of arriving at a health. Leaving a quarantine is `RELEASED`, the first arrival `CONNECTED`."""

SERVING: Final = frozenset({_H.ACTIVE, _H.DEGRADED, _H.IN_DOUBT, _H.SUSPENDED_CLIENT, _H.NEEDS_REAUTH})
"""While an access token is good it is handed out in these: a dead refresh token does not end it."""
REFRESHING: Final = frozenset({_H.ACTIVE, _H.DEGRADED, _H.IN_DOUBT, _H.SUSPENDED_CLIENT})
"""In these a refresh may be tried."""


def moved(
    connection: Connection, health: Health, reason: Reason, now: int, *, detail: str = "", what: What | None = None
) -> tuple[Connection, tuple[Event, ...]]:
    """The connection with its new health and the event of that edge; itself and nothing when the edge is not allowed.

    The same health again is no edge: its reason and detail are brought up to date in silence, except that the reason
    for which a user must come back stays the first of the episode. *what* takes the place of the event in `TOLD`.
    The reason of an arrival at ACTIVE is the health that was left.
    """
    if health is connection.health:
        if health is Health.NEEDS_REAUTH:
            return connection, ()
        return replace(connection, reason=reason, detail=detail), ()
    if health not in ALLOWED[connection.health]:
        return connection, ()
    after = replace(connection, health=health, reason=reason, detail=detail, changed_at=now)
    told = connection.health.value if health is Health.ACTIVE else reason.value
    return after, (event(what or TOLD[health], after, now, reason=told, detail=detail),)


def event(
    what: What, connection: Connection, now: int, *, reason: str = "", detail: str = "", caller: str = ""
) -> Event:
    """A line of the audit trail about *connection*, as it will be after the change."""
    return Event(
        at=now,
        what=what,
        tenant=connection.tenant,
        connection_id=connection.id,
        client=connection.client,
        account=connection.account,
        reason=reason,
        version=connection.version,
        caller=caller,
        detail=detail,
    )
