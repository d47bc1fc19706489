"""What a database holds after a crash, read without the store's own code, and what must be true of it.

What lives here: looking, and sentences about one family. What must not: the order of things (the tests), many clients
at once (`history`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import apsw

from evergrant.domain import id as ids
from evergrant.domain.secret import digest
from evergrant.issuer.service.refresh import HEAD_DIGEST
from tests.faults.client import taken_apart
from tests.postgres.view import viewing

ROTATED: Final = "family.rotated"
REFRESHED: Final = "family.refreshed"
ENDED: Final = "family.ended"
# Counters and caches may differ before and after; nothing else that belongs to somebody else may.
MAY_CHANGE: Final = frozenset({"event", "bucket", "meta"})


class View(Protocol):
    """What lies in a database, at one moment."""

    def whole(self) -> str:
        """`ok`, or what the database finds wrong with itself."""
        ...

    def family(self, family: bytes) -> dict[str, Any]:
        """A family's row by its columns' names; empty when there is none."""
        ...

    def told(self, family: bytes) -> list[tuple[str, int]]:
        """What happened and at which generation, oldest first."""
        ...

    def tables(self) -> dict[str, list[Any]]:
        """Every table's rows but those that may change; a family's row begins with its id."""
        ...


@contextmanager
def looking(where: Path | str) -> Iterator[View]:
    """A database, read only: a SQLite file, or the URL of PostgreSQL's."""
    if isinstance(where, str):
        with viewing(where) as view:
            yield view
        return
    with opened(where) as connection:
        connection.execute("BEGIN")
        yield _SqliteView(connection)


@contextmanager
def opened(path: Path) -> Iterator[apsw.Connection]:
    """A SQLite file, read only."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY if path.stat().st_size else 6)
    connection.set_busy_timeout(5_000)
    try:
        yield connection
    finally:
        connection.close()


class _SqliteView:
    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def whole(self) -> str:
        return str(self._connection.pragma("integrity_check"))

    def family(self, family: bytes) -> dict[str, Any]:
        columns = [row[1] for row in self._connection.execute("PRAGMA table_info(family)")]
        rows = self._connection.execute("SELECT * FROM family WHERE id = ?", (family,)).fetchall()
        return dict(zip(columns, rows[0], strict=True)) if rows else {}

    def told(self, family: bytes) -> list[tuple[str, int]]:
        sql = "SELECT what, generation FROM event WHERE family_id = ? ORDER BY number"
        return list(self._connection.execute(sql, (ids.text(ids.Kind.FAMILY, family),)))

    def tables(self) -> dict[str, list[Any]]:
        schema = self._connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        names = [str(row[0]) for row in schema]
        kept = [name for name in names if name not in MAY_CHANGE and not name.startswith("sqlite_")]
        return {name: list(self._connection.execute(f"SELECT * FROM {name}")) for name in kept}


class Look:
    """One family and its surroundings, as stored at one moment."""

    def __init__(self, where: Path | str, family: bytes) -> None:
        self.family = family
        self.name = ids.text(ids.Kind.FAMILY, family)
        with looking(where) as view:
            self.whole = view.whole()
            self.row = view.family(family)
            self.events = view.told(family)
            self.others = {name: sorted(rows, key=repr) for name, rows in view.tables().items()}
        self.others["family"] = [row for row in self.others["family"] if row[0] != family]
        ends = self.others["ending"]
        self.endings = [row for row in ends if self.name.encode() in row[-1]]
        """The rows that tell resource servers of this family's end, which they name."""
        self.others["ending"] = [row for row in ends if row not in self.endings]

    @property
    def generation(self) -> int:
        return int(self.row["generation"])

    def told(self, what: str) -> list[int]:
        """The generations of the events of one kind, oldest first."""
        return [generation for kind, generation in self.events if kind == what]

    def holds(self, token: str) -> bool:
        """Whether a token is what is stored for its generation: the head, or its predecessor."""
        _, generation, secret = taken_apart(token)
        behind = self.generation - generation
        column = {0: "digest", 1: "predecessor"}.get(behind)
        return column is not None and self.row[column] == digest(HEAD_DIGEST, secret)

    def agrees_with_itself(self) -> None:
        """The row and the events that tell of it came together (no rotation without its event, nor the reverse)."""
        assert self.whole == "ok"
        assert self.told(ROTATED) == list(range(1, self.generation + 1))
        assert len(self.told(ENDED)) == (self.row["ended_at"] is not None)


def count(path: Path, sql: str, *values: Any) -> int:
    """One number."""
    with opened(path) as connection:
        return int(connection.execute(sql, values).fetchall()[0][0])


def sound(where: Path | str) -> None:
    """The database finds nothing wrong with itself."""
    with looking(where) as view:
        assert view.whole() == "ok"
