"""What a database holds after a crash, read without the store's own code, and what must be true of it.

What lives here: looking, and sentences about one family. What must not: the order of things (the tests), many clients
at once (`history`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from evergrant.domain import id as ids
from evergrant.domain.secret import digest
from evergrant.issuer.service.refresh import HEAD_DIGEST
from tests.faults.client import taken_apart

ROTATED: Final = "family.rotated"
REFRESHED: Final = "family.refreshed"
ENDED: Final = "family.ended"
# Counters and caches may differ before and after; nothing else that belongs to somebody else may.
MAY_CHANGE: Final = frozenset({"event", "bucket", "meta"})


@contextmanager
def looking(path: Path) -> Iterator[apsw.Connection]:
    """A database, read only."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY if path.stat().st_size else 6)
    connection.set_busy_timeout(5_000)
    try:
        yield connection
    finally:
        connection.close()


class Look:
    """One family and its surroundings, as stored at one moment."""

    def __init__(self, path: Path, family: bytes) -> None:
        self.family = family
        self.name = ids.text(ids.Kind.FAMILY, family)
        with looking(path) as connection:
            self.whole = connection.pragma("integrity_check")
            connection.execute("BEGIN")
            cursor = connection.execute("SELECT * FROM family WHERE id = ?", (family,))
            columns = [name for name, *_ in cursor.description_full] if cursor.description_full else []
            row = cursor.fetchone()
            self.row: dict[str, Any] = dict(zip(columns, row, strict=True)) if row else {}
            self.events: list[tuple[str, int]] = list(
                connection.execute(
                    "SELECT what, generation FROM event WHERE family_id = ? ORDER BY number", (self.name,)
                )
            )
            self.others = _tables(connection, family)

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


def _tables(connection: apsw.Connection, family: bytes) -> dict[str, list[Any]]:
    """Everything stored but one family, its events and what may change, table by table."""
    names = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    kept = [name for name in names if name not in MAY_CHANGE and not name.startswith("sqlite_")]
    found = {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in kept}
    found["family"] = [row for row in found["family"] if row[0] != family]
    return found


def count(path: Path, sql: str, *values: Any) -> int:
    """One number."""
    with looking(path) as connection:
        return int(connection.execute(sql, values).fetchall()[0][0])


def sound(path: Path) -> None:
    """SQLite finds nothing wrong with the file."""
    with looking(path) as connection:
        assert connection.pragma("integrity_check") == "ok"
