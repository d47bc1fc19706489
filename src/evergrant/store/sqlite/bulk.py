"""The tables as plain rows, for moving a whole store. SQLite keeps every value as it is."""

from collections.abc import Sequence
from typing import Any, Final

from evergrant.store.bulk import Layout, Row, Table, Value
from evergrant.store.layout import ISSUER, META
from evergrant.store.sqlite.connection import Connection

AWAY: Final = 10_000
"""The number under which the table of migrations says that the tables have gone elsewhere."""
_PREFIX: Final = "moved_"


class SqliteBulk:
    """The tables of any kind of store (see `evergrant.store.bulk.Bulk`); what is numbered is its kind's own.

    *staying*: tables that keep their names when the store is left.
    """

    def __init__(self, connection: Connection, layout: Layout, staying: Sequence[Table] = ()) -> None:
        self.layout = layout
        self._connection, self._cursor = connection, connection.cursor()
        self._leaving = [table.name for table in layout.all if table not in staying]

    def counts(self) -> dict[str, int]:
        return {table.name: self._number(f"SELECT count(*) FROM {table.name}") for table in self.layout.tables}  # noqa: S608

    def page(self, table: Table, after: Value = None, upto: Value = None, limit: int = -1) -> list[Row]:
        if table.grouped and limit >= 0:
            upto, limit = self._end(table, after, upto, limit), -1
            if upto is None:
                return []
        where, values = _range(table, after, upto)
        order = ", ".join(table.columns[:2]) if table.grouped else table.key
        sql = f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {where} ORDER BY {order} LIMIT ?"  # noqa: S608
        rows: list[Any] = self._cursor.execute(sql, (*values, limit)).fetchall()
        return rows

    def _end(self, table: Table, after: Value, upto: Value, limit: int) -> Value:
        """The key at which a page of whole groups ends."""
        where, values = _range(table, after, upto)
        first = f"SELECT {table.key} FROM {table.name} WHERE {where} ORDER BY {table.key} LIMIT ?"  # noqa: S608
        rows: list[Any] = self._cursor.execute(f"SELECT max({table.key}) FROM ({first})", (*values, limit)).fetchall()  # noqa: S608
        end: Value = rows[0][0]
        return end

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
        for table in self.layout.all:
            self._cursor.execute(f"DELETE FROM {table.name}")  # noqa: S608 - own names

    def freeze(self) -> None:
        """Nothing to do: a transaction that writes is the only one."""

    def refuse_busy(self) -> None:
        """Nothing here is ever under way when no transaction is."""

    def leave(self, whither: str) -> None:
        for name in self._leaving:
            self._cursor.execute(f"ALTER TABLE {name} RENAME TO {_PREFIX}{name}")
        self._cursor.execute("INSERT INTO migration VALUES (?, ?, '')", (AWAY, whither))

    def come_back(self) -> None:
        for name in self._leaving:
            self._cursor.execute(f"ALTER TABLE {_PREFIX}{name} RENAME TO {name}")
        self._cursor.execute("DELETE FROM migration WHERE number = ?", (AWAY,))

    def _number(self, sql: str) -> int:
        rows: list[Any] = self._cursor.execute(sql).fetchall()
        return int(rows[0][0])


class IssuerBulk(SqliteBulk):
    """The issuer's."""

    def __init__(self, connection: Connection) -> None:
        # Whoever commits reads the revision; it says nothing that anybody could use.
        super().__init__(connection, ISSUER, staying=(META,))

    def numbers(self) -> dict[str, int]:
        rows: list[Any] = self._cursor.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        found = dict(rows)
        return {name: int(found.get(name, 0)) for name in ISSUER.numbered}

    def number_after(self, name: str, number: int) -> None:
        self._cursor.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        self._cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, number))


def _range(table: Table, after: Value, upto: Value) -> tuple[str, tuple[Any, ...]]:
    bounds = [(">", after), ("<=", upto)]
    parts = [f"{table.key} {sign} ?" for sign, bound in bounds if bound is not None]
    return " AND ".join(parts) or "TRUE", tuple(bound for _, bound in bounds if bound is not None)
