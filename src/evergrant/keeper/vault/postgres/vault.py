"""The vault object: a few lines to one database, each doing one transaction at a time, and a watch over the others."""

from asyncio import get_running_loop
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from msgspec import MsgspecError

from evergrant.clock import Clock
from evergrant.keeper.connection import Claim, Connection, Health, Intent, Pending
from evergrant.keeper.event import Event, Letter, Stored
from evergrant.keeper.vault.port import ApiKey, Change, Found, TrailEnds, VaultUnavailable, VaultUnusable, Wanted
from evergrant.keeper.vault.postgres.routes import Routes
from evergrant.keeper.vault.postgres.tables import Tables
from evergrant.keeper.vault.postgres.transactions import ROOM, Transactions
from evergrant.keeper.vault.postgres.watch import EVERY, Watch
from evergrant.store.port import StoreUnusable
from evergrant.store.postgres.connection import Address, address
from evergrant.store.postgres.migrate import is_there as found
from evergrant.store.postgres.migrate import migrate

T = TypeVar("T")
NAME: Final = "evergrant_keeper"
"""What the server is told who we are: the issuer may work in the same database."""
AT_ONCE: Final = 8
"""Transactions of one process at a time. Sessions are opened as they are needed: an idle process holds one."""
RARELY: Final = 20
"""Looks of the watch between two, at which events are chained that a process left behind which is gone."""


def is_there(url: str) -> bool:
    """Whether the database has a vault in it. Raises `VaultUnusable`."""
    try:
        return found(address(url), ROOM)
    except StoreUnusable as error:
        raise VaultUnusable(str(error)) from error


def shown(url: str) -> str:
    """The address for people: without a password. Raises `VaultUnusable`."""
    try:
        return address(url).shown
    except StoreUnusable as error:
        raise VaultUnusable(str(error)) from error


class PostgresVault:
    """The shared vault (see `evergrant.keeper.vault.port.Vault`).

    Any number of processes on any number of hosts may open it. Claims go by the clock of the database, so those of
    hosts may differ. `stamp` tells of another process's commit `late` seconds after it. *distributed* is for tests: as
    if its tables were spread over machines.
    """

    late = EVERY

    def __init__(self, place: Address, clock: Clock | None, *, distributed: bool | None = None) -> None:
        self._place = place
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="evergrant-vault")
        self._transactions = Transactions(place, AT_ONCE + 1, clock, self._committed)
        self._routes = Routes()
        self._told, self._looks = False, 0
        self._closed = False
        asked = self._transactions.do(lambda t: t.distributed(), writes=False)
        self._distributed = self._transactions.distributed = asked if distributed is None else distributed
        self._watch = Watch(self._look, self._chain_some)
        if clock is None:
            self._transactions.back_at = self._watch.back_at

    @classmethod
    def open(cls, url: str, clock: Clock | None = None) -> "PostgresVault":
        """Open the database, making or migrating the vault's tables as needed. *clock* is for tests.

        Raises `VaultUnusable` with one sentence that shows no password.
        """
        try:
            place = address(url, NAME)
            migrate(place, ROOM)
            return cls(place, clock)
        except (StoreUnusable, VaultUnavailable) as error:
            raise VaultUnusable(str(error)) from error

    def _committed(self, number: int) -> None:
        self._watch.committed(number)

    def _look(self) -> tuple[str, float]:
        seen, now = self._transactions.do(Tables.look, writes=False)
        return "" if self._distributed else seen, now

    def _chain_some(self) -> None:
        """On the watch's thread: chain what was told here, and now and then whatever was told."""
        self._looks += 1
        if not self._told and self._looks % RARELY:
            return
        self._told = False
        with suppress(VaultUnavailable, MsgspecError):
            if self._transactions.do(lambda t: t.trail.untold(), writes=False):
                chain = partial(Tables.chain, wait=False)
                self._transactions.do(chain, writes=True, twice=True, committed=self._watch.own)

    async def _do(self, work: Callable[[Tables], T], *, writes: bool, twice: bool = False) -> T:
        if self._closed:
            msg = f"{self._place.shown}: the vault is closed"
            raise VaultUnavailable(msg)
        return await get_running_loop().run_in_executor(
            self._threads, lambda: self._work(work, writes=writes, twice=twice)
        )

    def _work(self, work: Callable[[Tables], T], *, writes: bool, twice: bool = False) -> T:
        try:
            return self._transactions.do(work, writes=writes, twice=twice)
        except MsgspecError as error:
            msg = f"{self._place.shown}: a row that this release cannot read; it was changed, or written by a newer one"
            raise VaultUnavailable(msg) from error

    async def _read(self, work: Callable[[Tables], T]) -> T:
        return await self._do(work, writes=False)

    async def _write(self, work: Callable[[Tables], T], *, twice: bool = False, told: Sequence[Event] = ()) -> T:
        result = await self._do(work, writes=True, twice=twice)
        if told:
            self._told = True
        return result

    async def close(self) -> None:
        """Finish what is asked, chain what was told, then close. Safe to call twice."""
        if not self._closed:
            self._closed = True
            await get_running_loop().run_in_executor(None, self._shut)

    def _shut(self) -> None:
        self._threads.shutdown(wait=True)
        self._watch.close()
        self._chain_some()
        self._transactions.close()

    def stamp(self) -> int:
        """A number that changes with every commit of ours at once, of another process within `late` seconds."""
        return self._watch.stamp()

    # ---- reading

    async def load(self, tenant: str, connection_id: str) -> Found | None:
        return await self._read(lambda t: t.finding.load(tenant, connection_id))

    async def look_up(self, tenant: str, client: str, account: str) -> Found | None:
        return await self._read(lambda t: t.finding.look_up(tenant, client, account))

    async def search(self, wanted: Wanted, *, after: str = "", limit: int = 100) -> list[Connection]:
        return await self._read(lambda t: t.finding.search(wanted, after, limit))

    async def due(self, before: int, *, limit: int) -> list[tuple[str, str, str]]:
        return await self._read(lambda t: t.finding.due(before, limit))

    async def holders(self, fingerprint: str) -> list[tuple[str, str, str]]:
        return await self._read(lambda t: t.finding.holders(fingerprint))

    async def revoking(self, before: int, *, limit: int = 100) -> list[tuple[str, str]]:
        return await self._read(lambda t: t.finding.revoking(before, limit))

    async def open_intents(self, *, limit: int = 1000) -> list[tuple[str, Intent]]:
        found = await self._read(lambda t: t.spending.open_intents(limit))
        for _, intent in found:
            self._routes.note(intent)
        return found

    async def counts(self) -> Mapping[Health, int]:
        return await self._read(lambda t: t.finding.counts())

    # ---- connections

    async def add(self, connection: Connection, events: Sequence[Event] = ()) -> None:
        await self._write(lambda t: t.connections.add(connection, events), told=events)

    async def change(self, change: Change) -> None:
        await self._write(lambda t: t.connections.change(change), told=change.events)

    async def remove(self, tenant: str, connection_id: str, events: Sequence[Event] = ()) -> None:
        await self._write(lambda t: t.connections.remove(tenant, connection_id, events), told=events)

    async def touch(self, connection_id: str, name: str, used_at: int) -> None:
        await self._write(lambda t: t.connections.touch(connection_id, name, used_at), twice=True)

    # ---- the right to spend

    async def claim(self, connection_id: str, name: str, owner: str, seconds: float) -> Claim | None:
        return await self._write(lambda t: t.spending.claim(connection_id, name, owner, seconds), twice=True)

    async def renew(self, claim: Claim, seconds: float) -> Claim:
        return await self._write(lambda t: t.spending.renew(claim, seconds), twice=True)

    async def release(self, claim: Claim) -> None:
        await self._write(lambda t: t.spending.release(claim), twice=True)

    async def intend(self, claim: Claim, intent: Intent, expected: int) -> None:
        self._routes.note(intent)
        await self._write(lambda t: t.spending.intend(claim, intent, expected), twice=True)

    async def journal(self, intent_id: str, reply: bytes, at: int) -> None:
        where = self._routes.of(intent_id)
        await self._write(lambda t: t.spending.journal(intent_id, where, reply, at), twice=True)

    # ---- authorizations under way

    async def await_callback(self, pending: Pending) -> None:
        await self._write(lambda t: t.outgoing.await_callback(pending))

    async def take_callback(self, state_digest: bytes, now: int) -> Pending | None:
        return await self._write(lambda t: t.outgoing.take_callback(state_digest, now))

    # ---- keys

    async def rewrap(self, turn: Callable[[bytes], bytes], *, after: str, limit: int) -> tuple[str, int]:
        return await self._write(lambda t: t.rewrap(turn, after, limit), twice=True)

    async def keep_once(self, name: str, sealed: bytes) -> bytes:
        return await self._write(lambda t: t.outgoing.keep_once(name, sealed), twice=True)

    # ---- what happened

    async def events(
        self, *, tenant: str = "", connection_id: str = "", after: int = 0, limit: int = 100
    ) -> list[Stored]:
        await self._chain_all()
        return await self._read(lambda t: t.trail.find(tenant, connection_id, after, limit))

    async def trail_ends(self) -> TrailEnds:
        await self._chain_all()
        return await self._read(lambda t: t.trail.ends())

    async def _chain_all(self) -> None:
        """Whoever reads the trail finds all that was told before."""
        while await self._read(lambda t: t.trail.untold()):
            await self._write(Tables.chain, twice=True)

    async def note(self, events: Sequence[Event]) -> None:
        await self._write(lambda t: t.trail.add(events), told=events)

    async def letters(self, due: int, *, limit: int = 100) -> list[Letter]:
        return await self._read(lambda t: t.outgoing.letters(due, limit))

    async def post(self, sent: Sequence[str], again: Sequence[Letter]) -> None:
        await self._write(lambda t: t.outgoing.post(sent, again), twice=True)

    async def add_api_key(self, key: ApiKey, events: Sequence[Event] = ()) -> None:
        def work(tables: Tables) -> None:
            tables.outgoing.add_api_key(key)
            tables.trail.add(events)

        await self._write(work, told=events)

    async def api_keys(self, tenant: str = "") -> list[ApiKey]:
        return await self._read(lambda t: t.outgoing.api_keys(tenant))

    async def end_api_key(self, key_id: str, at: int, events: Sequence[Event] = ()) -> None:
        def work(tables: Tables) -> None:
            tables.outgoing.end_api_key(key_id, at)
            tables.trail.add(events)

        await self._write(work, told=events)

    async def use_api_key(self, key_id: str, at: int) -> None:
        await self._write(lambda t: t.outgoing.use_api_key(key_id, at), twice=True)

    async def sweep(self, now: int, *, keep_events: int, limit: int = 500) -> int:
        await self._chain_all()
        return await self._write(lambda t: t.sweep(now, keep_events, limit), twice=True)
