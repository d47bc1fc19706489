"""A wire between a node and its PostgreSQL that can be cut, slowed, half closed, or lose just the reply to a commit.

What lives here: a TCP proxy on loopback in a thread of its own, which reads PostgreSQL's messages as they pass
(protocol 3.0, without TLS). What must not: who is killed meanwhile (the tests say it by `on_commit`).
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

T = TypeVar("T")
CHUNK: Final = 65_536
PATIENCE: Final = 30
SSL_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
GSS_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x30"
HEAD: Final = struct.Struct(">cI")
RESET: Final = struct.pack("ii", 1, 0)
WRITES: Final = (b"UPDATE", b"INSERT", b"DELETE", b"MERGE")


@dataclass
class Told:
    """What PostgreSQL has told on one connection, message by message; says when it told that a write is committed."""

    rest: bytes = b""
    bare: int = 0
    """How many single bytes, the answers to a request for TLS, come before the first message."""
    wrote: bool = False

    def commits(self, data: bytes) -> bool:
        """Whether the answer to a commit is in here."""
        self.rest += data
        done = False
        while self.rest:
            if self.bare:
                self.bare, self.rest = self.bare - 1, self.rest[1:]
                continue
            if len(self.rest) < HEAD.size:
                break
            kind, length = HEAD.unpack_from(self.rest)
            if len(self.rest) < 1 + length:
                break
            done |= self._message(kind, self.rest[HEAD.size : 1 + length])
            self.rest = self.rest[1 + length :]
        return done

    def _message(self, kind: bytes, body: bytes) -> bool:
        if kind == b"C":
            if body.startswith(b"COMMIT"):
                wrote, self.wrote = self.wrote, False
                return wrote
            self.wrote = (self.wrote or body.startswith(WRITES)) and not body.startswith(b"ROLLBACK")
        elif kind == b"Z":
            idle, self.wrote = body == b"I" and self.wrote, self.wrote and body != b"I"
            return idle  # a statement, or a pipeline, that was its own transaction
        return False


@dataclass
class Wire:
    """One connection that passes through."""

    client: socket.socket
    server: socket.socket
    told: Told = field(default_factory=Told)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def reset(self) -> None:
        """Both sides hear of it at once."""
        others = [task for task in self.tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        # Closed only once nobody waits for them any more: a new connection may get the number of a closed one.
        await asyncio.gather(*others, return_exceptions=True)
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.close()


class Proxy:
    """Passes everything on to *target*'s port until it is told otherwise; made and closed by `proxied`."""

    def __init__(self, target: Callable[[], int]) -> None:
        self._target = target
        # Bound and never listened on: nobody else gets this port while nobody may connect to it.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.port = int(self._held.getsockname()[1])
        self._listener = self._listening()
        self._wires: list[Wire] = []
        self._closed_to_new = False
        self._flowing = asyncio.Event()
        self.delay = 0.0
        self.on_request: Callable[[bytes], bool] | None = None
        """Asked, in the proxy's thread, of every piece a client sends; true: reset, and the piece is not passed on."""
        self.on_passed: Callable[[bytes], None] | None = None
        """Told of every piece a client sent, once it is on its way to PostgreSQL."""
        self.on_commit: Callable[[], bool] | None = None
        """Asked when PostgreSQL tells that a commit is done; true: reset, and the node is not told."""
        self.lost_replies = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    # ---- what can be done to it

    def lead(self, target: Callable[[], int]) -> None:
        """New connections go elsewhere."""
        self._target = target

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._do(self._cut())

    def stall(self) -> None:
        """Connections stay, new ones are taken, and nothing passes: packets are lost."""
        self._do(self._stall())

    def half_close(self) -> None:
        """Every client is told that nothing more will come, and may go on sending."""
        self._do(self._half_close())

    def mend(self) -> None:
        """Pass everything on again, what was held back included."""
        self.delay, self.on_request, self.on_passed, self.on_commit = 0.0, None, None, None
        self._do(self._mend())

    def lose_replies(self, count: int = 1) -> None:
        """The next *count* commits are done and their replies lost with their connections."""
        left = [count]

        def lose() -> bool:
            left[0] -= 1
            return left[0] >= 0

        self.on_commit = lose

    @property
    def passing(self) -> int:
        """How many connections pass through."""
        return len(self._wires)

    def close(self) -> None:
        self._do(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        self._held.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _cut(self) -> None:
        self._closed_to_new = True
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()
        gone, self._wires = self._wires, []
        for wire in gone:
            await wire.reset()

    async def _stall(self) -> None:
        self._flowing.clear()

    async def _half_close(self) -> None:
        for wire in self._wires:
            with contextlib.suppress(OSError):
                wire.client.shutdown(socket.SHUT_WR)

    async def _mend(self) -> None:
        self._flowing.set()
        if self._closed_to_new:
            self._closed_to_new = False
            self._listener = self._listening()
            self._listen()

    # ---- in its thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._flowing.set()
        self._listen()
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        for wire in self._wires:  # joined while this was being closed
            wire.client.close()
            wire.server.close()

    def _listening(self) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", self.port))
        listener.setblocking(False)
        return listener

    def _listen(self) -> None:
        self._loop.add_reader(self._listener, self._taken)

    def _taken(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            joining = self._loop.create_task(self._joined(client))
            joining.add_done_callback(lambda done: client.close() if done.cancelled() else None)  # before it began

    async def _joined(self, client: socket.socket) -> None:
        server = socket.socket()
        server.setblocking(False)
        try:
            await self._flowing.wait()
            await self._loop.sock_connect(server, ("127.0.0.1", self._target()))
        except (OSError, asyncio.CancelledError):  # nobody there, or the wire was closed before it was mended
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
            server.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = Wire(client, server)
        self._wires.append(wire)
        wire.tasks = [self._loop.create_task(self._pass(wire, up=up)) for up in (True, False)]

    async def _pass(self, wire: Wire, *, up: bool) -> None:
        source, sink = (wire.client, wire.server) if up else (wire.server, wire.client)
        try:
            while data := await self._loop.sock_recv(source, CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._flowing.wait()
                if self._swallowed(wire, data, up=up):
                    break
                await self._loop.sock_sendall(sink, data)
                if up and self.on_passed is not None:
                    self.on_passed(data)
        except OSError:
            pass
        if wire in self._wires:  # either side has left: so does the other
            self._wires.remove(wire)
            await wire.reset()

    def _swallowed(self, wire: Wire, data: bytes, *, up: bool) -> bool:
        if up:
            wire.told.bare += data.startswith((SSL_REQUEST, GSS_REQUEST))
            return self.on_request is not None and self.on_request(data)
        if wire.told.commits(data) and self.on_commit is not None and self.on_commit():
            self.lost_replies += 1
            return True
        return False


@contextlib.contextmanager
def proxied(target: Callable[[], int]) -> Iterator[Proxy]:
    """A proxy for as long as the block runs."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
