"""A small request and its answer, in one piece each: uvicorn's dozen steps in two, for the requests that allow it.

A request with a short declared body begins when it is whole, so nothing has to wait for parts; its answer is one write.
Everything else (chunked, large, `Expect`) goes uvicorn's own way. Measured: a third less work per request before and
after the application. Neighbour: `serving` decides which way a request goes.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, Protocol

from evergrant.web.answer import Header
from evergrant.web.app import WIRE

_LOG: Final = logging.getLogger("evergrant.requests")
LARGEST: Final = 16_384
_STATUS: Final = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode("ascii") for s in HTTPStatus}

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]
# Begins a whole request and tells status, constant headers and body later; false when it does not.
Brief = Callable[[Scope, bytes, Callable[[int, tuple[Header, ...], bytes], None]], bool]


class Wire(Protocol):
    """What a trip needs of its connection."""

    transport: Any

    def on_response_complete(self) -> None: ...


class _Unheard:
    """Stands in for the event that wakes a slow request; nobody waits on a whole one."""

    def set(self) -> None: ...


_UNHEARD: Final = _Unheard()


class Trip:
    """One exchange; has the attributes by which uvicorn's connection keeps its requests in order."""

    __slots__ = (
        "_asked", "_head", "_wire", "body", "disconnected", "keep_alive", "message_event", "more_body",
        "response_complete", "response_started", "scope",
    )  # fmt: skip

    def __init__(self, wire: Wire, scope: Scope, body: bytes, *, keep_alive: bool) -> None:
        self._wire, self.scope, self.body, self.keep_alive = wire, scope, body, keep_alive
        scope[WIRE] = wire.transport
        self._asked = self.disconnected = self.more_body = self.response_complete = self.response_started = False
        self.message_event = _UNHEARD

    def begin(self, app: Brief) -> bool:
        """Begin the exchange in step if the application can; false when it has to be run."""
        try:
            return app(self.scope, self.body, self._tell)
        except Exception as error:  # noqa: BLE001 - the application answers its own faults; this is about the wire
            _LOG.error("an answer could not be begun", exc_info=error)
            self._wire.transport.close()
            return True

    def _tell(self, status: int, headers: tuple[Header, ...], body: bytes) -> None:
        if not self.disconnected:
            try:
                self._send(b"%bcontent-length: %d\r\n" % (_head(status, headers), len(body)), body)
            except Exception as error:  # noqa: BLE001 - as above
                _LOG.error("an answer could not be sent", exc_info=error)
                self._wire.transport.close()

    async def run_asgi(self, app: App) -> None:
        try:
            await app(self.scope, self.receive, self.send)
        except Exception as error:  # noqa: BLE001 - the application answers its own faults; this is about the wire
            _LOG.error("an answer could not be sent", exc_info=error)
        if not self.response_complete and not self.disconnected:
            self._wire.transport.close()

    async def receive(self) -> dict[str, Any]:
        if self._asked:
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._head = (message["status"], message["headers"])
            self.response_started = True
        elif not self.disconnected:
            self._write(message.get("body", b""))

    def _write(self, body: bytes) -> None:
        status, headers = self._head
        self._send(_spelled(status, headers), body)

    def _send(self, head: bytes, body: bytes) -> None:
        wire = self._wire
        close = b"" if self.keep_alive else b"connection: close\r\n"
        wire.transport.write(b"%b%b\r\n%b" % (head, close, body))
        self.response_complete = True
        if not self.keep_alive:
            wire.transport.close()
        wire.on_response_complete()


def _spelled(status: int, headers: Sequence[Header]) -> bytes:
    """Status line and headers. Raises `ValueError` for one that would be two."""
    parts = [_STATUS[status]]
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    head = b"".join(parts)
    # A line break that came in with a value would begin a header of somebody else's (attack A-06).
    if head.count(b"\n") != len(headers) + 1 or b"\0" in head:
        msg = "a header holds a line break"
        raise ValueError(msg)
    return head


# Answers that are told are alike but for their bodies; nothing of a request or a user is in their headers.
_head: Final = lru_cache(maxsize=64)(_spelled)
