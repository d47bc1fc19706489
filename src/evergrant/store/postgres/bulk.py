"""The tables as plain rows, for moving a whole store: read by pages, written by COPY."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from evergrant.store.bulk import Layout, Row, Table, Value
from evergrant.store.layout import EVENT, FAMILY, ISSUER, META
from evergrant.store.postgres import partitions
from evergrant.store.postgres.asking import Asking, writable
from evergrant.store.postgres.events import family_key, family_name

AWAY: Final = 10_000
"""The number under which the table of migrations says that the tables have gone elsewhere."""
_PREFIX: Final = "moved_"
Turned = Callable[[Row], Row]


def _as_it_is(row: Row) -> Row:
    return row


def turned(place: int, change: Callable[[Any], Value]) -> Turned:
    """A row with one value changed."""
    return lambda row: (*row[:place], change(row[place]), *row[place + 1 :])


# How many rows the last ANALYZE found: counting a hundred million takes longer than a statement may.
MANY: Final = 1_000_000
_NOTED: Final = (
    "SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_catalog.pg_class WHERE relkind = 'r' AND oid IN"
    " (SELECT %(table)s::regclass UNION SELECT relid FROM pg_catalog.pg_partition_tree(%(table)s::regclass))"
)


class PostgresBulk:
    """The tables of any kind of store, in one schema (see `evergrant.store.bulk.Bulk`).

    *reading* and *writing* turn the rows of tables that this store keeps otherwise than others do.
    """

    reading: ClassVar[Mapping[Table, Turned]] = {}
    writing: ClassVar[Mapping[Table, Turned]] = {}

    def __init__(
        self, asking: Asking, layout: Layout, schema: str, staying: Sequence[str] = (), more: Sequence[str] = ()
    ) -> None:
        self.layout = layout
        self._ask, self._schema = asking, schema
        self._staying, self._more = staying, more  # every transaction makes one of these, and a move uses it

    def counts(self) -> dict[str, int]:
        return {table.name: self._about(f"{self._schema}.{table.name}") for table in self.layout.tables}

    def page(self, table: Table, after: Value = None, upto: Value = None, limit: int = -1) -> list[Row]:
        where, values = _range(table, after, upto)
        most = "" if limit < 0 else f" FETCH FIRST {limit:d} ROWS {'WITH TIES' if table.grouped else 'ONLY'}"
        named = f"SELECT {self._columns(table)} FROM {self._schema}.{table.name}"  # noqa: S608 - own names
        rows = self._ask.rows(f"{named} WHERE {where} ORDER BY {table.key}{most}", values)
        read = self.reading.get(table, _as_it_is)
        found = [read(row) for row in rows]
        return sorted(found, key=lambda row: row[:2]) if table.grouped else found

    def load(self, table: Table, rows: Sequence[Row]) -> None:
        if not rows:
            return
        write = self.writing.get(table, _as_it_is)
        self._copy(table.name, self._columns(table), [write(row) for row in rows])

    def _copy(self, name: str, columns: str, rows: Sequence[Row]) -> None:
        statement = f"COPY {self._schema}.{name} ({columns}) FROM STDIN"
        with self._ask.connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for row in rows:
                copy.write_row(writable(row))

    def cut(self, table: Table, after: Value, upto: Value) -> None:
        where, values = _range(table, after, upto)
        self._ask.count(f"DELETE FROM {self._schema}.{table.name} WHERE {where}", values)  # noqa: S608 - own names

    def drop(self, table: Table, keys: Sequence[Value]) -> None:
        statement = f"DELETE FROM {self._schema}.{table.name} WHERE {table.key} = ANY(%s)"  # noqa: S608 - own names
        self._ask.count(statement, (list(writable(tuple(keys))),))

    def clear(self) -> None:
        self._ask.count(f"TRUNCATE {self._named()}")

    def refuse_busy(self) -> None:
        """Nothing here is ever under way when no transaction is."""

    def leave(self, whither: str) -> None:
        for name in self._leaving():
            self._ask.count(f"ALTER TABLE {self._schema}.{name} RENAME TO {_PREFIX}{name}")
        self._ask.count(
            f"INSERT INTO {self._schema}.migration (number, name, kind, works_with, checksum)"  # noqa: S608 - own names
            " VALUES (%s, %s, %s, %s, '')",
            (AWAY, whither, "contract", AWAY),
        )

    def come_back(self) -> None:
        for name in self._leaving():
            self._ask.count(f"ALTER TABLE {self._schema}.{_PREFIX}{name} RENAME TO {name}")
        self._ask.count(f"DELETE FROM {self._schema}.migration WHERE number = %s", (AWAY,))  # noqa: S608 - own names

    def _all(self) -> list[str]:
        return [*(table.name for table in self.layout.all), *self._more]

    def _leaving(self) -> list[str]:
        return [name for name in self._all() if name not in self._staying]

    def _named(self) -> str:
        return ", ".join(f"{self._schema}.{name}" for name in self._all())

    def _about(self, table: str) -> int:
        noted = int(self._ask.rows(_NOTED, {"table": table})[0][0])
        return noted if noted >= MANY else self._number(f"SELECT count(*) FROM {table}")  # noqa: S608 - own names

    def _number(self, statement: str) -> int:
        return int(self._ask.rows(statement)[0][0])

    def _columns(self, table: Table) -> str:
        return ", ".join(table.columns)


_ONLINE: Final = FAMILY.columns.index("online")
_AT: Final = EVENT.columns.index("at")
_FAMILY_ID: Final = EVENT.columns.index("family_id")


class IssuerBulk(PostgresBulk):
    """The issuer's."""

    reading: ClassVar = {FAMILY: turned(_ONLINE, int), EVENT: turned(_FAMILY_ID, family_name)}
    writing: ClassVar = {FAMILY: turned(_ONLINE, bool), EVENT: turned(_FAMILY_ID, family_key)}

    def __init__(self, asking: Asking) -> None:
        # Whoever commits reads the revision; it says nothing that anybody could use.
        super().__init__(asking, ISSUER, "evergrant", staying=(META.name,))

    def load(self, table: Table, rows: Sequence[Row]) -> None:
        if table == EVENT:
            partitions.make(self._ask, {int(row[_AT] or 0) // partitions.DAY * partitions.DAY for row in rows})
        super().load(table, rows)

    def numbers(self) -> dict[str, int]:
        read = "SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM evergrant.{}_number"
        return {name: self._number(read.format(name)) for name in ISSUER.numbered}

    def number_after(self, name: str, number: int) -> None:
        self._ask.rows(f"SELECT setval('evergrant.{name}_number', %s, %s)", (max(number, 1), number > 0))
        if name == "ending":
            self._ask.count("UPDATE evergrant.ending_swept SET number = %s", (number,))

    def freeze(self) -> None:
        # The gate first: once no other write is under way, none can hold one of these tables and wait for another.
        self._ask.count("LOCK TABLE evergrant.write_gate IN EXCLUSIVE MODE")
        self._ask.count(f"LOCK TABLE {self._named()} IN ACCESS EXCLUSIVE MODE")

    def _columns(self, table: Table) -> str:
        return ", ".join("family" if table == EVENT and name == "family_id" else name for name in table.columns)


def _range(table: Table, after: Value, upto: Value) -> tuple[str, tuple[Any, ...]]:
    bounds = [(">", after), ("<=", upto)]
    parts = [f"{table.key} {sign} %s" for sign, bound in bounds if bound is not None]
    return " AND ".join(parts) or "TRUE", writable(tuple(bound for _, bound in bounds if bound is not None))
