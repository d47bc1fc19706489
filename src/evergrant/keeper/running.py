"""The background refresher: what falls due is refreshed before anybody asks, and what was left open is finished.

Any number of processes may run it on one vault: claims keep them apart. One round recovers doubts, refreshes what is
due within the budgets, warns of limits that nobody can move, tells providers of disconnections that they have not
heard of yet, tells a hook that there are letters, and sweeps.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from evergrant.keeper.connection import Reason, Record
from evergrant.keeper.errors import KeeperError, VaultTrouble
from evergrant.keeper.service.connecting import Connecting
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.landing import NAME as AUTHORIZATION
from evergrant.keeper.service.limits import Countdown
from evergrant.keeper.service.refresh import Refresher, Wish
from evergrant.keeper.service.watch import Watch
from evergrant.keeper.vault.port import VaultMoved, VaultUnavailable

BATCH: Final = 5_000
AT_A_TIME: Final = 256
AT_ONCE: Final = 64
"""Refreshes of one client that are waiting for its budget at a time; clients never wait for each other."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did."""

    recovered: int = 0
    refreshed: int = 0
    failed: int = 0
    swept: int = 0


class Running:
    """Rounds with pauses, until it is told to stop."""

    def __init__(
        self, ground: Ground, refresher: Refresher, connecting: Connecting, watch: Watch, countdown: Countdown
    ) -> None:
        self._ground = ground
        self._refresher = refresher
        self._connecting = connecting
        self._watch = watch
        self._countdown = countdown
        self.outbox: Callable[[], Awaitable[None]] | None = None
        """Awaited once a round; whoever delivers letters sets it."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until *stop* is set. A vault in trouble ends a round, never the loop; one that was moved ends it.

        Raises `VaultTrouble` then: there will never be anything to do here again.
        """
        while not stop.is_set():
            try:
                await self.round()
            except VaultMoved as error:
                raise VaultTrouble.of(error, "") from error
            except VaultUnavailable:
                pass
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await stop.wait()

    def _pause(self) -> float:
        """Not the same for any two processes, so that they do not all come at once."""
        lot = int.from_bytes(self._ground.entropy.draw(2), "big") / 2**16
        return self._ground.settings.background_seconds * (0.75 + lot / 2)

    async def round(self) -> Round:
        """Everything that is to be done now. Raises `VaultUnavailable`."""
        now = self._ground.clock.now()
        settings = self._ground.settings
        await self._watch.flush()
        recovered = await self._recover()
        refreshed, failed = await self._refresh(now + settings.background_ahead)
        await self._connecting.disconnect.resume()
        if self.outbox is not None:
            await self.outbox()
        swept = await self._ground.vault.sweep(now, keep_events=settings.keep_events)
        return Round(recovered, refreshed, failed, swept)

    async def _recover(self) -> int:
        """Finish what crashed or cut-off refreshes and callbacks have left."""
        wishes: list[tuple[str, Wish]] = []
        count = 0
        for tenant, intent in await self._ground.vault.open_intents():
            if intent.name == AUTHORIZATION:
                with suppress(KeeperError):
                    count += await self._connecting.landing.recover(tenant, intent.connection_id)
            else:
                wishes.append(("", Wish(tenant, intent.connection_id, intent.name, intent.record_version)))
        good, _ = await self._all(wishes)
        return count + good

    async def _refresh(self, before: int) -> tuple[int, int]:
        """Refresh what falls due before *before* and has come to its time; (how many, how many failed)."""
        good = bad = 0
        seen: set[tuple[str, str]] = set()
        while True:
            due = [one for one in await self._ground.vault.due(before, limit=BATCH) if one[1:] not in seen]
            if not due:
                return good, bad
            seen.update(one[1:] for one in due)
            for some in self._mixed(due):
                wishes = [
                    wish for wish in await asyncio.gather(*(self._wish(*one) for one in some)) if wish is not None
                ]
                more_good, more_bad = await self._all(wishes)
                good, bad = good + more_good, bad + more_bad
            if len(due) < BATCH:
                return good, bad

    def _mixed(self, due: list[tuple[str, str, str]]) -> Iterator[list[tuple[str, str, str]]]:
        """Soonest first by and large, and within a few hundred in an order of this process's own.

        All processes find the same things due: each then claims what no other one is at.
        """
        lot = self._ground.entropy.draw(8)
        for start in range(0, len(due), AT_A_TIME):
            yield sorted(due[start : start + AT_A_TIME], key=lambda one: sha256(lot + one[1].encode()).digest())

    async def _wish(self, tenant: str, connection_id: str, name: str) -> tuple[str, Wish] | None:
        """What to refresh, with the name of its client."""
        found = await self._ground.vault.load(tenant, connection_id)
        if found is None or name not in found.records or name in found.claims:
            return None
        record: Record = found.records[name]
        await self._countdown.look(found, record)
        with suppress(KeeperError):
            if self._refresher.wants(found, record):
                return found.connection.client, Wish(tenant, connection_id, name, record.version)
        return None

    async def _all(self, wishes: list[tuple[str, Wish]]) -> tuple[int, int]:
        gates: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))

        async def one(client: str, wish: Wish) -> bool:
            async with gates[client]:
                try:
                    await self._refresher.refresh(wish)
                except KeeperError as error:
                    return getattr(error, "reason", None) is Reason.NONE
                return True

        done = await asyncio.gather(*(one(client, wish) for client, wish in wishes))
        return sum(done), len(done) - sum(done)
