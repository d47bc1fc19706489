"""Records and the transaction object in SQL. Statements are built once from `store.shape`, never per call."""

from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

from evergrant.domain.epoch import Epoch
from evergrant.store import shape as shapes
from evergrant.store.port import Key
from evergrant.store.postgres.asking import Asking, writable
from evergrant.store.postgres.bulk import IssuerBulk
from evergrant.store.postgres.endings import Endings
from evergrant.store.postgres.events import Events
from evergrant.store.postgres.families import Families
from evergrant.store.postgres.horizon import Horizon

R = TypeVar("R")
CHANNEL: Final = "evergrant_revision"
REVISION: Final = "SELECT value FROM evergrant.meta WHERE name = 'revision'"
# Told with the commit, so that the caches of every node that listens are old the moment this is true. Microseconds
# rather than a count: after a failover that lost a turn, no later one may have the number that a node knows (O-03).
_TURN: Final = (
    "WITH turned AS (UPDATE evergrant.meta"
    " SET value = greatest(value + 1, (extract(epoch FROM now()) * 1000000)::bigint)"
    " WHERE name = 'revision' RETURNING value)"
    " SELECT value, pg_notify('evergrant_revision', value::text) FROM turned"
)


class Statements(NamedTuple):
    """The statements about one shape."""

    get: str
    put: str
    delete: str
    find: str
    sweep: str


@cache
def statements(shape: shapes.Shape[Any]) -> Statements:
    """The statements about one shape; *put* changes no row when something unique is another record's."""
    table, key = f"evergrant.{shape.table}", shape.key
    columns = (key, *shape.found_by, "ends", "document")
    named = ", ".join(columns)
    taken = " OR ".join(f"t.{name} = new.{name}" for name in shape.unique)
    free = f" WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.{key} <> new.{key} AND ({taken}))" if taken else ""
    values = ", ".join(f"%s::{_type(name)}" for name in columns)
    settings = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    return Statements(
        f"SELECT document FROM {table} WHERE {key} = %s",  # noqa: S608 - own names
        f"INSERT INTO {table} ({named}) SELECT {named} FROM (VALUES ({values})) new ({named}){free}"  # noqa: S608
        f" ON CONFLICT ({key}) DO UPDATE SET {settings}",
        f"DELETE FROM {table} WHERE {key} = %s",  # noqa: S608 - own names
        f"SELECT document FROM {table} WHERE {{where}} ORDER BY {key} LIMIT %s",  # noqa: S608 - own names
        f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE ends < %s LIMIT %s)",  # noqa: S608
    )


def _type(column: str) -> str:
    """The type of a record's column; keys and what is found by are text, but for digests."""
    if column == "ends":
        return "bigint"
    return "bytea" if column in {"digest", "previous", "document"} else "text"


class Records(Generic[R]):
    """One table of records inside one transaction."""

    def __init__(self, shape: shapes.Shape[R], asking: Asking) -> None:
        self._shape, self._ask, self._sql = shape, asking, statements(shape)

    def get(self, key: Key) -> R | None:
        rows = self._ask.rows(self._sql.get, writable((key,)))
        return self._shape.read(rows[0][0]) if rows else None

    def put(self, record: R) -> None:
        if not self._ask.count(self._sql.put, writable(self._shape.row(record))):
            msg = f"{self._shape.table}.{' or '.join(self._shape.unique)} is taken"
            raise ValueError(msg)

    def delete(self, key: Key) -> bool:
        return self._ask.count(self._sql.delete, writable((key,))) > 0

    def find(self, limit: int = 1000, after: Key | None = None, **equal: Key) -> list[R]:
        self._shape.refuse_unknown(equal)
        parts = [f"{name} = %s" for name in equal]
        values: list[Any] = list(equal.values())
        if after is not None:
            parts.append(f"{self._shape.key} > %s")
            values.append(after)
        sql = self._sql.find.format(where=" AND ".join(parts) or "TRUE")
        return [self._shape.read(row[0]) for row in self._ask.rows(sql, writable((*values, limit)))]

    def clear(self, limit: int, **equal: Key) -> int:
        self._shape.refuse_everything(equal)
        where, key, table = " AND ".join(f"{name} = %s" for name in equal), self._shape.key, self._shape.table
        sql = (
            f"DELETE FROM evergrant.{table} WHERE {key} IN"  # noqa: S608 - own names
            f" (SELECT {key} FROM evergrant.{table} WHERE {where} LIMIT %s)"
        )
        return self._ask.count(sql, writable((*equal.values(), limit)))

    def sweep(self, before: int, limit: int) -> int:
        self._shape.refuse_endless()
        return self._ask.count(self._sql.sweep, (before, limit))


class PostgresTx:
    """What work sees: every table inside one transaction. Made for each, used by one thread."""

    def __init__(self, asking: Asking, *, writing: bool, horizon: Horizon | None = None) -> None:
        self._ask = asking
        self.bulk = IssuerBulk(asking)
        self.families = Families(asking, writing=writing)
        self.events = Events(asking, None if writing else horizon)
        self.endings = Endings(asking)
        self.turned = 0
        for shape in shapes.SHAPES:
            setattr(self, shapes.attribute(shape), Records(shape, asking))

    def revision(self) -> int:
        return int(self._ask.rows(REVISION)[0][0])

    def turn(self) -> None:
        self.turned = int(self._ask.rows(_TURN)[0][0])

    def epoch(self) -> Epoch:
        found = dict(self._ask.rows("SELECT name, value FROM evergrant.meta WHERE name IN ('epoch', 'restored')"))
        return Epoch(found["epoch"], found["restored"])

    def begin(self, epoch: Epoch) -> None:
        for name, value in (("epoch", epoch.number), ("restored", epoch.restored)):
            self._ask.count("UPDATE evergrant.meta SET value = %s WHERE name = %s", (value, name))
        self.turn()

    def now(self, own: int) -> int:  # noqa: ARG002 - this store has a clock of its own
        return int(self._ask.rows("SELECT floor(extract(epoch FROM clock_timestamp()))")[0][0])

    def forget(self, turned: int) -> None:
        """Take back what work that failed has noted down; *turned* is what it found."""
        self.events.forget()
        self.endings.forget()
        self.turned = turned

    @property
    def unwritten(self) -> bool:
        """Whether anything is only noted down."""
        return self.events.unwritten or self.endings.unwritten

    def flush(self) -> None:
        """Write what was only noted down so far."""
        self.events.flush()
        self.endings.flush()
