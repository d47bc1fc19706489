"""The service over real HTTP on loopback, on a keeper whose provider is real too; keys for two tenants."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import uvicorn

from evergrant.domain.secret import Secret
from evergrant.keeper.opening import named_clients
from evergrant.keeper.serving import ServingSettings, application
from evergrant.keeper.serving.api_keys import Scope
from evergrant.keeper.serving.application import Mounted
from evergrant.keeper.settings import Client
from tests.keeper.living import Life, living
from tests.keeper.serving.visiting import Browser

ALL = (Scope.ADMIN,)
ONE, TWO = "one", "two"


@dataclass
class Scene:
    """*origin*: where the service answers; *http*: a client without a key."""

    life: Life
    app: Mounted
    address: str
    http: httpx2.AsyncClient
    texts: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)
    browsers: list[Browser] = field(default_factory=list)

    def browser(self) -> Browser:
        """A browser that nobody has used."""
        self.browsers.append(Browser())
        return self.browsers[-1]

    async def link(self, user: str = "ada", *, tenant: str = ONE, **more: Any) -> str:
        """The address of a connect link."""
        reply = await self.ask("POST", "/v1/connect-links", {"user": user, "clients": ["here"], **more}, tenant=tenant)
        assert reply.status_code == 201, reply.text
        return str(reply.json()["url"])

    async def key(self, tenant: str = ONE, *scopes: str) -> str:
        """The text of a key with *scopes* (all of them by default)."""
        wanted = scopes or ALL
        if (tenant, wanted) not in self.texts:
            _, text = await self.app.house.keys.make(tenant, f"caller of {tenant}", wanted)
            self.texts[tenant, wanted] = text.reveal()
        return self.texts[tenant, wanted]

    async def ask(
        self, method: str, path: str, body: Any = None, *, tenant: str = ONE, scopes: tuple[str, ...] = (), **more: Any
    ) -> httpx2.Response:
        """One call with a key."""
        headers = {"Authorization": f"Bearer {await self.key(tenant, *scopes)}", **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        return await self.http.request(method, f"{self.address}{path}", headers=headers, **more)

    async def account(self, name: str = "user-42", *, tenant: str = ONE, **facts: Any) -> str:
        """A connection of *tenant*; its id."""
        given = await self.life.connect(name, tenant=tenant, **facts)
        del given
        found = await self.life.keeper.show("here", name, tenant=tenant)
        return found.connection.id


def free() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


@asynccontextmanager
async def listening(app: Any, sock: socket.socket) -> AsyncIterator[None]:
    """*app* under uvicorn in this loop."""
    config = uvicorn.Config(app, lifespan="on", log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[method-assign]
    task = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def serving(
    *modes: str, base: str = "", told: Mapping[str, Any] | None = None, keeping: Mapping[str, Any] | None = None,
    provider: Any = "plain", clock: Any = None, pause: Any = asyncio.sleep,
) -> AsyncIterator[Scene]:  # fmt: skip
    """The service, running. *told*: further serving settings; *keeping*: further settings of the keeper."""
    sock = free()
    address = f"http://127.0.0.1:{sock.getsockname()[1]}{base}"
    async with living(provider, *modes, clock=clock, reconnect_page=f"{address}/reconnect", **(keeping or {})) as life:
        ours = Client(
            "here", life.chaos.client_id, Secret(life.chaos.client_secret), redirect_uri=f"{address}/callback/here",
            scopes=("contacts.read", "offline_access"),
        )  # fmt: skip
        there = replace(ours, name="there", redirect_uri=f"{address}/callback/there")
        life.settings = replace(life.settings, clients=named_clients([ours, there]))
        await life.keeper.close()
        life.keeper = life.another(pause=pause)
        app = application(life.keeper, ServingSettings(address, background=False, **(told or {})))
        async with listening(app, sock), httpx2.AsyncClient(trust_env=False) as http:
            scene = Scene(life, app, address, http)
            try:
                yield scene
            finally:
                for browser in scene.browsers:
                    await browser.client.aclose()
