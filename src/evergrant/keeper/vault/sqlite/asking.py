"""Asking one SQLite connection: what every table of the vault needs. What lies in rows is `keeper.vault.rows`."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import json

from evergrant.clock import Clock
from evergrant.keeper.vault.rows import Row, Rows
from evergrant.store.sqlite.connection import Connection

encode: Final = json.encode
ROWS: Final = Rows(encode)


class Asking:
    """One connection, one cursor; used by one thread at a time."""

    def __init__(self, connection: Connection, clock: Clock | None) -> None:
        self._connection, self._clock = connection, clock
        self._cursor = connection.cursor()
        self.run: Callable[..., Any] = self._cursor.execute
        self.run_many: Callable[..., Any] = self._cursor.executemany

    def rows(self, sql: str, values: Row = ()) -> list[Row]:
        """Every row. Read to the end: a statement left open keeps its snapshot, and later reads would see the past."""
        found: list[Row] = self._cursor.execute(sql, values).fetchall()
        return found

    def row(self, sql: str, values: Row = ()) -> Row | None:
        """The only row, or None."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def changed(self) -> int:
        """How many rows the last statement changed."""
        return int(self._connection.changes())

    def now(self) -> float:
        """The vault's clock: that of the host the file lies on, unless a test has brought one."""
        if self._clock is not None:
            return float(self._clock.now())
        return float(self.rows("SELECT unixepoch('subsec')")[0][0])
