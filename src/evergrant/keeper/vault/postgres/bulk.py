"""The vault's tables as plain rows, for moving all of it.

Other vaults keep documents as bytes and NUL in texts, have no table of places, and chain events as they are told.
What was told and is not chained yet is read as if it were.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import psycopg

from evergrant.keeper.event import Event, Stored
from evergrant.keeper.vault.chain import chained
from evergrant.keeper.vault.layout import CONNECTION, DOCUMENT, EVENT, FENCE, RECORD, TRAIL, VAULT
from evergrant.keeper.vault.port import TrailEnds, VaultUnavailable
from evergrant.keeper.vault.postgres.asking import NUL, encode
from evergrant.keeper.vault.postgres.leaving import Leaving
from evergrant.keeper.vault.rows import decode
from evergrant.store.bulk import Busy, Row, Table, Value
from evergrant.store.postgres.asking import Asking
from evergrant.store.postgres.bulk import PostgresBulk, Turned
from evergrant.store.postgres.connection import Address

SCHEMA: Final = "evergrant_keeper"
ATTEMPTS: Final = 300
LONGEST_HOLD_UP: Final = "200ms"
"""Less than a server takes to look for a deadlock, and than a keeper waits."""
LONGEST_WAIT: Final = "10s"
_ASLEEP: Final = RECORD.columns.index("asleep")
_PLACE: Final = [CONNECTION.columns.index(name) for name in ("tenant", "client", "account", "id")]


def _reading(table: Table) -> Turned:
    document = table.columns.index(DOCUMENT) if DOCUMENT in table.columns else -1

    def read(row: Row) -> Row:
        values = [one.replace(NUL, "\0") if isinstance(one, str) and NUL in one else one for one in row]
        if document >= 0:
            values[document] = str(row[document]).encode()
        if table == RECORD:
            values[_ASLEEP] = int(row[_ASLEEP] or 0)
        return tuple(values)

    return read


def _writing(table: Table) -> Turned:
    document = table.columns.index(DOCUMENT) if DOCUMENT in table.columns else -1

    def write(row: Row) -> Row:
        values = list(row)
        if document >= 0 and isinstance(found := row[document], bytes):
            values[document] = found.decode()
        if table == RECORD:
            values[_ASLEEP] = bool(row[_ASLEEP])
        return tuple(values)

    return write


class VaultBulk(PostgresBulk):
    """See `evergrant.store.bulk.Bulk`."""

    reading: ClassVar[Mapping[Table, Turned]] = {table: _reading(table) for table in VAULT.tables}
    writing: ClassVar[Mapping[Table, Turned]] = {table: _writing(table) for table in VAULT.tables}

    def __init__(self, asking: Asking, place: Address, leaving: Leaving) -> None:
        super().__init__(asking, VAULT, SCHEMA, more=("place", "told"))
        self._place, self._leaving_soon = place, leaving
        self._chained: list[Row] | None = None

    def counts(self) -> dict[str, int]:
        return {**(found := super().counts()), EVENT.name: found[EVENT.name] + len(self._told())}

    def page(self, table: Table, after: Value = None, upto: Value = None, limit: int = -1) -> list[Row]:
        found = super().page(table, after, upto, limit)
        if table == TRAIL:
            return [self._end(row) for row in found]
        if table == EVENT and (limit < 0 or len(found) < limit):
            more = [row for row in self._told() if _between(row[0], after, upto)]
            found += more if limit < 0 else more[: limit - len(found)]
        return found

    def _told(self) -> list[Row]:
        """What waits to be chained, as the rows of the trail that it will be."""
        if self._chained is None:
            trail = f"SELECT swept, swept_chain, last, last_chain FROM {SCHEMA}.trail"  # noqa: S608 - own names
            ends = TrailEnds(*next(iter(self._ask.rows(trail)), ()))
            told = self._ask.rows(f"SELECT document FROM {SCHEMA}.told ORDER BY number")  # noqa: S608 - own names
            events = chained(ends.last_chain, ends.last, [decode(row[0], Event) for row in told])
            self._chained = [_event(one) for one in events]
        return self._chained

    def _end(self, row: Row) -> Row:
        told = self._told()
        return (*row[:3], told[-1][0], told[-1][4]) if told else row

    def load(self, table: Table, rows: Sequence[Row]) -> None:
        super().load(table, rows)
        if table == CONNECTION and rows:
            self._copy(
                "place", "tenant, client, account, connection_id", [tuple(row[at] for at in _PLACE) for row in rows]
            )

    def drop(self, table: Table, keys: Sequence[Value]) -> None:
        if table == CONNECTION:
            named = f"SELECT tenant, client, account FROM {SCHEMA}.connection WHERE id = ANY(%s)"  # noqa: S608 - own names
            places = self._ask.rows(named, (list(keys),))
            self._ask.count(
                f"DELETE FROM {SCHEMA}.place WHERE (tenant, client, account) IN"  # noqa: S608 - own names
                " (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]))",
                tuple(list(column) for column in zip(*places, strict=True)) or ([], [], []),
            )
        super().drop(table, keys)

    def clear(self) -> None:
        super().clear()
        self._leaving_soon.announce(0)
        self._chained = None

    def numbers(self) -> dict[str, int]:
        read = f"SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {SCHEMA}.fence"  # noqa: S608
        return {FENCE: self._number(read)}

    def number_after(self, name: str, number: int) -> None:
        self._ask.rows(f"SELECT setval('{SCHEMA}.{name}', %s, %s)", (max(number, 1), number > 0))

    def freeze(self) -> None:
        """Lock everything within a moment, or give back what was got: no keeper's commit dies of a deadlock with us."""
        for _ in range(ATTEMPTS):
            if self._locked(f"LOCK TABLE {self._named()} IN ACCESS EXCLUSIVE MODE"):
                self._chained = None
                return
            self._ask.rows("SELECT pg_sleep(0.02)")
        raise VaultUnavailable(f"{self._place.shown}: somebody was always at work in it; try again")

    def _locked(self, statement: str) -> bool:
        self._ask.count("SAVEPOINT lock")
        try:
            self._wait_at_most(LONGEST_HOLD_UP)
            self._ask.count(statement)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            self._ask.count("ROLLBACK TO lock")
            return False
        self._wait_at_most(LONGEST_WAIT)
        return True

    def _wait_at_most(self, long: str) -> None:
        self._ask.rows("SELECT set_config('lock_timeout', %s, true)", (long,))

    def refuse_busy(self) -> None:
        if self._leaving_soon.under_way():
            raise Busy


def _event(stored: Stored) -> Row:
    event = stored.event
    return stored.number, event.at, event.tenant, event.connection_id, stored.chain, encode(event).encode()


def _between(number: Value, after: Value, upto: Value) -> bool:
    return isinstance(number, int) and number > int(after or 0) and (upto is None or number <= int(upto))
