"""One clock for all nodes: the store's, where it has one (attack O-10).

Overlaps, lifetimes of codes and ends are written by one node and judged by another. Each node therefore reads its own
clock corrected by what it was off from the store's when it last looked: a few seconds of tolerance in one place, and no
statement on the way of a request.
"""

import logging
from typing import Final

from evergrant.clock import Clock, SystemClock
from evergrant.store.port import Store

_LOG: Final = logging.getLogger("evergrant.issuer")
# A store tells whole seconds; a look that took longer says nothing.
EXACT: Final = 1
LONGEST_LOOK: Final = 2.0
# Off by more, the machine's clock is worth a line in the log: signed times of other software are wrong too.
WORTH_TELLING: Final = 5


async def follow(store: Store, clock: Clock) -> int | None:
    """Set *clock* to the store's time; by how much it was off. None when there is nothing to follow.

    A simulated clock is left alone. Raises `StoreUnavailable`.
    """
    if not isinstance(clock, SystemClock) or clock.simulated:
        return None
    before = clock.own()
    there = await store.read(lambda tx: tx.now(0))
    after = clock.own()
    if not there or after - before > LONGEST_LOOK:
        return None
    offset = round(there + 0.5 - (before + after) / 2)
    offset = 0 if abs(offset) <= EXACT else offset
    if abs(offset) > WORTH_TELLING and abs(offset - clock.offset) > EXACT:
        _LOG.warning("this machine's clock is off by %d seconds; the database's is followed", -offset)
    if abs(offset - clock.offset) > EXACT or not offset:
        clock.follow(offset)
    return offset
