"""The audit trail in SQL. How it is cut into partitions is in `partitions`; what a follower may see, in `horizon`.

Events are noted down and written in one statement when their work is done: their numbers are then drawn just before
the commit, by work that has succeeded.
"""

from collections.abc import Sequence
from typing import Any, Final

from evergrant.domain import id as ids
from evergrant.domain.event import Event, What
from evergrant.store.port import EventQuery
from evergrant.store.postgres import partitions
from evergrant.store.postgres.asking import Asking, writable
from evergrant.store.postgres.horizon import Horizon

COLUMNS: Final = (
    "family", "at", "what", "client_id", "account_id", "session_id", "reason", "generation", "network", "agent",
    "detail",
)  # fmt: skip
TYPES: Final = {"family": "bytea", "at": "bigint", "generation": "bigint"}
_NAMED: Final = ", ".join(COLUMNS)
# A number is drawn by a transaction that has begun to write, so that a follower who sees a gap can tell from the
# transactions that are under way whether it may yet be filled.
NUMBER: Final = "CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('evergrant.event_number') END"
_ADD: Final = (
    f"INSERT INTO evergrant.event (number, {_NAMED}) SELECT {NUMBER}, told.* FROM unnest("  # noqa: S608 - own names
    + ", ".join(f"%s::{TYPES.get(name, 'text')}[]" for name in COLUMNS)
    + ") told"
)
# What the index of events leaves out: one row for every refresh. Such rows of one family are found by a walk that
# begins where the family did.
_ROUTINE: Final = f"('{What.FAMILY_ROTATED}', '{What.FAMILY_REFRESHED}')"
_RARE_OF_FAMILY: Final = f"family = %(family)s AND family <> ''::bytea AND what NOT IN {_ROUTINE}"
_ROUTINE_OF_FAMILY: Final = (
    f"family = %(family)s AND what IN {_ROUTINE} AND number > coalesce((SELECT min(number) FROM evergrant.event"  # noqa: S608
    f" WHERE {_RARE_OF_FAMILY} AND what = '{What.FAMILY_STARTED}'), 0)"
)
_SWEEP: Final = (
    "DELETE FROM evergrant.event e USING (SELECT number, at FROM ({oldest}) each ORDER BY number LIMIT %(limit)s) old"
    " WHERE e.number = old.number AND e.at = old.at AND e.at < %(before)s"
)
_RAW: Final = ids.RAW_LENGTH


def family_key(name: str) -> bytes:
    """The bytes under which an event's family is kept: its id, or a text that is none behind zeros. Empty for none."""
    if not name:
        return b""
    raw = ids.parse(ids.Kind.FAMILY, name)
    if raw is not None:
        return raw
    text = name.encode()
    return (b"\0" if len(text) + 1 != _RAW else b"\0\0") + text


def family_name(key: bytes) -> str:
    """The family's name behind what `family_key` made of it."""
    if len(key) == _RAW:
        return ids.text(ids.Kind.FAMILY, key)
    return key.lstrip(b"\0").decode()


def columns(events: Sequence[Event]) -> list[list[Any]]:
    """Events as columns, in the order of `COLUMNS`."""
    rows = [
        writable((
            family_key(one.family_id), one.at, one.what.value, one.client_id, one.account_id, one.session_id,
            str(one.reason), one.generation, one.network, one.agent, one.detail,
        ))
        for one in events
    ]  # fmt: skip
    return [list(column) for column in zip(*rows, strict=True)]


def _event(row: tuple[Any, ...]) -> tuple[int, Event]:
    number, family, at, what, client_id, account_id, *rest = row
    return number, Event(at, What(what), client_id, account_id, family_name(family), *rest)


class Events:
    """The audit trail inside one transaction. A follower is shown no more than *horizon* allows."""

    def __init__(self, asking: Asking, horizon: Horizon | None = None) -> None:
        self._ask, self._horizon = asking, horizon
        self._noted: list[Event] = []

    def add(self, events: Sequence[Event]) -> None:
        self._noted.extend(events)

    def forget(self) -> None:
        """Write nothing of what was noted down."""
        self._noted = []

    @property
    def unwritten(self) -> bool:
        """Whether anything is only noted down."""
        return bool(self._noted)

    def flush(self) -> None:
        """Write what was noted down."""
        if self._noted:
            noted, self._noted = self._noted, []
            self._ask.send(_ADD, tuple(columns(noted)))

    def find(self, query: EventQuery) -> list[tuple[int, Event]]:
        self.flush()
        wanted = {name: getattr(query, name) for name in ("account_id", "client_id", "what")}
        given: dict[str, Any] = {name: str(value) for name, value in wanted.items() if value}
        parts = ["number > %(after)s", *(f"{name} = %({name})s" for name in given)]
        if query.after and not query.newest and self._horizon is not None:
            parts.append(f"number <= {self._horizon.reach(self._ask):d}")
        where = " AND ".join(parts)
        given = dict(zip(given, writable(tuple(given.values())), strict=True))
        sql = f"SELECT number, {_NAMED} FROM evergrant.event WHERE {where}"  # noqa: S608 - own columns
        if query.family_id:
            rare, routine = f"{sql} AND {_RARE_OF_FAMILY}", f"{sql} AND {_ROUTINE_OF_FAMILY}"
            sql = f"SELECT * FROM ({rare} UNION ALL {routine}) both_kinds"  # noqa: S608 - own columns
        order = "DESC" if query.newest else "ASC"
        given |= {"after": query.after, "limit": query.limit, "family": family_key(query.family_id)}
        return [_event(row) for row in self._ask.rows(f"{sql} ORDER BY number {order} LIMIT %(limit)s", given)]

    def arrange(self, now: int, before: int) -> int:
        self.flush()
        return partitions.arrange(self._ask, now, before)

    def sweep(self, before: int, limit: int) -> int:
        self.flush()
        oldest = " UNION ALL ".join(
            f"(SELECT number, at FROM evergrant.{name} ORDER BY number LIMIT %(limit)s)"  # noqa: S608 - own names
            for name in partitions.small(self._ask, before)
        )
        return self._ask.count(_SWEEP.format(oldest=oldest), {"limit": limit, "before": before})
