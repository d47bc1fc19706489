"""The store object: one writer thread, a few reader threads, one file."""

import threading
from asyncio import Future, get_running_loop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from evergrant.domain.family import Family
from evergrant.domain.rotation import Settlement
from evergrant.store.port import Finish, StoreUnavailable, StoreUnusable
from evergrant.store.sqlite.connection import Connection, check_library, connect, sentence, translated
from evergrant.store.sqlite.migrate import migrate
from evergrant.store.sqlite.tables import SqliteTx
from evergrant.store.sqlite.writer import Writer

T = TypeVar("T")
READERS: Final = 2


class SqliteStore:
    """The embedded store (see `evergrant.store.port.Store`)."""

    def __init__(self, path: Path, writer: Writer) -> None:
        self._path, self._writer = path, writer
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="evergrant-reader")
        self._local = threading.local()
        self._gate = threading.Lock()
        self._seen = 0
        self._opened: list[Connection] = []
        self._closed = False

    @classmethod
    def open(cls, path: Path, committed: Callable[[int], None] = lambda _: None) -> "SqliteStore":
        """Open the file, making or migrating it as needed. Raises `StoreUnusable` with one sentence."""
        check_library()
        migrate(path)
        try:
            return cls(path, Writer(path, committed))
        except apsw.Error as error:
            raise StoreUnusable(sentence(path, error)) from error

    @property
    def seen_revision(self) -> int:
        return max(self._writer.revision, self._seen)

    async def settle(self, family_id: bytes, decide: Callable[[Family | None], Settlement]) -> Settlement:
        settled: Settlement = await self._writer.submit(family_id, decide)
        return settled

    def settle_then(
        self, family_id: bytes, decide: Callable[[Family | None], Settlement], finish: Finish[T]
    ) -> "Future[T]":
        return self._writer.submit(family_id, decide, finish)

    async def write(self, work: Callable[[Any], T]) -> T:
        result: T = await self._writer.submit(None, work)
        return result

    async def read(self, work: Callable[[Any], T]) -> T:
        if self._closed:
            msg = f"{self._path}: the store is closed"
            raise StoreUnavailable(msg)
        return await get_running_loop().run_in_executor(self._readers, self._read, work)

    def _read(self, work: Callable[[Any], T]) -> T:
        with translated(self._path):
            tx = self._reader()
            connection: Connection = self._local.connection
            try:
                connection.execute("BEGIN")
                self._see(tx.revision())
                return work(tx)
            except StopIteration as error:
                raise RuntimeError("work raised StopIteration") from error  # a future refuses it, and would wait on
            finally:
                if not connection.get_autocommit():
                    connection.execute("ROLLBACK")

    def _reader(self) -> SqliteTx:
        tx: SqliteTx | None = getattr(self._local, "tx", None)
        if tx is None:
            connection = connect(self._path, read_only=True)
            self._opened.append(connection)
            self._local.connection = connection
            tx = self._local.tx = SqliteTx(connection)
        return tx

    def _see(self, revision: int) -> None:
        with self._gate:
            self._seen = max(self._seen, revision)

    async def close(self) -> None:
        """Commit what is queued, then close. Safe to call twice."""
        if not self._closed:
            self._closed = True
            await get_running_loop().run_in_executor(None, self._shut)

    def _shut(self) -> None:
        self._readers.shutdown(wait=True)
        self._writer.close()
        for connection in self._opened:
            with suppress(apsw.Error):
                connection.close()
