"""Housekeeping: what is over is erased in small batches, each its own transaction, so that no refresh waits long.

A round takes several batches where there is much to do, so that what is written in an hour is erased in an hour.
One housekeeper at a time, over all processes and hosts, by a lease in the store and by the store's own clock. Each
batch renews it in its own transaction: one that was paused, and wakes up when the lease has gone on, changes nothing.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from evergrant.clock import Clock
from evergrant.domain import id as ids
from evergrant.domain.event import Event, What
from evergrant.domain.family import Family
from evergrant.domain.lease import Lease, kept, taken
from evergrant.domain.reason import Reason
from evergrant.issuer.service import lasting, sessions
from evergrant.issuer.service.key_rotation import KeyRotation
from evergrant.issuer.settings import Settings
from evergrant.keys import lifecycle
from evergrant.protocol.ending import MARGIN
from evergrant.store.port import Store, Swept, Tx

T = TypeVar("T")
LEASE: Final = "housekeeping"
# A family's row outlives its absolute end by this, so that late reuse is still recognised (attack O-16).
KEEP_SECONDS: Final = 7 * 86_400
# Batches of one kind in one round. At the default batch and interval: a million rows of each kind in an hour.
MOST_BATCHES: Final = 20
# Events come at the rate of refreshes: at the same defaults, 1,600 a second.
MOST_EVENT_BATCHES: Final = 100


class Done(NamedTuple):
    """What one round did, in rows."""

    erased: int = 0
    expired: int = 0
    families: int = 0
    records: int = 0
    events: int = 0
    sessions: int = 0
    keys: int = 0
    successors: int = 0


class _Fenced(Exception):
    """The lease went to another process."""


class Housekeeper:
    """Sweeps one store, a bit at a time. With *keys*, signing keys get their successors in time.

    With *settings*, ends are forgotten once no access token can be meant by them.

    *name* is this process's alone, over all hosts that share the store.
    """

    def __init__(
        self, store: Store, clock: Clock, *, name: str, batch: int, interval: int, retention: int,
        keys: KeyRotation | None = None, settings: Settings | None = None,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._name, self._keys = store, clock, name, keys
        self._batch, self._interval, self._retention = batch, interval, retention
        self._settings = settings
        self._place, self._session_place = b"", ""
        self._lease: Lease | None = None

    async def round(self) -> Done:
        """One round; none while the clock is suspect, or somebody else keeps house.

        Raises `StoreUnavailable`; what was swept stays swept.
        """
        now = self._clock.now()
        # Attack O-09: one wrong clock would end every family, and erase what no right clock could bring back.
        if self._clock.suspect:
            return Done()
        self._lease = await self._store.write(self._take)
        if self._lease is None:
            return Done()
        try:
            return await self._swept(now)
        except _Fenced:
            return Done()

    async def _swept(self, now: int) -> Done:
        done = await self._families(now - self._clock.lead)
        records = sum([await self._all(sweep) for sweep in _records(now, self._batch)])
        horizon = now - self._retention
        events = await self._all(lambda tx: tx.events.sweep(horizon, self._batch), MOST_EVENT_BATCHES)
        if self._settings is not None:
            await self._endings(self._settings, now)
        ended = await self._sessions(now)
        keys = await self._write(lambda tx: lifecycle.sweep(tx, now))
        successors = await self._keys.rotate_due() if self._keys is not None else 0
        # Last of all: where somebody reads the trail for long it fails, and is tried again in the next round.
        events += await self._write(lambda tx: tx.events.arrange(now, horizon))
        return done._replace(records=records, events=events, sessions=ended, keys=keys, successors=successors)

    async def _endings(self, settings: Settings, now: int) -> None:
        """Forget the ends that no access token can be meant by any more."""
        lasts = await self._write(lambda tx: lasting.remember(tx, settings, now))
        horizon = now - self._clock.lead - lasts - MARGIN
        await self._all(lambda tx: tx.endings.sweep(horizon, self._batch))

    async def _all(self, sweep: Callable[[Tx], int], most: int = MOST_BATCHES) -> int:
        """Sweep batch after batch for as long as they are full; how many rows went."""
        total = 0
        for _ in range(most):
            count = await self._write(sweep)
            total += count
            if count < self._batch:
                break
        return total

    async def _families(self, now: int) -> Done:
        """Some steps through the family table, from where the last round stopped, to its end at most."""
        done = Done()
        for _ in range(MOST_BATCHES):
            place = self._place
            swept = await self._write(_walk(place, now, self._batch))
            self._place = swept.last
            done = done._replace(
                erased=done.erased + swept.erased, expired=done.expired + swept.expired,
                families=done.families + swept.deleted,
            )  # fmt: skip
            if not swept.last:
                break
        return done

    def _take(self, tx: Tx) -> Lease | None:
        lease = taken(tx.leases.get(LEASE), LEASE, self._name, tx.now(self._clock.now()), 2 * self._interval)
        if lease is not None:
            tx.leases.put(lease)
        return lease

    async def _write(self, work: Callable[[Tx], T]) -> T:
        """One batch, if the lease is still ours. Raises `_Fenced`, nothing written, when it is not (attack O-18)."""

        def fenced(tx: Tx) -> T:
            held, now = tx.leases.get(LEASE), tx.now(self._clock.now())
            lease = kept(held, self._lease, now, 2 * self._interval) if self._lease is not None else None
            if lease is None:
                raise _Fenced
            # Written and not only read: whoever takes the lease meanwhile waits for this batch, or undoes it.
            tx.leases.put(lease)
            return work(tx)

        return await self._store.write(fenced)

    async def _sessions(self, now: int) -> int:
        """Some steps through the sessions, ending those whose time is over; how many."""
        ended = 0
        for _ in range(MOST_BATCHES):
            count, self._session_place = await self._write(_expire(self._session_place, now, self._batch))
            ended += count
            if not self._session_place:
                break
        return ended


def _walk(place: bytes, now: int, limit: int) -> Callable[[Tx], Swept]:
    """A step through the families, with an event for each one that it ends."""

    def work(tx: Tx) -> Swept:
        swept = tx.families.sweep(place, now, limit, KEEP_SECONDS)
        tx.events.add([_ended(family, now) for family in swept.ended])
        return swept

    return work


def _ended(family: Family, now: int) -> Event:
    reason = Reason.ABSOLUTE if now >= family.absolute_end else Reason.IDLE
    name = ids.text(ids.Kind.FAMILY, family.id)
    return Event(now, What.FAMILY_ENDED, family.client_id, family.account_id, name, family.session_id, reason,
                 family.head.generation)  # fmt: skip


def _expire(place: str, now: int, limit: int) -> Callable[[Tx], tuple[int, str]]:
    def work(tx: Tx) -> tuple[int, str]:
        page = tx.sessions.find(limit, place or None)
        ended = sum(sessions.expire(tx, session, now) for session in page)
        return ended, page[-1].id if len(page) == limit else ""

    return work


def _records(now: int, limit: int) -> tuple[Callable[[Tx], int], ...]:
    """Records past their end, by kind. A session is kept as long as its online families are, for their reasons."""
    return (
        lambda tx: tx.codes.sweep(now - KEEP_SECONDS, limit),
        lambda tx: tx.flows.sweep(now, limit),
        lambda tx: tx.barred.sweep(now, limit),
        lambda tx: tx.buckets.sweep(now, limit),
        lambda tx: tx.deliveries.sweep(now, limit),
        lambda tx: tx.sessions.sweep(now - KEEP_SECONDS, limit),
    )
