"""A few sessions at one database, lent to one thread at a time. Nobody waits for one longer than is bearable.

A session is opened where it is needed and by whoever needs it, so that the trouble of a database that is gone is told
at once and in its own words; one that met trouble is thrown away, and the next borrower opens a new one (which may find
another primary). Thread-safe.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg

from evergrant.store.port import StoreUnavailable, StoreUnusable
from evergrant.store.postgres.connection import Address, Connection, closed, connect, is_spent, sentence

LONGEST_WAIT: Final = 5.0
# Longer than any statement of a transaction may take (`transactions.LONGEST_STATEMENT`).
LONGEST_SILENCE: Final = 20.0


class NoSession(StoreUnavailable):
    """There was none to be had: nothing was asked of the server, and whoever asks next would hear the same."""


class Sessions:
    """At most *most* sessions of *place*; *opener* opens and checks one (`evergrant.store.postgres.connection`).

    A server that says nothing for *silence* seconds is given up.
    """

    def __init__(
        self, place: Address, most: int, wait: float = LONGEST_WAIT, opener: Callable[[Address], Connection] = connect,
        silence: float = LONGEST_SILENCE,
    ) -> None:  # fmt: skip
        self._place, self._wait, self._opener, self._silence = place, wait, opener, silence
        self._free = threading.Semaphore(most)
        self._gate = threading.Lock()
        self._idle: list[Connection] = []
        self._out: set[Connection] = set()
        self._closed = False

    @contextmanager
    def lent(self) -> Iterator[Connection]:
        """A session in autocommit mode, outside any transaction, for as long as the block runs.

        Raises `NoSession` when there is none to be had. The driver's errors pass through to the block's caller;
        whatever a block leaves open is rolled back.
        """
        if not self._free.acquire(timeout=self._wait):
            raise NoSession(f"{self._place.shown}: every connection was busy for {self._wait:g} seconds")
        try:
            connection = self._taken()
            self._out.add(connection)
            try:
                yield connection
            except psycopg.Error as error:
                self._back(connection, spent=is_spent(connection, error))
                raise
            except BaseException:
                self._back(connection, spent=False)
                raise
            self._back(connection, spent=False)
        finally:
            self._free.release()

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        with self._gate:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            closed(connection)

    def cut(self) -> None:
        """Break off whatever is being waited for on a session that is lent."""
        for connection in list(self._out):
            with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as same:
                same.shutdown(socket.SHUT_RDWR)

    def _taken(self) -> Connection:
        with self._gate:
            if self._closed:
                raise NoSession(f"{self._place.shown}: the store is closed")
            if self._idle:
                return self._idle.pop()  # the one used last: the others may go to sleep
        try:
            connection = self._opener(self._place)
        except psycopg.Error as error:
            raise NoSession(sentence(self._place, error)) from error
        except StoreUnusable as error:
            raise NoSession(str(error)) from error
        connection.silence = self._silence
        return connection

    def _back(self, connection: Connection, *, spent: bool) -> None:
        self._out.discard(connection)
        if not spent and not _at_rest(connection):
            spent = True
        gone = [connection]
        with self._gate:
            if not spent and not self._closed:
                self._idle.append(connection)
                return
            if spent:  # what ended this one has most likely ended those that lie idle, too
                gone += self._idle
                self._idle = []
        for one in gone:
            closed(one)


def _at_rest(connection: Connection) -> bool:
    """Roll back what was left open; whether the session may be lent again."""
    idle = psycopg.pq.TransactionStatus.IDLE
    try:
        if connection.info.transaction_status != idle:
            connection.execute("ROLLBACK")
        return not connection.closed and connection.info.transaction_status == idle
    except psycopg.Error:
        return False


@contextmanager
def lent(sessions: Sessions, place: Address) -> Iterator[Connection]:
    """The same with every error of the driver in the port's words."""
    try:
        with sessions.lent() as connection:
            yield connection
    except psycopg.Error as error:
        raise StoreUnavailable(sentence(place, error)) from error
