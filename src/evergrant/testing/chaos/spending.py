"""What presenting a refresh token does: one pure decision, whatever the provider.

The table is the whole truth of the server: what it calls reuse here, the ledger calls a second spend.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from evergrant.keeper.provider.model import Rotates
from evergrant.testing.chaos.behaviour import DAY, Again, Behaviour


class Outcome(StrEnum):
    """What became of a refresh request."""

    ROTATED = "rotated"
    """The head was spent, and a successor took its place."""
    KEPT = "kept"
    """An access token, and the refresh token stays as it is."""
    REPLAYED = "replayed"
    """A spent token got the same pair once more."""
    FORKED = "forked"
    """A spent token got a further successor."""
    REUSED = "reused"
    """A spent token was refused, and the provider did what it does then."""
    DEAD = "dead"
    """The token is unknown, has ended or belongs to a grant that has."""
    EARLY = "early"
    """Refused because it came too soon after the last one; nothing was spent."""
    BUSY = "busy"
    """Refused because there were too many; nothing was spent."""
    REFUSED = "refused"
    """The request or the client was wrong; nothing was spent."""
    UNREACHED = "unreached"
    """A fault answered in place of the provider; nothing was spent."""


SERVED = frozenset({Outcome.ROTATED, Outcome.KEPT, Outcome.REPLAYED, Outcome.FORKED})


@dataclass(eq=False, slots=True)
class AccessToken:
    """An access token; 0 for one that does not end by age."""

    value: str
    ends_at: int
    dead: bool = False


@dataclass(eq=False, slots=True)
class RefreshToken:
    """One refresh token of a family, in clear: this server is for tests."""

    value: str
    issued_at: int
    parent: "RefreshToken | None" = None
    access: AccessToken | None = None
    """The access token it was issued with; replaced when the token is kept."""
    spent_at: int | None = None
    successors: list["RefreshToken"] = field(default_factory=list)
    used: list[int] = field(default_factory=list)
    """When it was presented and served."""


@dataclass(eq=False, slots=True)
class Lifetime:
    """When a family ends by age; None where it does not."""

    idle: int | None = None
    hard: int | None = None
    restarts: bool = False


def decide(token: RefreshToken, began_at: int, lifetime: Lifetime, behaviour: Behaviour, now: int) -> Outcome:
    """What presenting *token* of a living family comes to. *began_at*: when the family began."""
    if _over(token, began_at, lifetime, now):
        return Outcome.DEAD
    if token.spent_at is not None:
        return _spent(token, behaviour, now)
    lately = sum(1 for at in token.used if now - at < behaviour.per)
    if behaviour.refreshes is not None and lately >= behaviour.refreshes:
        return Outcome.BUSY
    if behaviour.not_before and now - max(token.issued_at, *token.used, 0) < behaviour.not_before:
        return Outcome.EARLY
    if behaviour.rotates is Rotates.NEVER:
        return Outcome.KEPT
    if behaviour.rotates is Rotates.PERIODIC and now - token.issued_at < DAY:
        return Outcome.KEPT
    return Outcome.ROTATED


def _over(token: RefreshToken, began_at: int, lifetime: Lifetime, now: int) -> bool:
    last = max(token.issued_at, *token.used, 0)
    began = token.issued_at if lifetime.restarts else began_at
    return bool(lifetime.idle and now - last >= lifetime.idle) or bool(lifetime.hard and now - began >= lifetime.hard)


def _spent(token: RefreshToken, behaviour: Behaviour, now: int) -> Outcome:
    """A token that was spent before: what it is still good for."""
    inside = token.spent_at is not None and now - token.spent_at < behaviour.grace
    successor_spent = any(one.spent_at is not None for one in token.successors)
    match behaviour.again:
        case Again.ALWAYS:
            return Outcome.FORKED
        case Again.REPLAY if inside and not successor_spent:
            return Outcome.REPLAYED
        case Again.FORK if inside and not successor_spent:
            return Outcome.FORKED
        case Again.UNTIL_USED if not successor_spent and (inside or not behaviour.grace):
            return Outcome.REPLAYED
    return Outcome.REUSED
