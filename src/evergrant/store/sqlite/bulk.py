"""The tables as plain rows, for moving a whole store. SQLite keeps every value as it is."""

from collections.abc import Sequence
from typing import Any, Final

from evergrant.store.bulk import META, NUMBERED, RECORDS, TABLES, Row, Table, Value
from evergrant.store.sqlite.connection import Connection

AWAY: Final = 10_000
"""The number under which the table of migrations says that the tables have gone elsewhere."""
_PREFIX: Final = "moved_"
_ALL: Final = tuple(dict.fromkeys((*TABLES, *RECORDS)))
# Whoever commits reads the revision; it says nothing that anybody could use.
_LEAVING: Final = tuple(table for table in _ALL if table != META)


class SqliteBulk:
    """See `evergrant.store.bulk.Bulk`."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._cursor = connection, connection.cursor()

    def counts(self) -> dict[str, int]:
        return {table.name: self._number(f"SELECT count(*) FROM {table.name}") for table in TABLES}  # noqa: S608

    def page(self, table: Table, after: Value = None, upto: Value = None, limit: int = -1) -> list[Row]:
        where, values = _range(table, after, upto)
        sql = f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {where} ORDER BY {table.key} LIMIT ?"  # noqa: S608
        rows: list[Any] = self._cursor.execute(sql, (*values, limit)).fetchall()
        return rows

    def load(self, table: Table, rows: Sequence[Row]) -> None:
        marks = ", ".join("?" * len(table.columns))
        sql = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})"  # noqa: S608 - own names
        self._cursor.executemany(sql, rows)

    def cut(self, table: Table, after: Value, upto: Value) -> None:
        where, values = _range(table, after, upto)
        self._cursor.execute(f"DELETE FROM {table.name} WHERE {where}", values)  # noqa: S608 - own names

    def drop(self, table: Table, keys: Sequence[Value]) -> None:
        sql = f"DELETE FROM {table.name} WHERE {table.key} = ?"  # noqa: S608 - own names
        self._cursor.executemany(sql, [(key,) for key in keys])

    def clear(self) -> None:
        for table in _ALL:
            self._cursor.execute(f"DELETE FROM {table.name}")  # noqa: S608 - own names

    def numbers(self) -> dict[str, int]:
        rows: list[Any] = self._cursor.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        found = dict(rows)
        return {table.name: int(found.get(table.name, 0)) for table in NUMBERED}

    def number_after(self, table: Table, number: int) -> None:
        self._cursor.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
        self._cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, number))

    def freeze(self) -> None:
        """Nothing to do: a transaction that writes is the only one."""

    def leave(self, whither: str) -> None:
        for table in _LEAVING:
            self._cursor.execute(f"ALTER TABLE {table.name} RENAME TO {_PREFIX}{table.name}")
        self._cursor.execute("INSERT INTO migration VALUES (?, ?, '')", (AWAY, whither))

    def come_back(self) -> None:
        for table in _LEAVING:
            self._cursor.execute(f"ALTER TABLE {_PREFIX}{table.name} RENAME TO {table.name}")
        self._cursor.execute("DELETE FROM migration WHERE number = ?", (AWAY,))

    def _number(self, sql: str) -> int:
        rows: list[Any] = self._cursor.execute(sql).fetchall()
        return int(rows[0][0])


def _range(table: Table, after: Value, upto: Value) -> tuple[str, tuple[Any, ...]]:
    bounds = [(">", after), ("<=", upto)]
    parts = [f"{table.key} {sign} ?" for sign, bound in bounds if bound is not None]
    return " AND ".join(parts) or "TRUE", tuple(bound for _, bound in bounds if bound is not None)
