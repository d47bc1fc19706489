"""The audit trail by days: made ahead, dropped whole. Dropping a day of ten million events takes as long as one of ten.

A day is made beside the table and then attached, which waits for nobody's insert; it is not made when events of it lie
in `event_other` already. Dropping wants the table for itself for a moment: it gives up soon, and the next round tries
again, so that no refresh waits behind it for long.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from evergrant.store.postgres.asking import Asking

DAY: Final = 86_400
AHEAD: Final = 3
# No day of an Evergrant lies before this one or so far after it: such events stay in event_other.
_FIRST: Final = 1_600_000_000
_LAST: Final = 7_000_000_000
# Statistics of a trail are asked by no plan, and gathering them holds a snapshot for seconds: meanwhile no old version
# of a family can go, pages fill, and the table of families grows with the rate of refreshes.
_UNCOUNTED: Final = "WITH (autovacuum_analyze_threshold = 2000000000)"
_PATIENCE: Final = "SET LOCAL lock_timeout = '500ms'"
_ALL: Final = (
    "SELECT c.relname, greatest(c.reltuples, 0)::bigint FROM pg_catalog.pg_inherits"
    " JOIN pg_catalog.pg_class c ON c.oid = inhrelid"
    " WHERE inhparent = 'evergrant.event'::regclass AND c.relname ~ '^event_[0-9]{8}$' ORDER BY c.relname"
)

SMALL: Final = 1024 * 1024
_SIZES: Final = (
    "SELECT c.relname, pg_relation_size(c.oid) FROM pg_catalog.pg_inherits"
    " JOIN pg_catalog.pg_class c ON c.oid = inhrelid"
    " WHERE inhparent = 'evergrant.event'::regclass AND c.relname ~ '^event_[0-9]{8}$'"
)


class Day(NamedTuple):
    """One day's partition: its name, the instants it begins and ends at, and about how many events it has."""

    name: str
    begins: int
    ends: int
    events: int = 0


def day(at: int) -> Day:
    """The day of an instant, in UTC."""
    begins = at - at % DAY
    return Day(f"event_{datetime.fromtimestamp(begins, UTC):%Y%m%d}", begins, begins + DAY)


def days(asking: Asking) -> list[Day]:
    """The days that have a partition, oldest first."""
    return [_named(name)._replace(events=events) for name, events in asking.rows(_ALL)]


def _named(name: str) -> Day:
    noon = datetime.strptime(name, "event_%Y%m%d").replace(tzinfo=UTC) + timedelta(hours=12)
    return day(int(noon.timestamp()))


def make(asking: Asking, instants: set[int]) -> int:
    """Make the days of these instants that are not there and can be; how many were made."""
    there = {one.name for one in days(asking)}
    wanted = sorted({day(at) for at in instants if _FIRST <= at < _LAST})
    missing = [one for one in wanted if one.name not in there]
    if missing:
        # One maker at a time, among all nodes; nobody else waits for this lock.
        asking.count("LOCK TABLE evergrant.event IN SHARE UPDATE EXCLUSIVE MODE")
    return sum(_made(asking, one) for one in missing)


def arrange(asking: Asking, now: int, before: int) -> int:
    """Make today and some days ahead; drop those that ended before an instant: about how many events went."""
    asking.count(_PATIENCE)
    make(asking, {now + DAY * n for n in range(AHEAD + 1)})
    over = [one for one in days(asking) if one.ends <= before]
    for one in over:
        asking.count(f"DROP TABLE evergrant.{one.name}")
    return sum(one.events for one in over)


def small(asking: Asking, before: int) -> list[str]:
    """The tables that are swept row by row: of events without a day, and of days with so few that it costs nothing.

    Where little is written, events so go at the second their retention ends; where much is, with their day.
    """
    sizes = dict(asking.rows(_SIZES))
    return ["event_other", *(name for name, size in sizes.items() if size < SMALL and _named(name).begins < before)]


def _made(asking: Asking, one: Day) -> bool:
    # Asked of the catalog as it is now: whoever had the lock before may have made it.
    if asking.rows("SELECT to_regclass(%s)", (f"evergrant.{one.name}",))[0][0]:
        return False
    if asking.rows("SELECT FROM evergrant.event_other WHERE at >= %s AND at < %s LIMIT 1", (one.begins, one.ends)):
        return False
    asking.count(f"CREATE TABLE evergrant.{one.name} (LIKE evergrant.event INCLUDING ALL) {_UNCOUNTED}")
    asking.count(
        f"ALTER TABLE evergrant.event ATTACH PARTITION evergrant.{one.name}"
        f" FOR VALUES FROM ({one.begins:d}) TO ({one.ends:d})"
    )
    return True
