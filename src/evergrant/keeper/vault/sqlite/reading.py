"""Reading beside the writer: a few threads with a connection each, and one connection that only looks for changes."""

import threading
from asyncio import get_running_loop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from evergrant.clock import Clock
from evergrant.keeper.vault.sqlite.tables import Tables
from evergrant.store.port import StoreUnavailable
from evergrant.store.sqlite.connection import Connection, connect, sentence, translated

T = TypeVar("T")
READERS: Final = 2


class Readers:
    """Runs work on a consistent snapshot, off the event loop. Raises `StoreUnavailable`."""

    def __init__(self, path: Path, clock: Clock | None) -> None:
        self._path, self._clock = path, clock
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="evergrant-vault-reader")
        self._local = threading.local()
        self._opened: list[Connection] = []

    async def read(self, work: Callable[[Tables], T]) -> T:
        """What *work* returns."""
        return await get_running_loop().run_in_executor(self._threads, self._read, work)

    def _read(self, work: Callable[[Tables], T]) -> T:
        with translated(self._path):
            tables = self._tables()
            connection: Connection = self._local.connection
            try:
                connection.execute("BEGIN")
                return work(tables)
            finally:
                if not connection.get_autocommit():
                    connection.execute("ROLLBACK")

    def _tables(self) -> Tables:
        tables: Tables | None = getattr(self._local, "tables", None)
        if tables is None:
            connection = connect(self._path, read_only=True)
            self._opened.append(connection)
            self._local.connection = connection
            tables = self._local.tables = Tables(connection, self._clock)
        return tables

    def close(self) -> None:
        """Wait for what is being read, then close every connection."""
        self._threads.shutdown(wait=True)
        for connection in self._opened:
            with suppress(apsw.Error):
                connection.close()


class Watch:
    """Sees that any process has committed, without reading a row (SQLite's `data_version`). Safe between threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect(path, read_only=True)
        self._execute = self._connection.cursor().execute
        self._lock = threading.Lock()

    def stamp(self) -> int:
        """A number that changes with every commit that another connection made. Raises `StoreUnavailable`."""
        try:
            with self._lock:
                number: Any = self._execute("PRAGMA data_version").fetchall()[0][0]
        except apsw.Error as error:
            raise StoreUnavailable(sentence(self._path, error)) from error
        return int(number)

    def close(self) -> None:
        """Close the connection; a stamp asked for later is unavailable."""
        with self._lock, suppress(apsw.Error):
            self._connection.close()
