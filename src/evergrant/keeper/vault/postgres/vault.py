"""The vault object: a few lines to one database, each doing one transaction at a time, and a watch over the others."""

from asyncio import get_running_loop
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from msgspec import MsgspecError

from evergrant.clock import Clock
from evergrant.keeper.connection import Claim, Intent
from evergrant.keeper.event import Event, Stored
from evergrant.keeper.vault.port import TrailEnds, VaultUnavailable, VaultUnusable
from evergrant.keeper.vault.postgres.routes import Routes
from evergrant.keeper.vault.postgres.tables import Tables
from evergrant.keeper.vault.postgres.transactions import ROOM, Transactions
from evergrant.keeper.vault.postgres.watch import EVERY, Watch
from evergrant.keeper.vault.verbs import Verbs
from evergrant.store.port import StoreUnusable
from evergrant.store.postgres.connection import Address, address
from evergrant.store.postgres.migrate import is_there as found
from evergrant.store.postgres.migrate import migrate

T = TypeVar("T")
NAME: Final = "evergrant_keeper"
"""What the server is told who we are: the issuer may work in the same database."""
AT_ONCE: Final = 8
"""Transactions of one process at a time. Sessions are opened as they are needed: an idle process holds one."""
CONNECTIONS: Final = AT_ONCE + 1
"""What one process may hold: one for each transaction, and the watch's."""
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


class PostgresVault(Verbs):
    """The shared vault (see `evergrant.keeper.vault.port.Vault`).

    Any number of processes on any number of hosts may open it. Claims go by the clock of the database, so those of
    hosts may differ. `stamp` tells of another process's commit `late` seconds after it. *distributed* is for tests: as
    if its tables were spread over machines.
    """

    late = EVERY

    def __init__(self, place: Address, clock: Clock | None, *, distributed: bool | None = None) -> None:
        self._place = place
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="evergrant-vault")
        self._transactions = Transactions(place, CONNECTIONS, clock, self._committed)
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

    async def read(self, work: Callable[[Tables], T]) -> T:
        return await self._do(work, writes=False)

    async def write(self, work: Callable[[Tables], T], *, twice: bool = False, told: Sequence[Event] = ()) -> T:
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

    # ---- what is other than elsewhere

    async def open_intents(self, *, limit: int = 1000) -> list[tuple[str, Intent]]:
        found = await super().open_intents(limit=limit)
        for _, intent in found:
            self._routes.note(intent)
        return found

    async def intend(self, claim: Claim, intent: Intent, expected: int) -> None:
        self._routes.note(intent)
        await super().intend(claim, intent, expected)

    async def journal(self, intent_id: str, reply: bytes, at: int) -> None:
        where = self._routes.of(intent_id)
        await self.write(lambda t: t.spending.journal(intent_id, where, reply, at), twice=True)

    async def events(
        self, *, tenant: str = "", connection_id: str = "", after: int = 0, limit: int = 100
    ) -> list[Stored]:
        await self._chain_all()
        return await super().events(tenant=tenant, connection_id=connection_id, after=after, limit=limit)

    async def trail_ends(self) -> TrailEnds:
        await self._chain_all()
        return await super().trail_ends()

    async def sweep(self, now: int, *, keep_events: int, limit: int = 500) -> int:
        await self._chain_all()
        return await super().sweep(now, keep_events=keep_events, limit=limit)

    async def _chain_all(self) -> None:
        """Whoever reads the trail finds all that was told before."""
        while await self.read(lambda t: t.trail.untold()):
            await self.write(Tables.chain, twice=True)
