"""The vault object: one writer thread that commits together what has queued, a few readers, one file."""

from asyncio import get_running_loop
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import apsw
from msgspec import MsgspecError

from evergrant.clock import Clock
from evergrant.keeper.connection import Claim, Connection, Health, Intent, Pending
from evergrant.keeper.event import Event, Letter, Stored
from evergrant.keeper.vault.port import (
    ApiKey,
    Change,
    Found,
    TrailEnds,
    VaultMoved,
    VaultUnavailable,
    VaultUnusable,
    Wanted,
)
from evergrant.keeper.vault.sqlite.reading import Readers, Watch
from evergrant.keeper.vault.sqlite.tables import Tables
from evergrant.store.port import StoreUnavailable, StoreUnusable
from evergrant.store.sqlite.connection import Connection as File
from evergrant.store.sqlite.connection import check_library, sentence
from evergrant.store.sqlite.migrate import Step, migrate, steps, whither
from evergrant.store.sqlite.writer import Writer

T = TypeVar("T")
ROOM: Final = "evergrant.keeper.vault.sqlite"


def vault_steps() -> list[Step]:
    """Every migration of a vault that this release knows."""
    return steps(ROOM)


class SqliteVault:
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

    async def write(self, work: Callable[[Tables], T]) -> T:
        """What *work* returns, committed. Raises `VaultUnavailable`, and what *work* raises."""
        try:
            result: T = await self._writer.submit(None, work)
        except StoreUnavailable as error:
            raise self._trouble(error) from error
        except MsgspecError as error:
            raise VaultUnavailable(self._strange()) from error
        return result

    async def read(self, work: Callable[[Tables], T]) -> T:
        """What *work* returns, from one snapshot. Raises `VaultUnavailable`, and what *work* raises."""
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
            if there := whither(self._path):
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

    # ---- reading

    async def load(self, tenant: str, connection_id: str) -> Found | None:
        return await self.read(lambda t: t.connections.load(tenant, connection_id))

    async def look_up(self, tenant: str, client: str, account: str) -> Found | None:
        return await self.read(lambda t: t.connections.look_up(tenant, client, account))

    async def search(self, wanted: Wanted, *, after: str = "", limit: int = 100) -> list[Connection]:
        return await self.read(lambda t: t.connections.search(wanted, after, limit))

    async def due(self, before: int, *, limit: int) -> list[tuple[str, str, str]]:
        return await self.read(lambda t: t.connections.due(before, limit))

    async def holders(self, fingerprint: str) -> list[tuple[str, str, str]]:
        return await self.read(lambda t: t.connections.holders(fingerprint))

    async def revoking(self, before: int, *, limit: int = 100) -> list[tuple[str, str]]:
        return await self.read(lambda t: t.connections.revoking(before, limit))

    async def open_intents(self, *, limit: int = 1000) -> list[tuple[str, Intent]]:
        return await self.read(lambda t: t.spending.open_intents(limit))

    async def counts(self) -> Mapping[Health, int]:
        return await self.read(lambda t: t.connections.counts())

    # ---- connections

    async def add(self, connection: Connection, events: Sequence[Event] = ()) -> None:
        await self.write(lambda t: t.connections.add(connection, events))

    async def change(self, change: Change) -> None:
        await self.write(lambda t: t.connections.change(change))

    async def remove(self, tenant: str, connection_id: str, events: Sequence[Event] = ()) -> None:
        await self.write(lambda t: t.connections.remove(tenant, connection_id, events))

    async def touch(self, connection_id: str, name: str, used_at: int) -> None:
        await self.write(lambda t: t.connections.touch(connection_id, name, used_at))

    # ---- the right to spend

    async def claim(self, connection_id: str, name: str, owner: str, seconds: float) -> Claim | None:
        return await self.write(lambda t: t.spending.claim(connection_id, name, owner, seconds))

    async def renew(self, claim: Claim, seconds: float) -> Claim:
        return await self.write(lambda t: t.spending.renew(claim, seconds))

    async def release(self, claim: Claim) -> None:
        await self.write(lambda t: t.spending.release(claim))

    async def intend(self, claim: Claim, intent: Intent, expected: int) -> None:
        await self.write(lambda t: t.spending.intend(claim, intent, expected))

    async def journal(self, intent_id: str, reply: bytes, at: int) -> None:
        await self.write(lambda t: t.spending.journal(intent_id, reply, at))

    # ---- authorizations under way

    async def await_callback(self, pending: Pending) -> None:
        await self.write(lambda t: t.outgoing.await_callback(pending))

    async def take_callback(self, state_digest: bytes, now: int) -> Pending | None:
        return await self.write(lambda t: t.outgoing.take_callback(state_digest, now))

    # ---- keys

    async def rewrap(self, turn: Callable[[bytes], bytes], *, after: str, limit: int) -> tuple[str, int]:
        return await self.write(lambda t: t.rewrap(turn, after, limit))

    async def keep_once(self, name: str, sealed: bytes) -> bytes:
        return await self.write(lambda t: t.outgoing.keep_once(name, sealed))

    # ---- what happened

    async def events(
        self, *, tenant: str = "", connection_id: str = "", after: int = 0, limit: int = 100
    ) -> list[Stored]:
        return await self.read(lambda t: t.trail.find(tenant, connection_id, after, limit))

    async def trail_ends(self) -> TrailEnds:
        return await self.read(lambda t: t.trail.ends())

    async def note(self, events: Sequence[Event]) -> None:
        await self.write(lambda t: t.trail.add(events))

    async def letters(self, due: int, *, limit: int = 100) -> list[Letter]:
        return await self.read(lambda t: t.outgoing.letters(due, limit))

    async def post(self, sent: Sequence[str], again: Sequence[Letter]) -> None:
        await self.write(lambda t: t.outgoing.post(sent, again))

    async def add_api_key(self, key: ApiKey, events: Sequence[Event] = ()) -> None:
        def work(tables: Tables) -> None:
            tables.outgoing.add_api_key(key)
            tables.trail.add(events)

        await self.write(work)

    async def api_keys(self, tenant: str = "") -> list[ApiKey]:
        return await self.read(lambda t: t.outgoing.api_keys(tenant))

    async def end_api_key(self, key_id: str, at: int, events: Sequence[Event] = ()) -> None:
        def work(tables: Tables) -> None:
            tables.outgoing.end_api_key(key_id, at)
            tables.trail.add(events)

        await self.write(work)

    async def use_api_key(self, key_id: str, at: int) -> None:
        await self.write(lambda t: t.outgoing.use_api_key(key_id, at))

    async def sweep(self, now: int, *, keep_events: int, limit: int = 500) -> int:
        return await self.write(lambda t: t.sweep(now, keep_events, limit))
