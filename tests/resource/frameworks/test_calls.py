"""gRPC guards around every kind of method, in both kinds of server, also while the issuer does not answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import pytest

from evergrant.resource import Limits, SyncVerifier
from evergrant.resource.frameworks.grpc import AsyncGuard, Guard, access
from tests.keeper.provider.issuing import Page
from tests.resource.stand import API, Stand

REFUSED: Final = grpc.StatusCode.PERMISSION_DENIED


def said() -> bytes:
    try:
        return access().subject.encode()
    except LookupError:
        return b"nobody"


def plain(_: Any, context: Any) -> bytes:
    return said()


def parts(_: Any, context: Any) -> Iterator[bytes]:
    yield said()
    yield said()


async def awaited(_: Any, context: Any) -> bytes:
    return said()


async def awaited_parts(_: Any, context: Any) -> AsyncIterator[bytes]:
    yield said()
    yield said()


async def written(_: Any, context: Any) -> None:
    await context.write(said())
    await context.write(said())


UNARY: Final = {"plain": plain, "awaited": awaited}
STREAMING: Final = {"parts": parts, "awaited_parts": awaited_parts, "written": written}


def served(server: Any, *names: str) -> str:
    """Both shapes of request for each method, and each once more as a public one; the address."""
    methods = {name: method for name, method in {**UNARY, **STREAMING}.items() if name in names}
    handlers = {}
    for name, method in methods.items():
        kind = "unary" if name in UNARY else "stream"
        for request in ("unary", "stream"):
            handlers[f"{name}_{request}"] = getattr(grpc, f"{request}_{kind}_rpc_method_handler")(method)
        handlers[f"open_{name}"] = getattr(grpc, f"unary_{kind}_rpc_method_handler")(method)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("o.O", handlers)])
    return f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"


def called(channel: grpc.Channel, name: str, request: str = "unary", token: str = "") -> list[bytes]:
    kind = "unary" if name.removeprefix("open_") in UNARY else "stream"
    path = f"/o.O/{name}" if name.startswith("open_") else f"/o.O/{name}_{request}"
    headers = [("authorization", f"Bearer {token}")] if token else []
    sent = b"" if request == "unary" else iter([b"", b""])
    answer = getattr(channel, f"{request}_{kind}")(path)(sent, metadata=headers, timeout=20)
    return [answer] if kind == "unary" else list(answer)


def guarding() -> dict[str, Any]:
    names = [*UNARY, *STREAMING]
    scopes = {f"/o.O/{name}_{request}": ["read"] for name in names for request in ("unary", "stream")}
    return {"scopes": scopes, "public": [f"/o.O/open_{name}" for name in names]}


@asynccontextmanager
async def awaiting(stand: Stand) -> AsyncIterator[str]:
    with ThreadPoolExecutor(2) as pool:
        async with stand.verifier() as verifier:
            guard = AsyncGuard(verifier, **guarding())
            server = grpc.aio.server(interceptors=[guard], migration_thread_pool=pool)
            address = served(server, *UNARY, *STREAMING)
            await server.start()
            try:
                yield address
            finally:
                await server.stop(None)


@asynccontextmanager
async def threaded(stand: Stand, limits: Limits | None = None) -> AsyncIterator[str]:
    verifier = SyncVerifier.for_issuer(stand.issuer, audience=API, clock=stand.clock, limits=limits)
    with ThreadPoolExecutor(4) as pool, verifier:
        server = grpc.server(pool, interceptors=[Guard(verifier, **guarding())])
        address = served(server, "plain", "parts")
        server.start()
        try:
            yield address
        finally:
            await asyncio.to_thread(server.stop(None).wait)


def every_kind(address: str, names: list[str], good: str, poor: str) -> None:
    with grpc.insecure_channel(address) as channel:
        for name in names:
            lines = 1 if name in UNARY else 2
            for request in ("unary", "stream"):
                assert called(channel, name, request, good) == [b"usr_1"] * lines, name
                for token, status in ((poor, REFUSED), ("", grpc.StatusCode.UNAUTHENTICATED)):
                    with pytest.raises(grpc.RpcError) as caught:
                        called(channel, name, request, token)
                    assert caught.value.code() is status, name
                    assert "www-authenticate" in dict(caught.value.trailing_metadata())
            assert called(channel, f"open_{name}") == [b"nobody"] * lines, name


async def test_every_kind_of_method_knows_its_own_caller_and_no_other_in_a_server_that_awaits(stand: Stand) -> None:
    async with awaiting(stand) as address:
        names = [*UNARY, *STREAMING]
        await asyncio.to_thread(every_kind, address, names, stand.token(), stand.token(scope="none"))


async def test_every_kind_of_method_knows_its_own_caller_and_no_other_in_a_server_of_threads(stand: Stand) -> None:
    async with threaded(stand) as address:
        await asyncio.to_thread(every_kind, address, ["plain", "parts"], stand.token(), stand.token(scope="none"))


async def test_a_call_that_waits_for_the_issuer_holds_up_no_other_call(stand: Stand) -> None:
    keys = stand.site.pages["/jwks"]
    stand.site.pages["/jwks"] = Page(200, keys.body, keys.headers, dribble=2, pause=3.0)
    async with threaded(stand, Limits(budget_seconds=2.0, fetch_seconds=2.0)) as address:
        await asyncio.to_thread(_beside, address, stand.token())


def _beside(address: str, token: str) -> None:
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(called, channel, "plain", "unary", token)
        time.sleep(0.5)
        assert called(channel, "open_plain") == [b"nobody"]
        assert not waiting.done()
        assert waiting.exception(20).code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[union-attr]
