"""The issuer goes down in the middle of the tour and comes back: told as it is, and nothing is lost."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlencode, urljoin

import httpx2

from evergrant.assembly import ROUTE_NAMES, Given, House, Life, assemble, opened
from evergrant.config import Config, load
from evergrant.demo.furnish import Furnished, furnish
from evergrant.demo.place import DemoClock
from evergrant.demo.running import sample
from evergrant.observe.metrics import Metrics
from evergrant.observe.watch import Watch
from evergrant.serving import Part, bound, together
from evergrant.testing.in_process import Browser, Reply
from tests.secrecy import record_secret, record_secrets_in
from tests.visitor import form, heading, words

APP = "http://127.0.0.1:8001"
CHEAP = {"password.memory_kib": 7168, "password.iterations": 1, "password.parallelism": 1}


@contextlib.asynccontextmanager
async def up(house: House) -> AsyncIterator[None]:
    """The issuer of an open house, on its port, for as long as the block runs."""
    sock, config = bound(house.config)
    watch = Watch(house.metrics, house.clock, house.entropy)
    issuer = assemble(house, watch, Life(AsyncExitStack(), house, watch))
    ready, stop = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(together([Part(config, issuer, sock)], ready.set, stop))
    await ready.wait()
    try:
        yield
    finally:
        stop.set()
        await task


@contextlib.asynccontextmanager
async def apart(folder: Path) -> AsyncIterator[tuple[House, Furnished, Browser]]:
    """An application in this process and a house whose issuer can be started and stopped beside it."""
    said = {"server.listen": "127.0.0.1:0", "store.data": str(folder), "server.shutdown_grace": 1, **CHEAP}
    config: Config = load(None, {}, said)
    sock, config = bound(config)
    sock.close()
    clock = DemoClock(folder)
    async with opened(config, Metrics(endpoints=ROUTE_NAMES), Given(None, clock)) as house:
        furnished = await furnish(house, APP)
        record_secret(furnished.password)
        async with sample(house, clock, furnished, APP) as application:
            yield house, furnished, Browser(application, network="127.0.0.1", host="127.0.0.1:8001")


async def sign_in(browser: Browser, furnished: Furnished) -> Reply:
    """Through the issuer over HTTP, and back into the application."""
    begun = await browser.get("/sign-in")
    async with httpx2.AsyncClient(trust_env=False) as http:
        reply = await _followed(http, begun.location)
        for chosen in ({"username": furnished.username, "password": furnished.password}, {"decision": "allow"}):
            action = re.search(r'<form method="post" action="([^"]*)"', reply.text)[1]
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', reply.text))
            sent = await http.post(urljoin(str(reply.url), action), data={**hidden, **chosen})
            reply = await _followed(http, urljoin(str(reply.url), sent.headers["location"]))
    return await browser.follow(await browser.get(reply))


async def _followed(http: httpx2.AsyncClient, url: str):
    """The page behind *url*, or the address in the application that it leads to."""
    while not url.startswith(APP):
        reply = await http.get(url)
        record_secrets_in(reply.headers.get("location", ""))
        if reply.status_code != 303:
            return reply
        url = urljoin(url, reply.headers["location"])
    return url.removeprefix(APP)


async def press(browser: Browser, path: str) -> Reply:
    page = await browser.get(path)
    return await browser.post(path, form(page, path))


async def test_an_issuer_that_is_down_loses_nobody_their_sign_in(tmp_path: Path) -> None:
    async with apart(tmp_path) as (house, furnished, browser):
        down = await browser.get("/sign-in")
        assert (down.status, heading(down)) == (502, "The issuer does not answer")
        assert "ConnectError" in words(down)
        async with up(house):
            page = await sign_in(browser, furnished)
            assert heading(page) == "Look at what you were given"
            assert "Good right now." in words(page)
        for path in ("/refresh", "/repeat", "/race"):
            told = await press(browser, path)
            assert (told.status, heading(told)) == (502, "The issuer does not answer")
            assert f'href="{path}"' in told.text
        assert "The issuer does not answer." in words(await browser.get("/look"))
        async with up(house):
            assert (await press(browser, "/refresh")).location == "/refresh#outcome"
            again = await browser.get("/refresh")
            assert "One step on: token 0 is spent, token 1 is the newest" in words(again)


async def test_a_sign_in_that_the_issuer_leaves_unfinished_can_be_tried_again(tmp_path: Path) -> None:
    async with apart(tmp_path) as (house, furnished, browser):
        async with up(house):
            await sign_in(browser, furnished)
            begun = await browser.get("/sign-in")
        params = dict(part.split("=", 1) for part in begun.location.partition("?")[2].split("&"))
        answer = {"code": "egc_x", "state": params["state"], "iss": house.config.issuer}
        told = await browser.get(f"/callback?{urlencode(answer)}")
        assert (told.status, heading(told)) == (502, "The issuer does not answer")
        assert 'href="/"' in told.text
        async with up(house):
            assert heading(await browser.get("/look")) == "Look at what you were given"
