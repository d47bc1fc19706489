"""A keeper's connecting services around a chaos provider, and a browser that goes where it is sent."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from evergrant.clock import FixedClock
from evergrant.domain.secret import Secret
from evergrant.entropy import SeededEntropy
from evergrant.keeper.connection import Connection, Health
from evergrant.keeper.event import What
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.sealing import Sealer
from evergrant.keeper.service import sealed
from evergrant.keeper.service.connecting import Connecting
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.told import Connected
from evergrant.keeper.settings import Client, Settings
from evergrant.keeper.vault.memory import MemoryVault
from evergrant.keeper.vault.port import Change, Found
from evergrant.keeper.wire.transport import HttpTransport
from evergrant.keys.local import LocalKek
from evergrant.testing.chaos import PLAIN, Chaos
from tests.secrecy import record_secret

SITE = "https://app.example"
AT = 1_800_000_000


def callback_at(client: str) -> str:
    return f"{SITE}/connect/{client}/callback"


@dataclass
class Scene:
    """One provider, one or more clients of ours, and every service on the same ground."""

    chaos: Chaos
    clock: FixedClock
    ground: Ground
    waited: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.services = Connecting(self.ground)

    @property
    def vault(self) -> Any:
        return self.ground.vault

    async def browser(self, url: str, **more: str) -> str:
        """Go to the provider, consent, and come back: the callback address, not yet finished."""
        async with httpx2.AsyncClient() as client:
            answer = await client.get(url, params=httpx2.QueryParams(httpx2.URL(url).params).merge(more))
        assert answer.status_code in {302, 303}, answer.text
        return str(answer.headers["location"])

    async def connect(self, account: str = "ada", client: str = "plain", **more: Any) -> Connected:
        """All of it: begin, browser, finish."""
        user = more.pop("user", account)
        tenant = more.get("tenant", "")
        link = await self.services.connect.begin(client, account, user=user, **more)
        return await self.services.connect.finish(await self.browser(link.url), user, tenant=tenant)

    async def found(self, connection: Connection) -> Found:
        found = await self.vault.load(connection.tenant, connection.id)
        assert found is not None
        return found

    async def tokens(self, connection: Connection, name: str = "main") -> tuple[str, str]:
        """Access and refresh token in clear; empty when there is none."""
        found = await self.found(connection)
        record = found.records[name]
        access = sealed.access_of(self.ground.sealer, connection.tenant, record)
        refresh = sealed.refresh_of(self.ground.sealer, connection.tenant, record)
        clear = access.reveal() if access else "", refresh.reveal() if refresh else ""
        for token in filter(None, clear):
            record_secret(token)
        return clear

    async def told(self, tenant: str = "") -> list[What]:
        return [one.event.what for one in await self.vault.events(tenant=tenant, limit=1000)]

    async def change(self, connection: Connection, **more: Any) -> Connection:
        """What another part of the keeper might have made of the connection meanwhile."""
        now = (await self.found(connection)).connection
        after = replace(now, version=now.version + 1, **more)
        await self.vault.change(Change(after, now.version))
        return after


def asked(url: str) -> dict[str, str]:
    """The parameters of an authorization request."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}


def scene(
    chaos: Chaos, *, facts: Provider | None = None, clients: Mapping[str, Client] | None = None, **more: Any
) -> Scene:
    clock = more.pop("clock", None) or FixedClock(AT)
    entropy = SeededEntropy(more.pop("seed", "connect"))
    provider = facts or chaos.provider
    catalog = Catalog()
    catalog.add(provider)
    ours = clients or {provider.id: client_of(chaos, provider)}
    waited: list[float] = []
    vault = more.pop("vault", MemoryVault)(clock)

    async def pause(seconds: float) -> None:
        waited.append(seconds)
        clock.advance(int(seconds) + 1)
        await asyncio.sleep(0.005)  # lets the others of this process go on, as a real pause does

    ground = Ground(
        vault=vault,
        sealer=Sealer(Keyring([LocalKek(b"k" * 32)]), entropy, b"f" * 32),
        catalog=catalog,
        settings=Settings(clients=ours, return_to=(SITE,), **more),
        transport=HttpTransport(clock),
        clock=clock,
        entropy=entropy,
        pause=pause,
    )
    return Scene(chaos, clock, ground, waited)


@asynccontextmanager
async def stage(*modes: str, facts: Mapping[str, Any] | None = None, **more: Any) -> AsyncIterator[Scene]:
    """A scene around a chaos provider by the book with other *facts*; *more* are settings."""
    clock = FixedClock(AT)
    provider = replace(more.pop("provider", PLAIN), **(facts or {}))
    async with Chaos(provider, modes, clock=clock, seed="connect", late=more.pop("late", False)) as chaos:
        here = scene(chaos, clock=clock, **more)
        yield here
        await here.ground.transport.close()


def client_of(chaos: Chaos, provider: Provider, name: str = "", **more: Any) -> Client:
    name = name or provider.id
    more.setdefault("scopes", ("openid", "read", "write"))
    more.setdefault("redirect_uri", callback_at(name))
    return Client(
        provider=provider.id, client_id=chaos.client_id, secret=Secret(chaos.client_secret), name=name, **more
    )


__all__ = ["AT", "SITE", "Health", "Scene", "asked", "callback_at", "client_of", "scene", "stage"]
