"""The house's fetcher as the resource side uses it. What no address may lead to is tested at `keeper.wire`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from evergrant.fetch.address import check_address
from evergrant.fetch.fetched import Unfetched
from evergrant.fetch.fetcher import Fetcher, Reach
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.provider.fetched import Unfetched as KeepersUnfetched

NEAR = Reach(loopback=True, seconds=1.0, most_bytes=1_000)


@asynccontextmanager
async def saying(*parts: bytes, hold: bool = True) -> AsyncIterator[str]:
    """A server that says its parts to whoever comes, and then holds the line or hangs up."""
    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writers.append(writer)
        for part in parts:
            writer.write(part)
            await writer.drain()
        if not hold:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        for writer in writers:
            writer.close()
        server.close()
        await server.wait_closed()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n\r\n"


async def test_a_body_is_heard_as_it_comes_and_longer_than_any_budget_of_time() -> None:
    async with (
        saying(HEAD, b"one", b"two") as url,
        Fetcher(Reach(loopback=True, seconds=0.5)).listen(url, {"Accept": "text/event-stream"}) as heard,
    ):
        assert (heard.status, heard.media_type) == (200, "text/event-stream")
        got = b""
        async for part in heard.parts:
            got += part
            if len(got) == 6:
                break
        assert got == b"onetwo"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await anext(heard.parts)


async def test_a_body_that_ends_is_told_as_an_end() -> None:
    async with saying(HEAD, b"one", hold=False) as url, Fetcher(NEAR).listen(url, {}) as heard:
        assert b"".join([part async for part in heard.parts]) == b"one"


async def test_a_body_that_breaks_off_is_no_end() -> None:
    head = HEAD.replace(b"\r\n\r\n", b"\r\ncontent-length: 100\r\n\r\n")
    async with saying(head, b"one", hold=False) as url, Fetcher(NEAR).listen(url, {}) as heard:
        with pytest.raises(Unfetched, match="stopped speaking"):
            [part async for part in heard.parts]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", "somewhere else"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", "packed"),
        (b"nonsense\r\n\r\n", "no whole answer"),
        (b"", "did not answer"),
    ],
)
async def test_u_15_what_is_listened_to_is_held_to_the_rules_of_what_is_fetched(head: bytes, said: str) -> None:
    async with saying(head) as url:
        with pytest.raises(Unfetched, match=said):
            async with Fetcher(NEAR).listen(url, {}):
                raise AssertionError("it was listened to")


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "https://169.254.169.254/", "http://127.0.0.1/", "ftp://x.example"]
)
async def test_u_15_nobody_listens_inside(url: str) -> None:
    with pytest.raises(Unfetched) as caught:
        async with Fetcher(Reach(seconds=1.0)).listen(url, {}):
            raise AssertionError("it was listened to")
    assert caught.value.forbidden


def test_what_the_keeper_is_told_is_one_of_its_own_errors_and_one_of_the_fetchers() -> None:
    assert issubclass(KeepersUnfetched, BadRequest)
    assert issubclass(KeepersUnfetched, Unfetched)


@pytest.mark.parametrize("address", ["https://a.example/{x}", "https://a.example/ b", "https://\u00e9.example", "x"])
def test_text_that_is_no_clear_address_is_told_as_that(address: str) -> None:
    with pytest.raises(ValueError, match="must"):
        check_address(address)
