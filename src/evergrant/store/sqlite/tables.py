"""Records, events and the transaction object in SQL. Statements are built once from `store.shape`, never per call."""

from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar

import apsw
from msgspec import json

from evergrant.domain.ending import End
from evergrant.domain.epoch import Epoch
from evergrant.domain.event import Event, What
from evergrant.store import shape as shapes
from evergrant.store.port import EventQuery, Key
from evergrant.store.sqlite.bulk import IssuerBulk
from evergrant.store.sqlite.connection import Connection
from evergrant.store.sqlite.families import Families

R = TypeVar("R")


class Records(Generic[R]):
    """One table of records through one connection."""

    def __init__(self, shape: shapes.Shape[R], connection: Connection) -> None:
        self._shape, self._cursor, self._connection = shape, connection.cursor(), connection
        columns = (shape.key, *shape.found_by, "ends", "document")
        settings = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
        self._put = (
            f"INSERT INTO {shape.table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
            f" ON CONFLICT ({shape.key}) DO UPDATE SET {settings}"
        )
        self._get = f"SELECT document FROM {shape.table} WHERE {shape.key} = ?"  # noqa: S608 - own names
        self._delete = f"DELETE FROM {shape.table} WHERE {shape.key} = ?"  # noqa: S608 - own names
        self._sweep = (
            f"DELETE FROM {shape.table} WHERE {shape.key} IN"  # noqa: S608 - own names
            f" (SELECT {shape.key} FROM {shape.table} WHERE ends < ? LIMIT ?)"
        )

    def get(self, key: Key) -> R | None:
        # Read to the end: a statement left open keeps its snapshot, and every later read would see the past.
        rows: list[Any] = self._cursor.execute(self._get, (key,)).fetchall()
        return self._shape.read(rows[0][0]) if rows else None

    def put(self, record: R) -> None:
        try:
            self._cursor.execute(self._put, self._shape.row(record))
        except apsw.ConstraintError as error:
            msg = f"{self._shape.table}: {error}"
            raise ValueError(msg) from error

    def delete(self, key: Key) -> bool:
        self._cursor.execute(self._delete, (key,))
        return self._connection.changes() > 0

    def find(self, limit: int = 1000, after: Key | None = None, **equal: Key) -> list[R]:
        self._shape.refuse_unknown(equal)
        parts = [f"{name} = ?" for name in equal]
        values: list[Any] = list(equal.values())
        if after is not None:
            parts.append(f"{self._shape.key} > ?")
            values.append(after)
        where = " AND ".join(parts) or "TRUE"
        sql = f"SELECT document FROM {self._shape.table} WHERE {where} ORDER BY {self._shape.key} LIMIT ?"  # noqa: S608
        return [self._shape.read(row[0]) for row in self._cursor.execute(sql, (*values, limit))]

    def clear(self, limit: int, **equal: Key) -> int:
        self._shape.refuse_everything(equal)
        where, key, table = " AND ".join(f"{name} = ?" for name in equal), self._shape.key, self._shape.table
        sql = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {where} LIMIT ?)"  # noqa: S608
        self._cursor.execute(sql, (*equal.values(), limit))
        return int(self._connection.changes())

    def sweep(self, before: int, limit: int) -> int:
        self._shape.refuse_endless()
        self._cursor.execute(self._sweep, (before, limit))
        return int(self._connection.changes())


_EVENT_COLUMNS: Final = ", ".join(Event._fields)
_ADD_EVENT: Final = f"INSERT INTO event ({_EVENT_COLUMNS}) VALUES ({', '.join('?' * len(Event._fields))})"  # noqa: S608
# What the index of events leaves out: one row for every refresh. Such rows of one family are found by a walk that
# begins where the family did.
_ROUTINE: Final = f"('{What.FAMILY_ROTATED}', '{What.FAMILY_REFRESHED}')"
_RARE_OF_FAMILY: Final = f"family_id = ? AND family_id <> '' AND what NOT IN {_ROUTINE}"
_ROUTINE_OF_FAMILY: Final = (
    f"family_id = ? AND what IN {_ROUTINE} AND number > coalesce((SELECT number FROM event WHERE {_RARE_OF_FAMILY}"  # noqa: S608
    f" AND what = '{What.FAMILY_STARTED}'), 0)"
)


class Events:
    """The audit trail through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._cursor, self._connection = connection.cursor(), connection

    def add(self, events: Sequence[Event]) -> None:
        self._cursor.executemany(_ADD_EVENT, events)

    def find(self, query: EventQuery) -> list[tuple[int, Event]]:
        wanted = {name: getattr(query, name) for name in ("account_id", "client_id", "what")}
        wanted = {name: str(value) for name, value in wanted.items() if value}
        where = " AND ".join(["number > ?", *(f"{name} = ?" for name in wanted)])
        values: tuple[Any, ...] = (query.after, *wanted.values())
        sql = f"SELECT number, {_EVENT_COLUMNS} FROM event WHERE {where}"  # noqa: S608 - own columns
        if query.family_id:
            rare, routine = f"{sql} AND {_RARE_OF_FAMILY}", f"{sql} AND {_ROUTINE_OF_FAMILY}"
            sql = f"SELECT * FROM ({rare} UNION ALL {routine})"  # noqa: S608 - own columns
            values = (*values, query.family_id, *values, query.family_id, query.family_id)
        order = "DESC" if query.newest else "ASC"
        rows = self._cursor.execute(f"{sql} ORDER BY number {order} LIMIT ?", (*values, query.limit))
        return [(row[0], Event(row[1], What(row[2]), *row[3:])) for row in rows]

    def arrange(self, now: int, before: int) -> int:  # noqa: ARG002 - this trail is in one piece
        return 0

    def sweep(self, before: int, limit: int) -> int:
        self._cursor.execute(
            "DELETE FROM event WHERE number IN (SELECT number FROM event ORDER BY number LIMIT ?) AND at < ?",
            (limit, before),
        )
        return int(self._connection.changes())


class Endings:
    """What ended, through one connection; every writer waits for the one before it, so numbers commit in order."""

    def __init__(self, connection: Connection) -> None:
        self._cursor, self._connection = connection.cursor(), connection

    def add(self, ends: Sequence[End]) -> None:
        rows = [(end.at, json.encode(end)) for end in ends]
        self._cursor.executemany("INSERT INTO ending (at, document) VALUES (?, ?)", rows)

    def find(self, after: int = 0, limit: int = 1000) -> list[tuple[int, End]]:
        sql = "SELECT number, document FROM ending WHERE number > ? ORDER BY number LIMIT ?"
        return [(row[0], json.decode(row[1], type=End)) for row in self._cursor.execute(sql, (after, limit))]

    def newest(self) -> int:
        rows: list[Any] = self._cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = 'ending'").fetchall()
        return int(rows[0][0]) if rows else 0

    def sweep(self, before: int, limit: int) -> int:
        self._cursor.execute(
            "DELETE FROM ending WHERE number IN (SELECT number FROM ending ORDER BY number LIMIT ?) AND at < ?",
            (limit, before),
        )
        return int(self._connection.changes())


class SqliteTx:
    """What work sees: every table through one connection. Made once per connection, used by one thread."""

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.cursor()
        self.bulk = IssuerBulk(connection)
        self.families = Families(connection)
        self.events = Events(connection)
        self.endings = Endings(connection)
        self.clients = Records(shapes.CLIENTS, connection)
        self.accounts = Records(shapes.ACCOUNTS, connection)
        self.sessions = Records(shapes.SESSIONS, connection)
        self.grants = Records(shapes.GRANTS, connection)
        self.codes = Records(shapes.CODES, connection)
        self.flows = Records(shapes.FLOWS, connection)
        self.notices = Records(shapes.NOTICES, connection)
        self.keys = Records(shapes.KEYS, connection)
        self.barred = Records(shapes.BARRED, connection)
        self.buckets = Records(shapes.BUCKETS, connection)
        self.leases = Records(shapes.LEASES, connection)
        self.streams = Records(shapes.STREAMS, connection)
        self.deliveries = Records(shapes.DELIVERIES, connection)

    def revision(self) -> int:
        rows: list[Any] = self._cursor.execute("SELECT value FROM meta WHERE name = 'revision'").fetchall()
        return int(rows[0][0])

    def turn(self) -> None:
        self._cursor.execute("UPDATE meta SET value = value + 1 WHERE name = 'revision'")

    def epoch(self) -> Epoch:
        rows: list[Any] = self._cursor.execute("SELECT name, value FROM meta").fetchall()
        found = dict(rows)
        return Epoch(found["epoch"], found["restored"])

    def begin(self, epoch: Epoch) -> None:
        self._cursor.execute("UPDATE meta SET value = ? WHERE name = 'epoch'", (epoch.number,))
        self._cursor.execute("UPDATE meta SET value = ? WHERE name = 'restored'", (epoch.restored,))
        self.turn()

    def now(self, own: int) -> int:
        return own
