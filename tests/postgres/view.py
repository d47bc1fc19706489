"""What lies in a PostgreSQL database, read without the store's own code; the twin of what `judging` has for SQLite.

What lives here: SQL that only looks. What must not: what must be true of it (`tests.faults.judging`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql

SCHEMA: Final = "evergrant"
MAY_CHANGE: Final = ("event", "bucket", "meta", "migration", "node", "lease")


class PostgresView:
    """One snapshot of one database."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def whole(self) -> str:
        """Every row of every table can be read, and no family has two rows."""
        twice = self._connection.execute("SELECT id FROM evergrant.family GROUP BY id HAVING count(*) > 1").fetchall()
        return "ok" if not twice else f"families with two rows: {twice}"

    def family(self, family: bytes) -> dict[str, Any]:
        cursor = self._connection.execute("SELECT * FROM evergrant.family WHERE id = %s", (family,))
        row = cursor.fetchone()
        return {column.name: value for column, value in zip(cursor.description or [], row, strict=True)} if row else {}

    def told(self, family: bytes) -> list[tuple[str, int]]:
        found = "SELECT what, generation FROM evergrant.event WHERE family = %s ORDER BY number"
        return self._connection.execute(found, (family,)).fetchall()

    def tables(self) -> dict[str, list[Any]]:
        named = self._connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition AND NOT relname = ANY(%s)", (SCHEMA, list(MAY_CHANGE)),
        )  # fmt: skip
        return {name: self._rows(name) for (name,) in named.fetchall()}

    def _rows(self, table: str) -> list[Any]:
        return self._connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(SCHEMA, table))).fetchall()


@contextmanager
def viewing(url: str) -> Iterator[PostgresView]:
    """One snapshot for as long as the block runs."""
    with psycopg.connect(url, options="-c default_transaction_isolation=repeatable\\ read") as connection:
        yield PostgresView(connection)
