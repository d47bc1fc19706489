"""A feed on loopback that says what a test says: frames are pushed, and connections are cut."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from evergrant.protocol.ending import Beat, Ending, beat_frame, ending_frame

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n"


@dataclass
class Feed:
    """*asked*: the headers of each connection. *cursor* is the last one that was sent."""

    port: int = 0
    head: bytes = HEAD
    asked: list[dict[str, str]] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    number: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/revocations"

    @property
    def cursor(self) -> str:
        return f"{self.number}.x"

    def say(self, frame: bytes) -> None:
        for writer in self.writers:
            writer.write(frame)

    def beat(self, now: int, every: float = 1.0) -> None:
        self.say(beat_frame(self.cursor, Beat(now, every)))

    def end(self, ending: Ending) -> None:
        self.number += 1
        self.say(ending_frame(self.cursor, ending))

    def cut(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()


@asynccontextmanager
async def feeding() -> AsyncIterator[Feed]:
    feed = Feed()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:]
        feed.asked.append({name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)})
        writer.write(feed.head)
        feed.writers.append(writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    feed.port = server.sockets[0].getsockname()[1]
    try:
        yield feed
    finally:
        feed.cut()
        server.close()
        await server.wait_closed()


async def until(condition: Callable[[], object]) -> None:
    """Wait until something has come about; a failure after ten seconds."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")
