"""HTTP/1.1 over asyncio, small enough to break on purpose: an answer may be late, cut short, or never come.

A connection answers its requests in order. What a request set going goes on when its client hangs up: a provider does
not undo what it has spent.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

_LOG: Final = logging.getLogger("evergrant.chaos")
MOST_BODY: Final = 1_048_576
# With zero seconds to linger, closing a socket sends a reset (RST) in place of an orderly end.
_RESET: Final = struct.pack("ii", 1, 0)


class Ending(Enum):
    """How an answer leaves the server."""

    WHOLE = auto()
    CUT = auto()
    """Half of the body that was announced, then the end of the connection."""
    CLOSED = auto()
    """Not a byte, then the end of the connection."""
    RESET = auto()
    """Not a byte, then a reset."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. Header names are in lower case; of a repeated parameter the last one counts."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    last: bool = False
    """Its sender wants the connection closed after the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, and how it leaves."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    ending: Ending = Ending.WHOLE

    def header(self, name: str) -> str:
        """The value of a header, or an empty text."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def encoded(self) -> bytes:
        """The bytes that are sent."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in self.headers)]
        if self.status not in {204, 304}:
            lines.append(f"content-length: {len(self.body)}")
        body = self.body[: len(self.body) // 2] if self.ending is Ending.CUT else self.body
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


Handle = Callable[[Request], Awaitable[Answer]]


class Connection(asyncio.Protocol):
    """One connection: bytes in, requests to *handle*, answers out."""

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self._waiting: asyncio.Queue[Request] = asyncio.Queue()
        self._transport: asyncio.Transport | None = None
        self._parser = HttpRequestParser(self)
        self._url, self._body = b"", b""
        self._headers: dict[str, str] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or reset."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._listener.links.add(transport)
        if not self._listener.accepts():
            _reset(transport)
            return
        task = asyncio.get_running_loop().create_task(self._answer(transport))
        self._listener.tasks.add(task)
        task.add_done_callback(self._listener.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own signature
        """Let what was begun come to its end, and expect nothing more."""
        if self._transport is not None:
            self._listener.links.discard(self._transport)
        self._transport = None
        self._waiting.put_nowait(_END)

    def data_received(self, data: bytes) -> None:
        """Parse."""
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            if self._transport is not None:
                self._transport.write(Answer(400, b"not HTTP").encoded())
                self._transport.close()

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """A part of the body; what is beyond the limit is dropped."""
        self._body = (self._body + body)[:MOST_BODY]

    def on_message_complete(self) -> None:
        """Queue the request."""
        url = parse_url(self._url)
        query = dict(parse_qsl((url.query or b"").decode("latin-1"), keep_blank_values=True))
        method = self._parser.get_method().decode("ascii")
        path = (url.path or b"/").decode("latin-1")
        last = not self._parser.should_keep_alive()
        self._waiting.put_nowait(Request(method, path, query, self._headers, self._body, last))
        self._url, self._body, self._headers = b"", b"", {}

    async def _answer(self, transport: asyncio.Transport) -> None:
        while (request := await self._waiting.get()) is not _END:
            answer = await self._answered(request)
            if transport.is_closing():
                continue
            if answer.ending is Ending.RESET:
                _reset(transport)
            elif answer.ending is Ending.CLOSED:
                transport.close()
            else:
                transport.write(answer.encoded())
                if answer.ending is Ending.CUT or request.last:
                    transport.close()

    async def _answered(self, request: Request) -> Answer:
        try:
            return await self._listener.handle(request)
        except Exception:  # noqa: BLE001 - a defect of this server must not look like one of its modes
            _LOG.exception("the chaos provider failed at %s %s", request.method, request.path)
            return Answer(500, b"a defect of the chaos provider; its log says more")


def _reset(transport: asyncio.Transport) -> None:
    raw: socket.socket = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


_END: Final = Request("", "")


class Listener:
    """A listening socket, its connections and what they set going."""

    def __init__(self, handle: Handle, accepts: Callable[[], bool]) -> None:
        """*accepts* is asked once per connection; where it says no, the connection is reset before a byte is read."""
        self.handle, self.accepts = handle, accepts
        self.tasks: set[asyncio.Task[None]] = set()
        self.links: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port it became. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close every connection and give up what is still going on."""
        if self._server is None:
            return
        self._server.close()
        for link in list(self.links):
            link.abort()
        for task in list(self.tasks):
            task.cancel()
        for task in list(self.tasks):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.links.clear()
