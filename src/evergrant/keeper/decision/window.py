"""When an access token should be renewed: try early and quietly, insist late, never all connections at once.

Two windows: in the advisory one a refresh is tried while the old token goes on being served; in the mandatory one
callers wait for it. Both are parts of the lifetime with a ceiling of the provider's. Instants are seconds.
"""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from evergrant.keeper.connection import Origin, Record
from evergrant.keeper.provider.model import Provider

MANDATORY: Final = 0.1
"""The last part of the lifetime in which nobody is handed the token without a refresh being waited for."""
SPREAD: Final = 0.5
"""Within this part of the advisory window connections begin at different moments."""
SAFE_MARGIN: Final = 10
"""A lease is called safe until this many seconds before the end: the request has to travel, too."""
SHORTEST: Final = 4
"""A lifetime from which on there is a second for the way; a shorter one would be nothing but way."""
FUTURE: Final = 120
"""A record from so many seconds ahead of our clock was written by another clock; its age is not known."""
KEEP_ALIVE: Final = 0.5
"""The part of an idle limit after which an unused refresh token is used, so that it stays alive."""


class Need(StrEnum):
    """What a token needs now."""

    NOTHING = "nothing"
    ADVISORY = "advisory"
    MANDATORY = "mandatory"


@dataclass(frozen=True, slots=True)
class Window:
    """When the windows open; 0 for never. *earliest*: the provider refuses a refresh before it. *end*: of the token."""

    advisory_at: int
    mandatory_at: int
    earliest: int
    end: int


def window(record: Record, provider: Provider) -> Window:
    """The windows of one record."""
    apart = spacing(provider)
    earliest = record.refreshed_at + apart if apart and record.refreshed_at else 0
    keep_alive = _keep_alive_at(record)
    if record.expires_at == 0 or record.origin is Origin.NEVER:
        return Window(keep_alive, 0, earliest, 0)
    life = max(record.expires_at - record.sent_at, 0)
    last = min(provider.mandatory_most, int(life * MANDATORY))
    lead = max(min(provider.advisory_most, int(life * provider.advisory)), last)
    if provider.kills_old_access_token:
        # Requests under way elsewhere fail when the old token dies, so it is left alone for as long as it is good.
        lead = min(lead, 2 * last)
    lead -= int((lead - last) * SPREAD * share(record.connection_id, record.name))
    advisory = max(record.expires_at - lead, earliest)
    if keep_alive:
        advisory = min(advisory, max(keep_alive, earliest))
    return Window(advisory, max(record.expires_at - last, earliest), earliest, record.expires_at)


def need(record: Record, provider: Provider, now: int) -> Need:
    """What the record needs at *now*; nothing when there is no refresh token to do it with."""
    if not record.refresh_token:
        return Need.NOTHING
    frame = window(record, provider)
    if now < frame.earliest and now < (frame.end or now + 1):
        return Need.NOTHING
    if not record.access_token or (frame.mandatory_at and now >= frame.mandatory_at):
        return Need.MANDATORY
    if (frame.advisory_at and now >= frame.advisory_at) or now + FUTURE < record.sent_at:
        return Need.ADVISORY
    return Need.NOTHING


def servable(record: Record, now: int) -> bool:
    """Whether the access token may still be handed out."""
    if not record.access_token:
        return False
    return record.origin is Origin.NEVER or record.expires_at == 0 or now < safe_until(record)


def safe_until(record: Record) -> int:
    """Until when a lease is safe, 0 when that is not known or never ends by age."""
    if record.origin is Origin.NEVER or record.expires_at == 0:
        return 0
    life = max(record.expires_at - record.sent_at, 0)
    return record.expires_at - min(SAFE_MARGIN, max(int(life * MANDATORY), int(life >= SHORTEST)))


def spacing(provider: Provider) -> int:
    """The seconds that have to pass between two refreshes of one refresh token."""
    limits = provider.limits
    paced = -(-limits.per // limits.refreshes) if limits.refreshes and limits.per else 0
    return max(provider.refresh_not_before, paced)


def share(connection_id: str, name: str) -> float:
    """A number from 0 to 1 that is always the same for one record, and spread evenly over all."""
    return int.from_bytes(sha256(f"{connection_id}/{name}".encode()).digest()[:4], "big") / 2**32


def _keep_alive_at(record: Record) -> int:
    if not record.refresh_idle_end:
        return 0
    begun = record.refreshed_at or record.sent_at
    return begun + int(max(record.refresh_idle_end - begun, 0) * KEEP_ALIVE)


def pause(failures: int, least: int, most: int, lot: float) -> int:
    """Seconds to wait after the *failures*-th failure in a row: doubling, with half of it by lot (0 to 1)."""
    whole = min(most, least * 2 ** min(max(failures - 1, 0), 20))
    return max(1, int(whole * (0.5 + lot / 2)))
