"""What is unusual enough to tell: pure counting, no clock."""

from dataclasses import dataclass
from typing import Final

from evergrant.keeper.connection import Origin, Record

YOUNG: Final = 0.5
"""A token that an API refuses within this part of its told lifetime is refused early."""
HASTY: Final = 0.2
"""A refresh within this part of the lifetime is one that nobody needed."""
FACTOR: Final = 4
SETTLING: Final = 5
"""Minutes that are watched before a rate counts as usual."""
WEIGHT: Final = 0.2


@dataclass(frozen=True, slots=True)
class Rate:
    """Leases per minute of one caller. *usual*: a moving mean. *told*: this episode is known already."""

    usual: float = 0.0
    minutes: int = 0
    told: bool = False


def unusual(rate: Rate, taken: int, ceiling: int) -> tuple[Rate, bool]:
    """The rate after a minute with *taken* leases, and whether to tell: once per episode.

    Above *ceiling*, and far above what was usual; a caller that was always that busy is not told about.
    """
    high = taken > ceiling and (rate.minutes < SETTLING or taken > FACTOR * rate.usual)
    usual = float(taken) if not rate.minutes else rate.usual + WEIGHT * (taken - rate.usual)
    return Rate(usual, rate.minutes + 1, high), high and not rate.told


def young(record: Record, now: int) -> bool:
    """Whether the access token is too young to be refused for its age."""
    if record.origin is Origin.NEVER or not record.expires_at:
        return False
    return now < record.sent_at + (record.expires_at - record.sent_at) * YOUNG


def hasty(record: Record, now: int) -> bool:
    """Whether a refresh at *now* comes long before the token of *record* needed one."""
    if record.origin in {Origin.NEVER, Origin.UNKNOWN} or not record.expires_at:
        return False
    return now < record.sent_at + (record.expires_at - record.sent_at) * HASTY
