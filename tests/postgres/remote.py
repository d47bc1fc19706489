"""A browser that walks through real nodes, one request to one node and the next to the other.

What lives here: carrying the requests of `evergrant.testing.in_process.Browser` over sockets. What must not: what is
clicked (the tests).
"""

import asyncio
import http.client
from collections.abc import Sequence
from itertools import cycle
from types import SimpleNamespace
from typing import Any, cast

from evergrant.testing.in_process import CALLBACK, Browser, Issuer
from tests.faults.client import Holder, remember
from tests.faults.place import Place

PATIENCE = 30


class Remote:
    """An application that is somewhere else: asks *nodes* in turn."""

    def __init__(self, nodes: Sequence[Place]) -> None:
        self._turns = cycle(nodes)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        reply = await asyncio.to_thread(self._asked, next(self._turns).port, scope, body)
        await send({"type": "http.response.start", "status": reply[0], "headers": reply[1]})
        await send({"type": "http.response.body", "body": reply[2]})

    def _asked(self, port: int, scope: Any, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        path = scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        try:
            link.putrequest(scope["method"], path, skip_host=True, skip_accept_encoding=True)
            for name, value in scope["headers"]:
                link.putheader(name, value)
            link.endheaders(body)
            answer = link.getresponse()
            said = answer.read()
            headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.getheaders()]
        finally:
            link.close()
        for _, value in headers:
            remember(value)
        remember(said)
        return answer.status, headers, said


def browsing(nodes: Sequence[Place]) -> Browser:
    """A browser in which nobody has signed in yet."""
    return Browser(cast("Any", Remote(nodes)), host=f"127.0.0.1:{nodes[0].port}")


async def code_for(browser: Browser, holder: Holder) -> str:
    """An authorization code for a client, by a person who signs in if that is asked for."""
    client = SimpleNamespace(id=holder.client_id, redirect_uris=(CALLBACK,))
    walking = object.__new__(Issuer)  # of which only its steps are wanted: the application is elsewhere
    return await walking.code(browser, cast("Any", client), holder.person)


def signed_in(nodes: Sequence[Place], holder: Holder) -> str:
    """An authorization code for a client, by a person who signs in, each step at another node."""
    return asyncio.run(code_for(browsing(nodes), holder))
