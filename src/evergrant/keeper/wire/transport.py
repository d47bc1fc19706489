"""One request, one answer, one total deadline: no redirects, no retries, no proxy from the environment.

A refresh token may be spent by one request only, so every hidden repetition of an HTTP library is switched off, and
connections are not kept alive: one that the server has just closed would lose a request without a trace.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from evergrant.clock import Clock
from evergrant.keeper.exchange import Answer, Asked, Lost, NotSent, Transport, date_of

if TYPE_CHECKING:
    import httpx2

__all__ = ["Answer", "Asked", "HttpTransport", "Lost", "NotSent", "Transport"]

MOST_BYTES: Final = 1 << 20
CLOSE_SECONDS: Final = 2.0
HANDSHAKE: Final = 0.4
"""The part of a deadline that connecting may take, and TLS once more; cut off from outside, TLS leaves its socket."""


class HttpTransport:
    """Over httpx2. TLS is verified against the system's authorities, or *verify*: a file with others."""

    def __init__(self, clock: Clock, *, connect_seconds: float = 10.0, verify: str = "") -> None:
        self._clock = clock
        self._connect = connect_seconds
        self._verify = verify
        self._opened: httpx2.AsyncClient | None = None

    async def send(self, asked: Asked, deadline: float) -> Answer:
        import httpx2  # noqa: PLC0415 - who finds a fresh token asks nobody, and does not wait for this

        left = _Left(asked)
        sent_at = self._clock.now()
        try:
            async with asyncio.timeout(deadline):
                request = self._client().build_request(
                    asked.method, asked.url, headers=dict(asked.headers), content=asked.body or None,
                    timeout=httpx2.Timeout(deadline, connect=min(deadline * HANDSHAKE, self._connect)),
                )  # fmt: skip
                request.extensions["trace"] = left.note
                return await self._exchange(request, sent_at)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            msg = f"no connection to {_place(asked)}: {type(error).__name__}"
            raise NotSent(msg) from None
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, UnicodeError) as error:
            msg = f"the request to {_place(asked)} cannot be written: {type(error).__name__}"
            raise NotSent(msg) from None
        except (TimeoutError, httpx2.HTTPError, httpx2.StreamError) as error:
            raise left.trouble(asked, error) from None

    async def _exchange(self, request: httpx2.Request, sent_at: int) -> Answer:
        answer = await self._client().send(request, stream=True, follow_redirects=False)
        try:
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    msg = f"the answer is longer than {MOST_BYTES} bytes"
                    raise Lost(msg)
        finally:
            await answer.aclose()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status_code, headers, bytes(body), sent_at, date_of(headers.get("date", "")))

    def _client(self) -> httpx2.AsyncClient:
        import httpx2  # noqa: PLC0415 - as in `send`

        if self._opened is None:
            limits = httpx2.Limits(max_connections=1_000, max_keepalive_connections=0)
            if self._verify:
                tls = ssl.create_default_context(cafile=self._verify)
            else:
                tls = httpx2.create_ssl_context(trust_env=False)
            self._opened = httpx2.AsyncClient(verify=tls, trust_env=False, limits=limits, follow_redirects=False)
        return self._opened

    async def close(self) -> None:
        if self._opened is not None:
            opened, self._opened = self._opened, None
            async with asyncio.timeout(CLOSE_SECONDS):
                await opened.aclose()


class _Left:
    """Whether the first byte of a request may have left, as the HTTP client's own trace tells."""

    def __init__(self, asked: Asked) -> None:
        self.any = False
        self._asked = asked

    async def note(self, name: str, facts: Any) -> None:  # noqa: ARG002 - the trace hook's signature
        if name.endswith("send_request_headers.started"):
            self.any = True
        elif name.endswith("send_request_body.complete") and self._asked.on_sent is not None:
            self._asked.on_sent()

    def trouble(self, asked: Asked, error: Exception) -> Exception:
        kind = "deadline" if isinstance(error, TimeoutError) else type(error).__name__
        if self.any:
            return Lost(f"no whole answer from {_place(asked)}: {kind}")
        return NotSent(f"nothing was sent to {_place(asked)}: {kind}")


def _place(asked: Asked) -> str:
    try:
        return urlsplit(asked.url).hostname or "?"
    except ValueError:
        return "?"
