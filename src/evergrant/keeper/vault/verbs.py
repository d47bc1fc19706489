"""The port's verbs, each one piece of work on the tables of one transaction: the same in every vault that asks in SQL.

What lives here: which part of the tables a verb asks. What must not: how work is done, a statement, a driver.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from evergrant.keeper.connection import Claim, Connection, Health, Intent, Pending
from evergrant.keeper.event import Event, Letter, Stored
from evergrant.keeper.vault.port import ApiKey, Change, Found, TrailEnds, Wanted

T = TypeVar("T")


class Verbs(ABC):
    """Over `read` and `write`; see `evergrant.keeper.vault.port.Vault`."""

    @abstractmethod
    async def read(self, work: Callable[[Any], T]) -> T:
        """What *work* returns, from one snapshot. Raises `VaultUnavailable`, and what *work* raises."""

    @abstractmethod
    async def write(self, work: Callable[[Any], T], *, twice: bool = False, told: Sequence[Event] = ()) -> T:
        """What *work* returns, committed. Raises `VaultUnavailable`, and what *work* raises.

        *twice*: it may be done again after a commit that perhaps happened. *told*: the events that it adds.
        """

    # ---- reading

    async def load(self, tenant: str, connection_id: str) -> Found | None:
        return await self.read(lambda t: t.finding.load(tenant, connection_id))

    async def look_up(self, tenant: str, client: str, account: str) -> Found | None:
        return await self.read(lambda t: t.finding.look_up(tenant, client, account))

    async def search(self, wanted: Wanted, *, after: str = "", limit: int = 100) -> list[Connection]:
        return await self.read(lambda t: t.finding.search(wanted, after, limit))

    async def due(self, before: int, *, limit: int) -> list[tuple[str, str, str]]:
        return await self.read(lambda t: t.finding.due(before, limit))

    async def holders(self, fingerprint: str) -> list[tuple[str, str, str]]:
        return await self.read(lambda t: t.finding.holders(fingerprint))

    async def revoking(self, before: int, *, limit: int = 100) -> list[tuple[str, str]]:
        return await self.read(lambda t: t.finding.revoking(before, limit))

    async def open_intents(self, *, limit: int = 1000) -> list[tuple[str, Intent]]:
        return await self.read(lambda t: t.spending.open_intents(limit))

    async def counts(self) -> Mapping[Health, int]:
        return await self.read(lambda t: t.finding.counts())

    # ---- connections

    async def add(self, connection: Connection, events: Sequence[Event] = ()) -> None:
        await self.write(lambda t: t.connections.add(connection, events), told=events)

    async def change(self, change: Change) -> None:
        await self.write(lambda t: t.connections.change(change), told=change.events)

    async def remove(self, tenant: str, connection_id: str, events: Sequence[Event] = ()) -> None:
        await self.write(lambda t: t.connections.remove(tenant, connection_id, events), told=events)

    async def touch(self, connection_id: str, name: str, used_at: int) -> None:
        await self.write(lambda t: t.connections.touch(connection_id, name, used_at), twice=True)

    # ---- the right to spend

    async def claim(self, connection_id: str, name: str, owner: str, seconds: float) -> Claim | None:
        return await self.write(lambda t: t.spending.claim(connection_id, name, owner, seconds), twice=True)

    async def renew(self, claim: Claim, seconds: float) -> Claim:
        return await self.write(lambda t: t.spending.renew(claim, seconds), twice=True)

    async def release(self, claim: Claim) -> None:
        await self.write(lambda t: t.spending.release(claim), twice=True)

    async def intend(self, claim: Claim, intent: Intent, expected: int) -> None:
        await self.write(lambda t: t.spending.intend(claim, intent, expected), twice=True)

    async def journal(self, intent_id: str, reply: bytes, at: int) -> None:
        await self.write(lambda t: t.spending.journal(intent_id, reply, at), twice=True)

    # ---- authorizations under way

    async def await_callback(self, pending: Pending) -> None:
        await self.write(lambda t: t.outgoing.await_callback(pending))

    async def take_callback(self, state_digest: bytes, now: int) -> Pending | None:
        return await self.write(lambda t: t.outgoing.take_callback(state_digest, now))

    # ---- keys

    async def rewrap(self, turn: Callable[[bytes], bytes], *, after: str, limit: int) -> tuple[str, int]:
        return await self.write(lambda t: t.rewrap(turn, after, limit), twice=True)

    async def keep_once(self, name: str, sealed: bytes) -> bytes:
        return await self.write(lambda t: t.outgoing.keep_once(name, sealed), twice=True)

    # ---- what happened

    async def events(
        self, *, tenant: str = "", connection_id: str = "", after: int = 0, limit: int = 100
    ) -> list[Stored]:
        return await self.read(lambda t: t.trail.find(tenant, connection_id, after, limit))

    async def trail_ends(self) -> TrailEnds:
        return await self.read(lambda t: t.trail.ends())

    async def note(self, events: Sequence[Event]) -> None:
        await self.write(lambda t: t.trail.add(events), told=events)

    async def letters(self, due: int, *, limit: int = 100) -> list[Letter]:
        return await self.read(lambda t: t.outgoing.letters(due, limit))

    async def post(self, sent: Sequence[str], again: Sequence[Letter]) -> None:
        await self.write(lambda t: t.outgoing.post(sent, again), twice=True)

    async def add_api_key(self, key: ApiKey, events: Sequence[Event] = ()) -> None:
        def work(tables: Any) -> None:
            tables.outgoing.add_api_key(key)
            tables.trail.add(events)

        await self.write(work, told=events)

    async def api_keys(self, tenant: str = "") -> list[ApiKey]:
        return await self.read(lambda t: t.outgoing.api_keys(tenant))

    async def end_api_key(self, key_id: str, at: int, events: Sequence[Event] = ()) -> None:
        def work(tables: Any) -> None:
            tables.outgoing.end_api_key(key_id, at)
            tables.trail.add(events)

        await self.write(work, told=events)

    async def use_api_key(self, key_id: str, at: int) -> None:
        await self.write(lambda t: t.outgoing.use_api_key(key_id, at), twice=True)

    async def sweep(self, now: int, *, keep_events: int, limit: int = 500) -> int:
        return await self.write(lambda t: t.sweep(now, keep_events, limit), twice=True)
