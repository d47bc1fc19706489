"""The vault object: one writer thread that commits together what has queued, a few readers, one file."""

from asyncio import get_running_loop
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import apsw
from msgspec import MsgspecError

from evergrant.clock import Clock
from evergrant.keeper.event import Event
from evergrant.keeper.vault.port import (
    VaultMoved,
    VaultUnavailable,
    VaultUnusable,
)
from evergrant.keeper.vault.sqlite.reading import Readers, Watch
from evergrant.keeper.vault.sqlite.tables import Tables
from evergrant.keeper.vault.verbs import Verbs
from evergrant.store.port import StoreUnavailable, StoreUnusable
from evergrant.store.sqlite.connection import GONE, check_library, sentence
from evergrant.store.sqlite.connection import Connection as File
from evergrant.store.sqlite.migrate import Step, migrate, steps, whither
from evergrant.store.sqlite.writer import Writer

T = TypeVar("T")
ROOM: Final = "evergrant.keeper.vault.sqlite"


def vault_steps() -> list[Step]:
    """Every migration of a vault that this release knows."""
    return steps(ROOM)


class SqliteVault(Verbs):
    """The embedded vault (see `evergrant.keeper.vault.port.Vault`).

    Several processes of one host may open the same file; claims then go by that host's clock. Where the clock jumps
    ahead, a claim may end while its holder is still talking to a provider: the open intent keeps the next one from
    spending blindly, the fence keeps the late one from overwriting, and the holder's own deadline, measured by a clock
    that never steps, ends its request within the time it was given.
    """

    late = 0.0

    def __init__(self, path: Path, clock: Clock | None) -> None:
        self._path, self._clock = path, clock
        self._watch = Watch(path)
        self._readers = Readers(path, clock)
        self._writer = Writer(path, self._committed, self._tables)
        self._closed = False

    @classmethod
    def open(cls, path: Path, clock: Clock | None = None) -> "SqliteVault":
        """Open the file, making or migrating it as needed. *clock* is for tests. Raises `VaultUnusable`."""
        try:
            check_library()
            migrate(path, vault_steps())
            return cls(path, clock)
        except apsw.Error as error:
            raise VaultUnusable(sentence(path, error)) from error
        except StoreUnusable as error:
            raise VaultUnusable(str(error)) from error

    def _tables(self, connection: File) -> Tables:
        # What is deleted is overwritten with zeros, not just forgotten.
        connection.pragma("secure_delete", 1)
        self._writing: tuple[File, Tables] = connection, Tables(connection, self._clock)
        return self._writing[1]

    def _committed(self, _size: int) -> None:
        """On the writer's thread, after a commit: clear the log of what was shredded, as soon as no reader is in it."""
        connection, tables = self._writing
        if tables.connections.shredded and connection.get_autocommit():
            with suppress(apsw.BusyError):
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
                tables.connections.shredded = False

    async def write(self, work: Callable[[Tables], T], *, twice: bool = False, told: Sequence[Event] = ()) -> T:  # noqa: ARG002 - no commit here is in doubt
        try:
            result: T = await self._writer.submit(None, work)
        except StoreUnavailable as error:
            raise self._trouble(error) from error
        except MsgspecError as error:
            raise VaultUnavailable(self._strange()) from error
        return result

    async def read(self, work: Callable[[Tables], T]) -> T:
        if self._closed:
            msg = f"{self._path}: the vault is closed"
            raise VaultUnavailable(msg)
        try:
            return await self._readers.read(work)
        except StoreUnavailable as error:
            raise self._trouble(error) from error
        except MsgspecError as error:
            raise VaultUnavailable(self._strange()) from error

    def _trouble(self, error: StoreUnavailable) -> VaultUnavailable:
        with suppress(StoreUnusable):
            if GONE in str(error) and (there := whither(self._path)):
                return VaultMoved(f"{self._path}: everything in it was moved to {there}; let the keeper use that")
        return VaultUnavailable(str(error))

    def _strange(self) -> str:
        return f"{self._path}: a row that this release cannot read; it was changed, or written by a newer release"

    async def close(self) -> None:
        """Commit what is queued, then close. Safe to call twice."""
        if not self._closed:
            self._closed = True
            await get_running_loop().run_in_executor(None, self._shut)

    def _shut(self) -> None:
        self._readers.close()
        self._watch.close()
        self._writer.close()

    def stamp(self) -> int:
        """A number that changes with every commit to the file, whoever makes it. Asks no other thread."""
        try:
            return self._watch.stamp()
        except StoreUnavailable as error:
            raise VaultUnavailable(str(error)) from error
