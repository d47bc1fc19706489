"""Two nodes' stores over one PostgreSQL database, as the side of the machine that is kept: asked in turn.

What lives here: the two, and how they die. What must not: rules (`tests.property.machine`).
"""

from typing import Any

import psycopg

from evergrant.entropy import SeededEntropy
from evergrant.store.postgres.store import PostgresStore
from tests.property.sides import Side

TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'evergrant'::regnamespace AND relkind = 'r'"


class PostgresNodes:
    """Two stores that share nothing but the database at *url*."""

    def __init__(self, url: str) -> None:
        self._url = url
        # One randomness for both: it does not matter which of them draws, but the other side must draw the same.
        entropy = SeededEntropy("side by side")
        self._sides = [Side(PostgresStore.open(url), entropy, orderly=False) for _ in range(2)]
        self._turn = 0

    @property
    def side(self) -> Side:
        self._turn += 1
        return self._sides[self._turn % 2]

    async def restart(self, *, killed: bool) -> None:
        """One node is closed and opened; *killed*, every connection of both is cut under them."""
        if killed:
            with psycopg.connect(self._url, autocommit=True) as other:
                mine = "datname = current_database() AND pid <> pg_backend_pid()"
                other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")
            return
        side = self.side
        await side.store.close()
        side.turn_to(PostgresStore.open(self._url))

    def files(self) -> bytes:
        """Every byte of every row, as the server writes them to its disk."""
        with psycopg.connect(self._url) as connection:
            return b"".join(self._rows(connection, name) for (name,) in connection.execute(TABLES).fetchall())

    @staticmethod
    def _rows(connection: psycopg.Connection[Any], table: str) -> bytes:
        with connection.cursor() as cursor, cursor.copy(f'COPY evergrant."{table}" TO STDOUT (FORMAT binary)') as rows:
            return b"".join(bytes(part) for part in rows)

    async def close(self) -> None:
        for side in self._sides:
            await side.store.close()


def emptied(url: str) -> int:
    """Take every row out of every table; how many tables there are."""
    with psycopg.connect(url, autocommit=True) as connection:
        names = [name for (name,) in connection.execute(TABLES).fetchall() if name not in {"migration", "meta"}]
        connection.execute("TRUNCATE " + ", ".join(f'evergrant."{name}"' for name in names))
    return len(names)
