"""One request, one answer, one deadline, on real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.wire.transport import Asked, HttpTransport, Lost, NotSent

CLOCK = FixedClock()
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def server(answer: bytes | None, *, then: float = 0.0, seen: list[bytes] | None = None) -> AsyncIterator[str]:
    """Reads a request, writes *answer* (None: nothing), waits, closes."""
    held: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        body = await reader.readexactly(length)
        if seen is not None:
            seen.append(head + body)
        if answer is not None:
            writer.write(answer)
            await writer.drain()
        await asyncio.sleep(then)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/token"
    finally:
        listening.close()
        for writer in held:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        await listening.wait_closed()


async def sent(url: str, deadline: float = 2.0, **members: object):
    transport = HttpTransport(CLOCK, connect_seconds=1.0)
    try:
        return await transport.send(
            Asked("POST", url, {"X-One": "1"}, b"grant_type=refresh_token", **members), deadline
        )
    finally:
        await transport.close()


OK = b"HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:14:20 GMT\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


async def test_an_answer_comes_whole_with_its_time_and_the_servers_own() -> None:
    seen: list[bytes] = []
    async with server(OK, seen=seen) as url:
        answer = await sent(url)
    assert (answer.status, answer.body, answer.sent_at) == (200, b"{}", CLOCK.now())
    assert answer.date == 1_700_000_060
    assert len(seen) == 1
    assert seen[0].endswith(b"grant_type=refresh_token")


async def test_nobody_listening_is_surely_not_sent() -> None:
    async with server(OK) as url:
        pass
    with pytest.raises(NotSent):
        await sent(url)
    with pytest.raises(NotSent):
        await sent("http://nobody.invalid/token")
    with pytest.raises(NotSent):
        await sent("gopher://127.0.0.1/")


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"garbage\r\n\r\n"],
)
async def test_k_13_an_answer_that_is_not_whole_is_lost(answer: bytes) -> None:
    async with server(answer) as url:
        with pytest.raises(Lost):
            await sent(url)


async def test_the_deadline_is_for_everything_together() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", then=5.0) as url:
        begun = time.monotonic()
        with pytest.raises(Lost):
            await sent(url, 0.3)
        assert time.monotonic() - begun < 2


async def test_a_server_that_never_reads_a_tls_greeting_is_surely_not_sent() -> None:
    async with server(None, then=5.0) as url:
        with pytest.raises(NotSent):
            await sent(url.replace("http:", "https:"), 1.5)


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with server(OK) as elsewhere:
        moved = (
            f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        seen: list[bytes] = []
        async with server(moved, seen=seen) as url:
            assert (await sent(url)).status == 307
        assert len(seen) == 1


async def test_an_endless_answer_is_cut_off() -> None:
    huge = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
    async with server(huge) as url:
        with pytest.raises(Lost):
            await sent(url)


async def test_no_proxy_of_the_environment_sees_a_refresh_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with server(OK) as url:
        assert (await sent(url)).status == 200


async def test_the_moment_at_which_the_request_has_left_is_told() -> None:
    told: list[int] = []
    async with server(OK) as url:
        await sent(url, on_sent=lambda: told.append(1))
    assert told == [1]


def test_k_23_what_is_asked_shows_no_secret() -> None:
    asked = Asked("POST", "https://p.invalid/token?secret=hush", {"Authorization": "Basic hush"}, b"hush")
    assert "hush" not in repr(asked)
