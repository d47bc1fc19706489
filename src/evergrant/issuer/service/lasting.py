"""How long an end must be remembered: as long as the longest access token that may be about, and a margin for clocks.

A lifetime that was shortened goes on counting until the last token of before has expired, over restarts and on every
host: the longest is kept in the store. Neighbour: `feed` tells until when; housekeeping sweeps after that.
"""

from typing import Final

from evergrant.domain.throttle import Bucket
from evergrant.issuer.settings import Settings
from evergrant.protocol.ending import MARGIN
from evergrant.store.port import Tx

KEPT: Final = "longest access token"
_PAGE: Final = 500


def configured(settings: Settings) -> int:
    """The longest that the configuration knows."""
    own = [item.lifetime or 0 for item in settings.resources.values()]
    return max(settings.limits.access_lifetime, *own)


def longest(tx: Tx, known: int, now: int) -> int:
    """The longest of access tokens that may be about, when the longest that are issued now last *known* seconds."""
    held = tx.buckets.get(KEPT)
    return known if held is None or now >= held.ends_at else max(known, held.failures)


def remember(tx: Tx, settings: Settings, now: int) -> int:
    """Write down the longest that is issued now, unless there is one to be remembered; the longest that is about."""
    known, after = configured(settings), None
    while page := tx.clients.find(_PAGE, after):
        known = max(known, *(client.access_lifetime or 0 for client in page))
        after = page[-1].id
    about = longest(tx, known, now)
    if about == known:
        tx.buckets.put(Bucket(KEPT, known, now, 0, now + known + MARGIN))
    return about
