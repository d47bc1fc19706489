"""What the checks look at, gathered from the store in one snapshot."""

from __future__ import annotations

from typing import Final, NamedTuple

from evergrant.domain.client import Client
from evergrant.domain.epoch import Epoch
from evergrant.domain.event import Event, What
from evergrant.domain.key import SealedKey
from evergrant.domain.lease import Lease
from evergrant.issuer.service.clients import every
from evergrant.issuer.service.housekeeping import LEASE
from evergrant.store.moving.backup import FORGOTTEN
from evergrant.store.port import EventQuery, Tx

DAY: Final = 86_400
ALARM_DAYS: Final = 7
# Events have no index by kind or time, so the search for alarms is bounded by their number.
SEARCHED: Final = 1_000_000
COUNTED: Final = 10_000

ALARMS: Final = (What.FAMILY_FORGED, What.FAMILY_AHEAD, What.FAMILY_REPEATS_MANY, What.FAMILY_REUSED)


class Facts(NamedTuple):
    """One snapshot of a store. *alarms*: how many events of a kind in the last days; *lease*: who keeps house."""

    clients: tuple[Client, ...]
    keys: tuple[SealedKey, ...]
    oldest: Event | None
    newest: Event | None
    alarms: dict[What, int]
    unseen_notices: int
    lease: Lease | None
    epoch: Epoch = Epoch()


def gather(tx: Tx, now: int) -> Facts:
    """Everything the checks want to know."""
    last = tx.events.find(EventQuery(newest=True, limit=1))
    first = tx.events.find(EventQuery(limit=1))
    start, declared = _searched(tx, last[0][0] if last else 0)
    horizon = now - ALARM_DAYS * DAY
    # A loss that was declared since is one that somebody has looked at.
    alarms = {what: _count(tx, what, declared if what is What.FAMILY_AHEAD else start, horizon) for what in ALARMS}
    return Facts(
        clients=tuple(every(tx)),
        keys=tuple(tx.keys.find()),
        oldest=first[0][1] if first else None,
        newest=last[0][1] if last else None,
        alarms={what: count for what, count in alarms.items() if count},
        unseen_notices=sum(not notice.acknowledged_at for notice in tx.notices.find(COUNTED)),
        lease=_held(tx, now),
        epoch=tx.epoch(),
    )


def _held(tx: Tx, now: int) -> Lease | None:
    lease = tx.leases.get(LEASE)
    return lease if lease is not None and lease.until > tx.now(now) else None


def _searched(tx: Tx, last: int) -> tuple[int, int]:
    """The numbers after which to search: of the trail, and of what has come since the last loss was declared.

    Every declaration leaves a gap in the numbers, which is no reason to see less of what came before it.
    """
    start = max(last - SEARCHED, 0)
    declared: list[int] = []
    while start > 0:
        query = EventQuery(after=start, what=What.STORE_RESTORED, newest=True, limit=COUNTED)
        found = [number for number, _ in tx.events.find(query)]
        start = max(last - SEARCHED - len(found) * FORGOTTEN, 0)
        if len(found) == len(declared):
            break
        declared = found
    return start, max([start, *declared[:1]])


def _count(tx: Tx, what: What, start: int, horizon: int) -> int:
    found = tx.events.find(EventQuery(after=start, what=what, newest=True, limit=COUNTED))
    return sum(event.at >= horizon for _, event in found)
