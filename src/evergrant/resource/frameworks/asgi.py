"""ASGI: a middleware for Starlette, FastAPI, Litestar, Quart, or any application, without importing any of them.

`Guard(app, verifier, scopes=("orders:read",))` lets nothing through without a good token; what came with it is in
`scope["state"]["access"]`, which Starlette and FastAPI show as `request.state.access`.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import replace
from typing import Any, Final

from msgspec import json

from evergrant.resource.access import Access
from evergrant.resource.frameworks.document import HEADERS, Description
from evergrant.resource.possession import Possession
from evergrant.resource.refused import Refused
from evergrant.resource.verifier import Verifier

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Certificate = Callable[[Scope], str]
PROVED: Final = "evergrant.proved"
"""Where a request keeps `Possession.proved`: in its scope or environment, which no header reaches."""
_POLICY_VIOLATION: Final = 1008
"""The close code of a refused WebSocket (RFC 6455 section 7.4.1)."""


class Guard:
    """Verifies every request before the application sees it.

    *public*: paths that are let through as they are. *description*: metadata that is served (RFC 9728), and named in
    challenges that name none. *certificate*: the `x5t#S256` of a request's client certificate, from whatever ends TLS.
    """

    def __init__(
        self, app: App, verifier: Verifier, *, scopes: Iterable[str] = (), public: Iterable[str] = (),
        description: Description | None = None, certificate: Certificate | None = None,
    ) -> None:  # fmt: skip
        self._app, self._verifier, self._scopes = app, verifier, tuple(scopes)
        self._public, self._certificate = frozenset(public), certificate
        self._path, self._metadata = ("", "") if description is None else (description.path, description.url)
        self._document = b"" if description is None else description.body()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or scope["path"] in self._public:
            return await self._app(scope, receive, send)
        if self._path and scope["path"] == self._path and scope["type"] == "http":
            return await answer(send, 200, HEADERS, self._document)
        try:
            access = await verified(self._verifier, scope, self._scopes, self._certificate)
        except Refused as refused:
            if self._metadata and not refused.offer.resource_metadata:
                refused.offer = replace(refused.offer, resource_metadata=self._metadata)
            return await refuse(scope, send, refused)
        scope.setdefault("state", {})["access"] = access
        return await self._app(scope, receive, send)


async def verified(
    verifier: Verifier, scope: Scope, scopes: Iterable[str] = (), certificate: Certificate | None = None, **asked: Any
) -> Access:
    """What the request of an ASGI *scope* is allowed. Raises `Refused`."""
    sent = [value for name, value in scope["headers"] if name == b"authorization"]
    # Two headers are two readings: the one in front may have judged the other one (attack A-07).
    header = b",".join(sent) if sent else None
    return await verifier.verify(header, scopes=scopes, possession=possession(scope, certificate), **asked)


def possession(scope: Scope, certificate: Certificate | None = None) -> Possession:
    """What a request brings besides its Authorization header."""
    query = scope.get("query_string") or b""
    raw = scope.get("raw_path") or scope["path"].encode()
    target = raw + b"?" + query if query else raw
    proofs = tuple(value.decode("latin-1") for name, value in scope["headers"] if name == b"dpop")
    held = certificate(scope) if certificate is not None else ""
    proved = scope.setdefault(PROVED, set())
    return Possession(scope.get("method", "GET"), target.decode("latin-1"), proofs, held, proved)


def word_of(refused: Refused) -> str:
    """What the caller may read: the code of the error, or what the status says, and nothing of the reason."""
    return refused.error or ("unauthorized" if refused.status == 401 else "unavailable")  # noqa: PLR2004 - HTTP


def body_of(refused: Refused) -> bytes:
    """The body of a refusal, JSON."""
    return json.encode({"error": word_of(refused)})


def joined(refused: Refused) -> dict[str, str]:
    """The headers of a refusal, each name once, for frameworks that keep one of a name (RFC 9110 section 5.3)."""
    found: dict[str, str] = {}
    for name, value in refused.headers():
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def refuse(scope: Scope, send: Send, refused: Refused) -> None:
    """Answer a refused request, or close a refused WebSocket before it opens."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})
    else:
        headers = (("Content-Type", "application/json"), *refused.headers())
        await answer(send, refused.status, headers, body_of(refused))


async def answer(send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    """One whole answer."""
    raw = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers]
    raw.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
