"""Asking inside one transaction, and values as rows: what every table of the vault needs.

Statements are put on a line and travel together: `send` and `run` wait for nothing, `read` and `rows` for what was
sent so far. A verb so costs two journeys, one that locks and reads, one that writes and commits. What lies in
rows is `keeper.vault.rows`, with documents as text.
"""

from collections.abc import Mapping
from typing import Any, Final, LiteralString

from msgspec import json
from psycopg import Cursor

from evergrant.clock import Clock
from evergrant.keeper.vault.rows import Row, Rows
from evergrant.store.postgres.connection import Connection

Values = Row | Mapping[str, Any]
Sent = Cursor[Row]

NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"


def encode(value: object) -> str:
    """The document of a value."""
    return json.encode(value).decode()


ROWS: Final = Rows(encode)


NUL: Final = "\uffff"
"""PostgreSQL's text holds every character but NUL; a noncharacter stands for it. In documents it is escaped."""


def writable(values: Row) -> Row:
    """The same values with what text cannot hold replaced."""
    return tuple(value.replace("\0", NUL) if type(value) is str and "\0" in value else value for value in values)


class Asking:
    """One transaction on one connection; used by one thread."""

    def __init__(
        self, connection: Connection, clock: Clock | None, back_at: float = 0, *, distributed: bool = False
    ) -> None:
        self._connection, self._clock = connection, clock
        self.distributed = distributed
        """Whether the tables lie on several machines: then rows are locked and changed one connection at a time."""
        self.back_at = back_at
        """When this process saw the database for the first time, or again, by the vault's clock."""

    def send(self, sql: LiteralString, values: Values = ()) -> Sent:
        """Put a question on the line; `read` has its answer."""
        return self._connection.execute(sql, writable(values) if type(values) is tuple else values)

    def run(self, sql: LiteralString, values: Values = ()) -> None:
        """Put a statement on the line; what goes wrong with it is told by whatever waits next."""
        self.send(sql, values)

    def read(self, sent: Sent) -> list[Row]:
        """Every row of an answer."""
        return sent.fetchall()

    def rows(self, sql: LiteralString, values: Values = ()) -> list[Row]:
        """Ask and wait: every row."""
        return self.send(sql, values).fetchall()

    def row(self, sql: LiteralString, values: Values = ()) -> Row | None:
        """Ask and wait: the only row, or None."""
        return self.send(sql, values).fetchone()

    def ask_time(self) -> Sent | None:
        """Ask what time it is, when the statements before this one are done; `time` has the answer."""
        return self.send(NOW) if self._clock is None else None

    def time(self, sent: Sent | None) -> float:
        """The vault's clock: that of the database, whatever those of hosts show, unless a test has brought one."""
        if self._clock is not None:
            return float(self._clock.now())
        return float(sent.fetchall()[0][0]) if sent is not None else self.now()

    def now(self) -> float:
        """Ask for the time and wait for it."""
        return self.time(self.ask_time())
