"""Connecting from a program on the user's own machine: the browser comes back to a port of it (RFC 8252 section 7.3).

The port listens on 127.0.0.1 for this one authorization and for as long as it takes, answers one callback, and closes.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from html import escape
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from evergrant.keeper.errors import BadRequest, CallbackRefused, KeeperError
from evergrant.keeper.service.connect import Connect
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.told import Connected, Link
from evergrant.protocol.redirect import Kind, kind_of

HOST: Final = "127.0.0.1"
TIMEOUT: Final = 300.0
READ_SECONDS: Final = 5.0
LONGEST: Final = 16_384
_HEADERS: Final = (
    "Content-Type: text/html; charset=utf-8\r\n"
    "Cache-Control: no-store\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n"
    "Connection: close\r\n"
)
_STYLE: Final = "body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}"
Open = Callable[[str], object]


class Loopback:
    """Opens the browser through what it is given, so that nothing here decides how."""

    def __init__(self, ground: Ground, connect: Connect) -> None:
        self._ground = ground
        self._connect = connect

    async def connect(
        self, client: str, account: str, open_browser: Open, *, within: float = TIMEOUT, **more: Any
    ) -> Connected:
        """The connection, after the user has been to the provider and back, within so many seconds.

        *more* as in `Connect.begin`. Raises `CallbackRefused`, also when nobody comes back.
        """
        user = str(more.get("user") or account)
        door = _Door(self._path(client))
        server = await asyncio.start_server(door.answer, HOST, 0, limit=LONGEST)
        async with server:
            port = server.sockets[0].getsockname()[1]
            link = await self._connect.begin(client, account, redirect_uri=f"http://{HOST}:{port}{door.path}", **more)
            door.state = parse_qs(urlsplit(link.url).query).get("state", [""])[0]
            await self._opened(open_browser, link)
            try:
                target, writer = await asyncio.wait_for(door.came, within)
            except TimeoutError:
                msg = "nobody came back from the provider in time; start again"
                raise CallbackRefused(msg, "unknown_state") from None
            server.close()
            return await self._finished(f"http://{HOST}:{port}{target}", user, str(more.get("tenant", "")), writer)

    def _path(self, client: str) -> str:
        """The path of the client's own loopback address, which the provider compares; any port is as good (7.3)."""
        registered = self._ground.client(client).redirect_uri
        if not registered:
            return f"/callback/{client}"
        if kind_of(registered) is not Kind.LOOPBACK or urlsplit(registered).hostname != HOST:
            msg = f"{client} is not registered for loopback; register http://{HOST}/callback/{client} at the provider"
            raise BadRequest(msg)
        return urlsplit(registered).path or "/"

    async def _opened(self, open_browser: Open, link: Link) -> None:
        opened = open_browser(link.url)
        if asyncio.iscoroutine(opened):
            await opened

    async def _finished(self, url: str, user: str, tenant: str, writer: asyncio.StreamWriter) -> Connected:
        try:
            done = await self._connect.finish(url, user, tenant=tenant)
        except KeeperError as error:
            await _page(writer, "400 Bad Request", "Not connected", str(error))
            raise
        await _page(writer, "200 OK", "Connected", f"{done.connection.account} is connected. You can close this page.")
        return done


class _Door:
    """The port's one purpose: the first request that brings this authorization's state to its path."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.state = ""
        self.came: asyncio.Future[tuple[str, asyncio.StreamWriter]] = asyncio.get_running_loop().create_future()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand the callback over; send everything else away."""
        target = await _target(reader)
        if not target:
            writer.close()
        elif not self._is_ours(target):
            await _page(writer, "404 Not Found", "Nothing here", "This address waits for an answer of the provider.")
        elif self.came.done():
            await _page(writer, "410 Gone", "Used already", "This answer was received before.")
        else:
            self.came.set_result((target, writer))

    def _is_ours(self, target: str) -> bool:
        # Any page the user has open can send requests to this port: without the state they must not end the wait.
        given = parse_qs(urlsplit(target).query).get("state", [""])
        return urlsplit(target).path == self.path and bool(self.state) and given == [self.state]


async def _target(reader: asyncio.StreamReader) -> str:
    """The target of a GET for this very host, empty for anything else."""
    try:
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), READ_SECONDS)).decode("ascii")
    except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, UnicodeDecodeError, ConnectionError):
        return ""
    line, _, rest = head.partition("\r\n")
    method, _, target = line.rpartition(" ")[0].partition(" ")
    hosts = [one.partition(":")[2].strip() for one in rest.split("\r\n") if one.lower().startswith("host:")]
    # A page elsewhere that rebinds its own name to 127.0.0.1 sends that name as Host.
    ours = len(hosts) == 1 and hosts[0].partition(":")[0] == HOST
    return target if method == "GET" and ours and target.startswith("/") else ""


async def _page(writer: asyncio.StreamWriter, status: str, title: str, sentence: str) -> None:
    body = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><main><h1>{escape(title)}</h1>"
        f"<p>{escape(sentence)}</p></main></html>"
    ).encode()
    writer.write(f"HTTP/1.1 {status}\r\n{_HEADERS}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    with suppress(ConnectionError):  # whoever left does not need the page
        await writer.drain()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
