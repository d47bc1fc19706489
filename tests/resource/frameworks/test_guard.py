"""The ASGI guard by itself: WebSockets, odd scopes, and challenges that name the metadata which it serves."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from evergrant.resource import Verifier
from evergrant.resource.frameworks import asgi
from evergrant.resource.frameworks.document import described
from tests.resource.stand import API, Stand

METADATA = described(f"{API}/mcp", "https://id.example")


async def reached(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "reached", "by": scope["state"]["access"].subject})


async def sent(guard: asgi.Guard, kind: str = "http", *headers: tuple[bytes, bytes], **more: Any) -> list[Any]:
    """What a guarded application sends in answer to one request."""
    messages: list[MutableMapping[str, Any]] = []
    scope = {"type": kind, "method": "GET", "path": "/orders", "query_string": b"", "headers": headers, **more}

    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing is read before it is known who asks")

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    await guard({name: value for name, value in scope.items() if value is not None}, receive, send)
    return messages


async def test_a_websocket_without_a_good_token_is_closed_before_it_opens(stand: Stand, verifier: Verifier) -> None:
    guard = asgi.Guard(reached, verifier)
    bearer = (b"authorization", f"Bearer {stand.token()}".encode())
    for odd in ({}, {"method": None, "query_string": None}, {"raw_path": b"/orders"}):
        assert await sent(guard, "websocket", **odd) == [{"type": "websocket.close", "code": 1008, "reason": ""}]
        assert await sent(guard, "websocket", bearer, **odd) == [{"type": "reached", "by": "usr_1"}]


@pytest.mark.parametrize("named", ["", "https://elsewhere.example/metadata"])
async def test_r9728_5_1_a_a_guard_that_serves_the_metadata_names_them(stand: Stand, named: str) -> None:
    async with stand.verifier(resource_metadata=named) as verifier:
        start, _ = await sent(asgi.Guard(reached, verifier, description=METADATA))
    challenge = dict(start["headers"])[b"www-authenticate"].decode()
    assert challenge == f'Bearer resource_metadata="{named or METADATA.url}"'
