"""A line to the server that an event loop drives itself: statements go out together, and their answers come back.

A settle is some microseconds of work for the loop; handing it to a thread and back would cost more than that. So the
socket is watched by the loop, and libpq is never waited for. One trip at a time: whatever is asked is sent at once
(a pipeline, closed by a synchronization point), and told when the last answer is in.
"""

import select
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer

from evergrant.store.postgres.connection import Connection, closed, warning

LONGEST_TRIP: Final = 15.0
BINARY: Final = 1
_OK: Final = frozenset({pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK})


class Statement(NamedTuple):
    """A statement of a line: its name where it may be kept prepared, its text, how many values it takes."""

    name: bytes
    text: bytes
    values: int = 0


Asked = tuple[Statement, Sequence[bytes | None]]


class Trouble(NamedTuple):
    """What became of a trip instead: the server's code, or an empty one when the line is lost; and words."""

    code: str
    words: str


Answered = Callable[[list[pq.abc.PGresult], Trouble | None], None]


class Line:
    """One connection in the hands of one event loop. *prepared*: the statements are kept by the server."""

    def __init__(self, loop: AbstractEventLoop, connection: Connection, *, prepared: bool) -> None:
        self._loop, self._connection, self.prepared = loop, connection, prepared
        self._pg = connection.pgconn
        self._rows = Transformer.from_context(connection)
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()
        self._socket = self._pg.socket
        self._results: list[Any] = []
        self._answered: Answered | None = None
        self._writing = False
        self._timer: TimerHandle | None = None
        self._warning = ""
        # Registered for nothing but what is told anyway: that the connection is broken.
        self._broken = select.poll()
        self._broken.register(self._socket, 0)
        connection.add_notice_handler(self._noted)
        self.lost = False
        loop.add_reader(self._socket, self._readable)

    def ask(self, asked: Sequence[Asked], answered: Answered) -> None:
        """Send all of *asked*; *answered* is called once, with every result or with the trouble."""
        self._answered = answered
        self._results = []
        self._warning = ""
        try:
            for statement, values in asked:
                self._send(statement, values)
            self._pg.pipeline_sync()
            self._flush()
        except psycopg.Error as error:
            self._loop.call_soon(self.give_up, str(error))
            return
        self._timer = self._loop.call_later(LONGEST_TRIP, self.give_up, "the server does not answer")

    def rows(self, results: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of all results that have any."""
        found: list[tuple[Any, ...]] = []
        for result in results:
            if result.status == pq.ExecStatus.TUPLES_OK and result.ntuples:
                self._rows.set_pgresult(result, set_loaders=True, format=pq.Format.BINARY)
                found += self._rows.load_rows(0, result.ntuples, tuple)
        return found

    def close(self) -> None:
        """Let go of the connection."""
        if not self.lost:
            self.lost = True
            self._loop.remove_reader(self._socket)
            if self._writing:
                self._loop.remove_writer(self._socket)
        if self._timer is not None:
            self._timer.cancel()
        closed(self._connection)

    def give_up(self, words: str) -> None:
        """Let go of the connection; whoever waits for its answer is told *words*."""
        answered, self._answered = self._answered, None
        self.close()
        if answered is not None:
            answered([], Trouble("", words))

    def _send(self, statement: Statement, values: Sequence[bytes | None]) -> None:
        formats = [BINARY] * statement.values
        if self.prepared:
            self._pg.send_query_prepared(statement.name, values, formats, BINARY)
        else:
            self._pg.send_query_params(statement.text, values, None, formats, BINARY)

    def _flush(self) -> None:
        unsent = bool(self._pg.flush())
        if unsent and not self._writing:
            self._loop.add_writer(self._socket, self._writable)
        elif self._writing and not unsent:
            self._loop.remove_writer(self._socket)
        self._writing = unsent

    def _writable(self) -> None:
        try:
            self._flush()
        except psycopg.Error as error:
            self.give_up(str(error))

    def _readable(self) -> None:
        if self.lost:
            return
        self._read()
        # Last words may come with a reset. libpq reads the words and leaves the reset to the next call; uvloop makes
        # no further call about a socket that is broken.
        if self._broken.poll(0):
            self._loop.call_soon(self._readable)

    def _read(self) -> None:
        try:
            self._pg.consume_input()
            while not self._pg.is_busy():
                result = self._pg.get_result()
                if result is None:
                    if self._answered is None:
                        break
                    continue
                if result.status == pq.ExecStatus.PIPELINE_SYNC:
                    self._tell()
                    return
                self._results.append(result)
        except psycopg.Error as error:
            self.give_up(str(error))
            return
        if self._pg.status == pq.ConnStatus.BAD:
            self.give_up("server closed the connection")

    def _noted(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        self._warning = self._warning or warning(diagnostic)

    def _tell(self) -> None:
        if self._warning:
            self.give_up(self._warning)
            return
        answered, self._answered = self._answered, None
        if self._timer is not None:
            self._timer.cancel()
        if answered is not None:
            answered(self._results, _trouble(self._results))


def _trouble(results: Sequence[Any]) -> Trouble | None:
    for result in results:
        if result.status not in _OK:
            code = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
            words = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
            return Trouble(code.decode() or "XX000", words.decode("utf-8", "replace"))
    return None
