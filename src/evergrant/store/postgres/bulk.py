"""The tables as plain rows, for moving a whole store: read by pages, written by COPY."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from evergrant.store.bulk import EVENT, FAMILY, META, NUMBERED, RECORDS, TABLES, Row, Table, Value
from evergrant.store.postgres import partitions
from evergrant.store.postgres.asking import Asking, writable
from evergrant.store.postgres.events import family_key, family_name

AWAY: Final = 10_000
"""The number under which the table of migrations says that the tables have gone elsewhere."""
_PREFIX: Final = "moved_"
_ALL: Final = tuple(dict.fromkeys((*TABLES, *RECORDS)))
# Whoever commits reads the revision; it says nothing that anybody could use.
_LEAVING: Final = tuple(table for table in _ALL if table != META)
_ONLINE: Final = FAMILY.columns.index("online")
_AT: Final = EVENT.columns.index("at")
_FAMILY_ID: Final = EVENT.columns.index("family_id")


def _as_it_is(row: Row) -> Row:
    return row


def _with(place: int, change: Callable[[Any], Value]) -> Callable[[Row], Row]:
    return lambda row: (*row[:place], change(row[place]), *row[place + 1 :])


# What this store keeps otherwise than others do: how it is read, and how it is written.
_READ: Final = {FAMILY: _with(_ONLINE, int), EVENT: _with(_FAMILY_ID, family_name)}
_WRITTEN: Final = {FAMILY: _with(_ONLINE, bool), EVENT: _with(_FAMILY_ID, family_key)}


class PostgresBulk:
    """See `evergrant.store.bulk.Bulk`."""

    def __init__(self, asking: Asking) -> None:
        self._ask = asking

    def counts(self) -> dict[str, int]:
        return {table.name: self._number(f"SELECT count(*) FROM evergrant.{table.name}") for table in TABLES}  # noqa: S608

    def page(self, table: Table, after: Value = None, upto: Value = None, limit: int = -1) -> list[Row]:
        where, values = _range(table, after, upto)
        most = f" LIMIT {limit:d}" if limit >= 0 else ""
        named = f"SELECT {_columns(table)} FROM evergrant.{table.name}"  # noqa: S608 - own names
        rows = self._ask.rows(f"{named} WHERE {where} ORDER BY {table.key}{most}", values)
        read = _READ.get(table, _as_it_is)
        return [read(row) for row in rows]

    def load(self, table: Table, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if table == EVENT:
            partitions.make(self._ask, {int(row[_AT] or 0) // partitions.DAY * partitions.DAY for row in rows})
        turned = _WRITTEN.get(table, _as_it_is)
        statement = f"COPY evergrant.{table.name} ({_columns(table)}) FROM STDIN"
        with self._ask.connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for row in rows:
                copy.write_row(writable(turned(row)))

    def cut(self, table: Table, after: Value, upto: Value) -> None:
        where, values = _range(table, after, upto)
        self._ask.count(f"DELETE FROM evergrant.{table.name} WHERE {where}", values)  # noqa: S608 - own names

    def drop(self, table: Table, keys: Sequence[Value]) -> None:
        statement = f"DELETE FROM evergrant.{table.name} WHERE {table.key} = ANY(%s)"  # noqa: S608 - own names
        self._ask.count(statement, (list(writable(tuple(keys))),))

    def clear(self) -> None:
        self._ask.count(f"TRUNCATE {', '.join(f'evergrant.{table.name}' for table in _ALL)}")

    def numbers(self) -> dict[str, int]:
        read = "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM evergrant.{}_number"
        return {table.name: self._number(read.format(table.name)) for table in NUMBERED}

    def number_after(self, table: Table, number: int) -> None:
        self._ask.rows(f"SELECT setval('evergrant.{table.name}_number', %s, %s)", (max(number, 1), number > 0))
        if table.name == "ending":
            self._ask.count("UPDATE evergrant.ending_swept SET number = %s", (number,))

    def freeze(self) -> None:
        tables = ", ".join(f"evergrant.{table.name}" for table in _ALL)
        # The gate first: once no other write is under way, none can hold one of these tables and wait for another.
        self._ask.count("LOCK TABLE evergrant.write_gate IN EXCLUSIVE MODE")
        self._ask.count(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")

    def leave(self, whither: str) -> None:
        for table in _LEAVING:
            self._ask.count(f"ALTER TABLE evergrant.{table.name} RENAME TO {_PREFIX}{table.name}")
        self._ask.count(
            "INSERT INTO evergrant.migration (number, name, kind, works_with, checksum) VALUES (%s, %s, %s, %s, '')",
            (AWAY, whither, "contract", AWAY),
        )

    def come_back(self) -> None:
        for table in _LEAVING:
            self._ask.count(f"ALTER TABLE evergrant.{_PREFIX}{table.name} RENAME TO {table.name}")
        self._ask.count("DELETE FROM evergrant.migration WHERE number = %s", (AWAY,))

    def _number(self, statement: str) -> int:
        return int(self._ask.rows(statement)[0][0])


def _columns(table: Table) -> str:
    return ", ".join("family" if table == EVENT and name == "family_id" else name for name in table.columns)


def _range(table: Table, after: Value, upto: Value) -> tuple[str, tuple[Any, ...]]:
    bounds = [(">", after), ("<=", upto)]
    parts = [f"{table.key} {sign} %s" for sign, bound in bounds if bound is not None]
    return " AND ".join(parts) or "TRUE", writable(tuple(bound for _, bound in bounds if bound is not None))
