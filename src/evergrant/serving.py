"""Running the assembled application under uvicorn: sockets, workers, and a door that slow or huge requests cannot hold.

Neighbours: what is served is `evergrant.assembly`; the commands that call this are `evergrant.cli`.
"""

import asyncio
import contextlib
import gc
import http.client
import json
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import uvicorn
from httptools import HttpParserError, HttpParserUpgrade, parse_url
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.supervisors import Multiprocess

from evergrant import trip
from evergrant.assembly import ROUTE_NAMES, application, data_folder, opened
from evergrant.config import Config, load
from evergrant.keys.port import KeyUnusable
from evergrant.observe.log import set_up
from evergrant.observe.metrics import Metrics
from evergrant.protocol.ending import MEDIA_TYPE
from evergrant.store.port import StoreUnusable
from evergrant.web.app import WIRE, Application

# From the first byte of a request to its last; the application gives a body less.
REQUEST_SECONDS: Final = 15
# Of a request line, on top of what the headers may have.
MOST_URL: Final = 16_384
# Of silence after an answer; noticed at the next look, so a connection may live REQUEST_SECONDS longer.
KEEP_ALIVE_SECONDS: Final = 65
WORKER_VARIABLE: Final = "EVERGRANT_WORKER_SETTINGS"
BACKLOG: Final = 2_048
HEALTH_SECONDS: Final = 5
_TOO_LARGE: Final = b"431 Request Header Fields Too Large", b"The request line or the headers are too large."
_EVENTS: Final = MEDIA_TYPE.encode("ascii")
_UNREADABLE: Final = b"400 Bad Request", b"The request cannot be read."


class Unreadable(Exception):
    """What the parser is stopped with: a request beyond all limits, or one that could be read in two ways."""


class Door(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits on a request, in bytes and in time, and one reading of it (A-03, A-07).

    Nothing here is logged: whoever sends garbage must not be able to fill the log with it (attack A-11).
    """

    _began: float = 0.0
    _idle_since: float = 0.0
    _size: int = 0
    _in_headers: bool = False
    _large: bool = False
    _parts: list[bytes] | None = None
    _leaving: bool = False
    _endless: bool = False

    def __init__(self, *rest: Any, most: int, **more: Any) -> None:
        super().__init__(*rest, **more)
        self._most = most
        self._brief: trip.Brief = getattr(self.app, "begin", _never)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._began = self.loop.time()
        self.loop.call_later(REQUEST_SECONDS, self._look)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        # An empty line between two requests begins nothing for the parser, and must not hold the connection either.
        self._began = self._began or self.loop.time()
        unfinished = self._in_headers
        try:
            self.parser.feed_data(data)
            if unfinished and self._in_headers:
                self._grow(len(data))  # of a line whose end has not come, the parser tells nothing and keeps everything
        except Unreadable:
            self._refuse(*_TOO_LARGE)
        except HttpParserUpgrade:
            return  # answered as the plain request it also is
        except HttpParserError:
            self._refuse(*(_TOO_LARGE if self._large else _UNREADABLE))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._size, self._began, self._in_headers = 0, self._began or self.loop.time(), True
        self._idle_since = 0.0

    def on_url(self, url: bytes) -> None:
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._size += len(name) + len(value)
        if self._size > self._most:
            self._grow(0)
        if self._in_headers:  # what follows a chunked body must not pass for a header before it
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_headers = False
        if not self.url.startswith(b"/"):
            self._refuse_other_authority()
        if self._comes_whole():
            self._parts = []
        else:
            super().on_headers_complete()

    def _comes_whole(self) -> bool:
        """Whether this request may wait until its body is there (see `evergrant.trip`)."""
        declared = b"0"
        for name, value in self.headers:
            if name == b"content-length":
                declared = value
            elif name in {b"transfer-encoding", b"expect", b"upgrade"}:
                return False
            elif name == b"accept" and value == _EVENTS:
                self._endless = True  # its answer may have no end, and comes in parts
                cast("trip.Scope", self.scope)[WIRE] = self.transport
                return False
        return declared.isdigit() and int(declared) <= trip.LARGEST and self.parser.get_http_version() == "1.1"

    def on_body(self, body: bytes) -> None:
        if self._parts is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        self._began = 0.0
        if self._parts is None:
            super().on_message_complete()
        else:
            body, self._parts = b"".join(self._parts), None
            self._set_out(body)

    def _set_out(self, body: bytes) -> None:
        """Begin the exchange of a whole request, after those before it on this connection."""
        path, _, query = self.url.partition(b"?") if self.url.startswith(b"/") else _split(self.url)
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["path"], self.scope["raw_path"], self.scope["query_string"] = path.decode("ascii"), path, query
        before = cast("RequestResponseCycle | None", self.cycle)
        keep_alive = self.parser.should_keep_alive() and not self._leaving
        exchange = trip.Trip(self, cast("trip.Scope", self.scope), body, keep_alive=keep_alive)
        self.cycle = cast("RequestResponseCycle", exchange)
        if before is None or before.response_complete:
            if not exchange.begin(self._brief):
                self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_response_complete(self) -> None:
        """As uvicorn's, without a timer for each answer: `_look` comes by for idle connections too."""
        if self.pipeline or self.flow.read_paused:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self._idle_since = self.loop.time()

    def shutdown(self) -> None:
        """Close, or after the request that is on its way; an answer without an end is cut off."""
        if self._endless:
            self.transport.abort()
        elif self._parts is None:
            super().shutdown()
        else:
            self._leaving = True

    def _grow(self, count: int) -> None:
        self._size += count
        if self._size > self._most:
            self._large = True
            raise Unreadable

    def _refuse_other_authority(self) -> None:
        """An absolute address is read (RFC 9112 section 3.2.2) when it and the Host header name the same place."""
        hosts = [value for name, value in self.headers if name == b"host"]
        scheme, _, rest = self.url.partition(b"://")
        authority = rest.partition(b"/")[0].partition(b"?")[0]
        if scheme.lower() not in {b"http", b"https"} or hosts != [authority]:
            raise Unreadable

    def _refuse(self, status: bytes, text: bytes) -> None:
        """Answer and close; only close while an earlier request is still being answered."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        its_own = cycle is not None and cycle.more_body and not cycle.response_started and not self.pipeline
        if cycle is None or cycle.response_complete or its_own:
            self.transport.write(
                b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
                b"cache-control: no-store\r\nconnection: close\r\n\r\n%b" % (status, len(text), text)
            )
        self.transport.close()

    def _look(self) -> None:
        """Close a connection whose request, or whose silence, has gone on for too long; look again later otherwise."""
        if self.transport.is_closing():
            return
        now = self.loop.time()
        late = self._began and now - self._began >= REQUEST_SECONDS
        if late or (self._idle_since and now - self._idle_since >= self.timeout_keep_alive):
            self.transport.close()
        else:
            self.loop.call_later(REQUEST_SECONDS, self._look)


def _never(*_: Any) -> bool:
    """Of applications that begin nothing in step."""
    return False


def _split(url: bytes) -> tuple[bytes, bytes, bytes]:
    """Path, question mark and query of an absolute address."""
    parsed = parse_url(url)
    return parsed.path or b"/", b"?", parsed.query or b""


def bound(config: Config) -> tuple[socket.socket, Config]:
    """A listening socket, and the configuration with the address it really got (port 0 picks one). Raises `OSError`."""
    host, port = config.server.address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.set_inheritable(True)
    taken = sock.getsockname()[1]
    text = f"[{host}]:{taken}" if ":" in host else f"{host}:{taken}"
    return sock, config.replace(server__listen=text)


class Sources(NamedTuple):
    """Where a configuration came from, so that a worker process can load the same one."""

    path: Path | None
    overrides: dict[str, Any]


def serve(config: Config, sock: socket.socket, sources: Sources, ready: Callable[[], None]) -> None:
    """Serve until told to stop; *ready* is called once requests are answered.

    Raises `StoreUnusable`, `KeyUnusable` before anything is answered.
    """
    set_up(config.log)
    if config.server.workers > 1:
        _many(config, sock, sources, ready)
    else:
        factory = _uvicorn(config, _nothing).get_loop_factory()
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_one(config, sock, ready))


def _uvicorn(config: Config, app: Any, **more: Any) -> uvicorn.Config:
    door: Any = partial(Door, most=config.server.max_header + MOST_URL)
    return uvicorn.Config(
        app, http=door, ws="none", lifespan="on", loop="auto", log_config=None, access_log=False, server_header=False,
        date_header=False, proxy_headers=False, timeout_keep_alive=KEEP_ALIVE_SECONDS, backlog=BACKLOG,
        timeout_graceful_shutdown=config.server.shutdown_grace, **more,
    )  # fmt: skip


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """Stands in where uvicorn wants an application only to choose its event loop."""


async def _one(config: Config, sock: socket.socket, ready: Callable[[], None]) -> None:
    server = uvicorn.Server(_uvicorn(config, await application(config)))
    announcer = asyncio.create_task(_announce(server, ready))
    await server.serve(sockets=[sock])
    announcer.cancel()


class Beside(uvicorn.Server):
    """A server that shares its process with others: signals are left to whoever runs them together."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Part(NamedTuple):
    """One application, its settings, and the socket it listens on."""

    config: Config
    app: Any
    sock: socket.socket


async def together(parts: Sequence[Part], ready: Callable[[], None], stop: asyncio.Event) -> None:
    """Serve several applications in one process until *stop* is set; *ready* is called once all of them answer."""
    servers = [(Beside(_uvicorn(part.config, part.app)), part.sock) for part in parts]
    async with asyncio.TaskGroup() as group:
        for server, sock in servers:
            group.create_task(server.serve(sockets=[sock]))
        while not all(server.started for server, _ in servers):  # noqa: ASYNC110 - uvicorn tells it by a flag alone
            await asyncio.sleep(0.005)
        ready()
        await stop.wait()
        for server, _ in servers:
            server.should_exit = True


async def _announce(server: uvicorn.Server, ready: Callable[[], None]) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.005)
    steady()
    ready()


def steady() -> None:
    """Tell the collector that what was loaded stays: walking it again and again took a sixth of every refresh."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _many(config: Config, sock: socket.socket, sources: Sources, ready: Callable[[], None]) -> None:
    """Workers share the socket and the data directory; the parent only watches them."""

    async def check() -> None:
        async with opened(config):
            pass

    asyncio.run(check())
    counts = data_folder(config) / "metrics"
    counts.mkdir(mode=0o700, exist_ok=True)
    kept = {
        "path": str(sources.path) if sources.path else None,
        "overrides": {**{name: _text(value) for name, value in sources.overrides.items()},
                      "server.listen": config.server.listen},
        "metrics": str(counts),
    }  # fmt: skip
    os.environ[WORKER_VARIABLE] = json.dumps(kept)
    sock.listen(BACKLOG)
    threading.Thread(target=_when_answered, args=(config, ready), daemon=True).start()
    Multiprocess(
        _uvicorn(config, "evergrant.serving:worker", factory=True, workers=config.server.workers), [sock]
    ).run()


def _when_answered(config: Config, ready: Callable[[], None]) -> None:
    """Call *ready* once a worker answers, whatever it says: a socket that listens only lets requests wait."""
    host, port = config.server.address
    while True:
        connection = http.client.HTTPConnection(host, port, timeout=HEALTH_SECONDS)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        else:
            return ready()
        finally:
            connection.close()


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def worker() -> Any:
    """What each worker process runs; uvicorn calls it by name."""
    threading.Thread(target=_leave_with_parent, name="evergrant-parent", daemon=True).start()
    kept = json.loads(os.environ[WORKER_VARIABLE])
    config = load(Path(kept["path"]) if kept["path"] else None, overrides=kept["overrides"])
    set_up(config.log)
    return _Late(config, Path(kept["metrics"]))


def _leave_with_parent() -> None:
    """Stop once the parent is dead: workers that outlive it would hold the address, and no server could start again."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


class _Late:
    """An application that opens its house when its event loop is running."""

    def __init__(self, config: Config, counts: Path) -> None:
        self._config, self._counts = config, counts
        self._app: Application | None = None

    def begin(self, *whole: Any) -> bool:
        return self._app is not None and self._app.begin(*whole)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            try:
                self._app = await application(self._config, Metrics(self._counts, ROUTE_NAMES))
            except (StoreUnusable, KeyUnusable) as error:
                # One sentence and an end; the supervisor starts another worker, which may have better luck.
                await receive()
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            steady()
        await self._app(scope, receive, send)
