"""Housekeeping: what is over is erased in small batches, each its own transaction, so that no refresh waits long.

One housekeeper at a time by a lease in the store; a second one that wakes up late finds the lease taken.
"""

from typing import Final, NamedTuple

from evergrant.clock import Clock
from evergrant.domain.throttle import Bucket
from evergrant.issuer.service import sessions
from evergrant.keys import lifecycle
from evergrant.store.port import Store, Tx

LEASE: Final = "lease housekeeping"
# A family's row outlives its absolute end by this, so that late reuse is still recognised (attack O-16).
KEEP_SECONDS: Final = 7 * 86_400
# The whole family table is walked about this often, whatever its size.
LAP_SECONDS: Final = 3_600


class Done(NamedTuple):
    """What one round did, in rows."""

    erased: int = 0
    expired: int = 0
    families: int = 0
    records: int = 0
    events: int = 0
    sessions: int = 0
    keys: int = 0


class Housekeeper:
    """Sweeps one store, a bit at a time."""

    def __init__(self, store: Store, clock: Clock, *, name: str, batch: int, interval: int, retention: int) -> None:
        self._store, self._clock, self._name = store, clock, name
        self._batch, self._interval, self._retention = batch, interval, retention
        self._place, self._session_place = b"", ""

    async def round(self) -> Done:
        """One round. Raises `StoreUnavailable`; what was swept stays swept."""
        now = self._clock.now()
        if not await self._store.write(lambda tx: self._lease(tx, now)):
            return Done()
        swept = await self._store.write(lambda tx: tx.families.sweep(self._place, now, self._batch, KEEP_SECONDS))
        self._place = swept.last
        records = await self._store.write(lambda tx: _records(tx, now, self._batch))
        events = await self._store.write(lambda tx: tx.events.sweep(now - self._retention, self._batch))
        ended = await self._store.write(lambda tx: self._sessions(tx, now))
        keys = await self._store.write(lambda tx: lifecycle.sweep(tx, now))
        return Done(swept.erased, swept.expired, swept.deleted, records, events, ended, keys)

    def _lease(self, tx: Tx, now: int) -> bool:
        held = tx.buckets.get(f"{LEASE} {self._name}")
        others = [item for item in tx.buckets.find(10, after=LEASE) if item.key.startswith(LEASE)]
        if any(item.ends_at > now and item.key != f"{LEASE} {self._name}" for item in others) and (
            held is None or held.ends_at <= now
        ):
            return False
        tx.buckets.put(Bucket(f"{LEASE} {self._name}", 0, now, 0, now + 2 * self._interval))
        return True

    def _sessions(self, tx: Tx, now: int) -> int:
        page = tx.sessions.find(self._batch, self._session_place or None)
        ended = sum(sessions.expire(tx, session, now) for session in page)
        self._session_place = page[-1].id if len(page) == self._batch else ""
        return ended


def _records(tx: Tx, now: int, limit: int) -> int:
    """Records past their end. A session is kept as long as its online families are, for their reasons."""
    return (
        tx.codes.sweep(now - KEEP_SECONDS, limit)
        + tx.flows.sweep(now, limit)
        + tx.barred.sweep(now, limit)
        + tx.buckets.sweep(now, limit)
        + tx.sessions.sweep(now - KEEP_SECONDS, limit)
    )
