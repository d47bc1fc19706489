"""How the server behaves at one request: one value, made from a provider's facts and changed by modes.

Where a provider's fact is unknown, the strict reading is taken: it rotates, and a spent token is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Any, Final

from evergrant.keeper.provider.model import ErrorShape, Provider, Retry, ReuseEffect, Rotates, TokenRecord
from evergrant.testing.chaos.wire import Answer

DAY: Final = 86_400
HOUR: Final = 3_600


class Again(StrEnum):
    """What a refresh token that was spent is still good for."""

    NOTHING = "nothing"
    REPLAY = "replay"
    """The same pair again, for a while."""
    FORK = "fork"
    """A new successor each time, for a while, and only while no successor was spent."""
    UNTIL_USED = "until_used"
    """The same pair again until the successor is spent."""
    ALWAYS = "always"
    """A new successor each time, for ever."""


class Special(Enum):
    """Values of `expires_in` that are not values."""

    USUAL = auto()
    ABSENT = auto()


_DEAD: Final = ErrorShape(400, "invalid_grant")

Then = Callable[[Answer], Answer]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Rules of spending, shape of answers, and what goes wrong. Seconds throughout."""

    rotates: Rotates = Rotates.ALWAYS
    again: Again = Again.NOTHING
    grace: int = 0
    reuse: ReuseEffect = ReuseEffect.REJECTED
    kills_old_access_token: bool = False
    not_before: int = 0
    most_grants: int | None = None
    refreshes: int | None = None
    per: int = 0
    omits_refresh_token: bool = False
    access_lifetime: int = HOUR
    expires_in: object = Special.USUAL
    records: tuple[TokenRecord, ...] = ()
    token_type: str = "Bearer"
    subject: str = ""
    """Another account than the one that consented."""
    scope: Callable[[str], str] | None = None
    members: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """A last change to the members of a token reply."""
    dead: tuple[ErrorShape, ...] = (_DEAD,)
    """How it may be said that a refresh token is worth nothing; the first is used."""
    error_in_200: bool = False
    form_encoded: bool = False
    skew: int = 0
    """By how much the server's clock is wrong, wherever it shows."""
    wait_before: float = 0
    """Before anything is spent."""
    instead: Answer | None = None
    """Answered in place of everything: nothing is spent."""
    kills_first: bool = False
    """The grant ends just before the request is looked at, as when its user withdraws it."""
    then: tuple[Then, ...] = ()
    """What becomes of the answer after everything has happened."""
    wait_after: float = 0
    held: bool = False
    """The answer waits until `release`."""
    refuses_connections: bool = False


_AGAIN: Final = {
    Retry.SAFE: Again.ALWAYS,
    Retry.WINDOW: Again.REPLAY,
    Retry.UNTIL_SUCCESSOR_USED: Again.UNTIL_USED,
    Retry.CONFIGURABLE: Again.REPLAY,
    Retry.NO: Again.NOTHING,
    Retry.UNKNOWN: Again.NOTHING,
}


def behaviour_of(provider: Provider) -> Behaviour:
    """What is known of a provider, as a server does it."""
    rotates = provider.rotates or (Rotates.NEVER if provider.refresh_token_on_refresh is False else Rotates.ALWAYS)
    again = _AGAIN[provider.retry]
    if provider.reuse_effect is ReuseEffect.OLD_STILL_VALID:
        again = Again.ALWAYS
    limits = provider.limits
    return Behaviour(
        rotates=Rotates.ALWAYS if rotates is Rotates.OPTIONAL else rotates,
        again=again,
        grace=provider.grace or 0,
        reuse=provider.reuse_effect,
        kills_old_access_token=provider.kills_old_access_token,
        not_before=provider.refresh_not_before,
        most_grants=limits.refresh_tokens_per_user,
        refreshes=limits.refreshes,
        per=limits.per or 0,
        omits_refresh_token=provider.refresh_token_on_refresh is False and rotates is Rotates.NEVER,
        access_lifetime=HOUR if provider.access_lifetime is None else provider.access_lifetime,
        expires_in=Special.USUAL if provider.expires_in_present and provider.access_lifetime != 0 else Special.ABSENT,
        records=provider.records,
        dead=provider.dead_grant or (_DEAD,),
        error_in_200=any(shape.status == 200 for shape in provider.dead_grant),
    )
