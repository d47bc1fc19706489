"""A keeper on a real provider on loopback, with a connection whose tokens came from that provider."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from evergrant.clock import Clock, SystemClock
from evergrant.domain.secret import Secret
from evergrant.entropy import SeededEntropy
from evergrant.keeper.connection import Connection, Health, Origin, Record
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.service.sealed import with_tokens
from evergrant.keeper.settings import Client, Settings
from evergrant.keeper.vault.memory import MemoryVault
from evergrant.keeper.vault.port import Change, Vault
from evergrant.testing.chaos import Chaos, Given

KEY = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="


@dataclass
class Life:
    """The provider, the vault, and keepers on it."""

    chaos: Chaos
    keeper: Keeper
    vault: Vault
    clock: Clock
    catalog: Catalog
    settings: Settings
    seed: int = 0

    def another(self, **more: Any) -> Keeper:
        """A second keeper on the same vault, as another process would have."""
        self.seed += 1
        given = {
            "key": KEY,
            "clock": self.clock,
            "catalog": self.catalog,
            "settings": self.settings,
            "vault": self.vault,
        }
        return Keeper.open("memory:", **{**given, "entropy": SeededEntropy(f"keeper {self.seed}"), **more})

    async def connect(self, account: str = "user-42", *, expires_in: int = 0, **facts: Any) -> Given:
        """A connection with tokens fresh from the provider; *expires_in* seconds of life left, if given."""
        given = self.chaos.grant(account)
        await kept(self.keeper, given, account, self.clock.now(), expires_in=expires_in, **facts)
        return given


async def kept(
    keeper: Keeper, given: Given, account: str, now: int, *, expires_in: int = 0, **facts: Any
) -> Connection:
    """Keep *given* as the tokens of *account*, in one step and without asking the provider."""
    rooms = await keeper.rooms()
    reply: Mapping[str, Any] = given.reply
    life = int(reply.get("expires_in", 3600))
    connection = Connection(
        id=f"con_{account}", tenant=facts.pop("tenant", ""), client="here", provider="here",
        account=account, user=account, created_at=now, connected_at=now, subject=facts.pop("subject", ""),
    )  # fmt: skip
    await rooms.ground.vault.add(connection)
    sent_at = now - (life - expires_in if expires_in else 0)
    record = Record(
        connection.id, version=1, sent_at=sent_at, expires_at=sent_at + life, origin=Origin.PROVIDER,
        refreshed_at=sent_at, scope=tuple(str(reply.get("scope", "")).split()),
    )  # fmt: skip
    record = replace(record, **facts)
    record = with_tokens(
        rooms.ground.sealer, connection.tenant, record,
        access=Secret(given.access_token), refresh=Secret(given.refresh_token) if given.refresh_token else None,
    )  # fmt: skip
    active = replace(connection, version=1, health=Health.ACTIVE)
    await rooms.ground.vault.change(Change(active, expected=0, records=[record]))
    return active


@asynccontextmanager
async def living(
    provider: str | Provider = "plain", *modes: str, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Life]:
    """A provider, a vault in memory, and a keeper."""
    clock = clock or SystemClock()
    async with Chaos(provider, modes, clock=clock, seed=1) as chaos:
        catalog = Catalog()
        catalog.add(replace(chaos.provider, id="here"))
        client = Client("here", chaos.client_id, Secret(chaos.client_secret))
        told = Settings(clients={"here": client}, **{"backoff_least": 1, "failure_seconds": 0.0, **settings})
        vault = MemoryVault(clock)
        life = Life(chaos, None, vault, clock, catalog, told)  # type: ignore[arg-type]
        life.keeper = life.another()
        try:
            yield life
        finally:
            await life.keeper.close()


async def settled(keeper: Keeper) -> None:
    """Until nothing is in the air."""
    rooms = await keeper.rooms()
    while flying := list(rooms.refresher.flights._flying.values()):
        await asyncio.wait(flying)
