"""Following an issuer's feed of endings in this process: one open stream, and polls.

What lives here: asking and reading. What must not: assertions of one row; those stand in the tests.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from evergrant.domain.client import Client, ClientType
from evergrant.protocol.basic import write_basic
from evergrant.protocol.ending import MEDIA_TYPE, PATH, Ending, Frame, Frames, Kind, Page, read_page
from evergrant.testing.in_process import Issuer, Reply

PATIENCE = 5


async def reader_of(issuer: Issuer, name: str = "Reader") -> tuple[Client, str]:
    """A client that may read the feed, and its secret."""
    return await issuer.client(ClientType.SERVICE, name, scopes=())


@dataclass
class Follower:
    """One open stream. *frames* is all that has come; *ended* is set when the other side has finished."""

    frames: list[Frame] = field(default_factory=list)
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def endings(self) -> list[Ending]:
        return [frame.ending for frame in self.frames if frame.ending is not None]

    @property
    def cursor(self) -> str:
        return self.frames[-1].cursor

    def dead(self, claims: dict[str, Any]) -> bool:
        """Whether a token with these claims has been told to be dead."""
        return any(ending.takes(claims) for ending in self.endings)

    async def until(self, wanted: Callable[["Follower"], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: wanted(self))

    async def beat(self) -> None:
        """Wait until everything that had been told when this was called has come."""
        seen = len(self.frames)
        # The next beat may have been on its way; the one after it was not.
        await self.until(lambda me: sum(frame.kind is Kind.BEAT for frame in me.frames[seen:]) >= 2)

    async def take(self, message: dict[str, Any], frames: Frames) -> None:
        async with self._came:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            elif self.status == 200:
                self.frames += frames.feed(message["body"])
                self.ended = not message.get("more_body", False)
            self._came.notify_all()


@contextlib.asynccontextmanager
async def following(issuer: Issuer, reader: tuple[Client, str], after: str = "") -> AsyncIterator[Follower]:
    """A stream for as long as the block runs, caught up when it begins."""
    follower, gone, frames = Follower(), asyncio.Event(), Frames()
    headers = {"host": "127.0.0.1:8000", "accept": MEDIA_TYPE, "authorization": write_basic(*_pair(reader))}
    if after:
        headers["last-event-id"] = after
    scope = {
        "type": "http", "method": "GET", "path": PATH, "raw_path": PATH.encode(), "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.1", 50_000), "scheme": "http", "http_version": "1.1",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        await follower.take(message, frames)

    task = asyncio.create_task(issuer.app(scope, receive, send))
    try:
        await follower.until(lambda me: any(frame.kind is Kind.BEAT for frame in me.frames) or me.status >= 400)
        yield follower
    finally:
        gone.set()
        await task


async def poll(issuer: Issuer, reader: tuple[Client, str], after: str = "", **headers: str) -> Reply:
    """One poll, as it was answered."""
    named = {"authorization": write_basic(*_pair(reader)), **{name.replace("_", "-"): v for name, v in headers.items()}}
    return await issuer.browser().send("GET", PATH + (f"?after={after}" if after else ""), headers=named)


async def page(issuer: Issuer, reader: tuple[Client, str], after: str = "") -> Page:
    """One poll that brings a page."""
    return read_page((await poll(issuer, reader, after)).body)


def _pair(reader: tuple[Client, str]) -> tuple[str, str]:
    return reader[0].id, reader[1]
