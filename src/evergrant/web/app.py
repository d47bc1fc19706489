"""The ASGI application: one request in, one answer out, and nothing a request can say makes it a 500.

Order: host, route, method, headers, body within limits, handler, answer. Routing is one dictionary of exact raw paths.
"""

import asyncio
import contextlib
from asyncio import timeout
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, NamedTuple, Protocol

from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import FormLimits
from evergrant.store.port import StoreUnavailable
from evergrant.web.answer import Answer, Header, Stream, plain, refusal
from evergrant.web.ask import CLIENT_CERT, DPOP, Ask, Network, comes_from, network_of, never

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handler = Callable[[Ask], Awaitable[Answer]]
Streamer = Callable[[Ask], Awaitable[Answer | Stream]]
NOT_MODIFIED: Final = 304
BODY_SECONDS: Final = 10
# Longer than this nobody is waited for who does not read what was sent.
PART_SECONDS: Final = 10
# Where a server may put the connection that the answer goes to; it can say whether that is closing.
WIRE: Final = "evergrant.wire"
_WITH_BODY: Final = frozenset({"POST", "PATCH", "PUT"})
# Beyond this a length is too large whatever it says, and reading it as a number would cost more than the body.
MOST_DIGITS: Final = 18
# Two of these in one request mean that somebody in between may have read the other one (attack A-07).
_ONCE: Final = frozenset({b"host", b"authorization", b"content-type", b"content-length", DPOP, b"origin", CLIENT_CERT})


Tell = Callable[[Refused, str], Answer]
# What comes of a request that was begun: its answer, or what went wrong.
Told = Callable[[Answer | BaseException], None]
Brief = Callable[[Ask, Told], bool]


class Route(NamedTuple):
    """What lives at a path. *cors* lets scripts of any origin read it; they bring their own credentials, never cookies.

    *tell* is how a refusal looks there, given its error id: a page for people; None is JSON for machines.
    *brief* may begin a POST in step, without a task of its own: it returns true and tells later, or returns false with
    nothing done, and the method's handler answers.
    """

    name: str
    methods: Mapping[str, Handler | Streamer]
    cors: bool = False
    tell: Tell | None = None
    brief: Brief | None = None


class Watch(Protocol):
    """What the application tells its operator; see `observe`."""

    def answered(self, route: str, status: int, seconds: float) -> None: ...
    def refused(self, route: str, error: Refused, ask: Ask) -> str:
        """Log a refusal (sampled) and return its error id."""
        ...

    def failed(self, route: str, error: BaseException) -> str:
        """Log a fault of ours and return its error id."""
        ...

    def monotonic(self) -> float: ...


class Life(Protocol):
    """What begins and ends with the server."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class HttpLimits(NamedTuple):
    """Bytes of body and of all headers together, the form's limits, trusted proxies, and the hosts that are ours.

    *certificates*: whether the proxies hand on clients' certificates; a header that says so is dropped otherwise.
    """

    body: int
    headers: int
    form: FormLimits
    trusted: tuple[Network, ...]
    hosts: frozenset[bytes]
    certificates: bool = False


class Gone(Exception):
    """The client went away before its request was whole."""


def nothing_found(_path: bytes) -> Route | None:
    """Where every path is known exactly."""
    return None


class Application:
    """ASGI. *routes* maps exact raw paths; *find* is asked for others; *fallback* answers what is left."""

    def __init__(
        self, routes: Mapping[str, Route], fallback: Route, limits: HttpLimits, watch: Watch, life: Life,
        find: Callable[[bytes], Route | None] = nothing_found,
    ) -> None:  # fmt: skip
        self._routes = {path.encode("ascii"): route for path, route in routes.items()}
        self._fallback = fallback
        self._find = find
        self._limits = limits
        self._watch = watch
        self._life = life
        # Probes come by address, not by name.
        self._any_host = frozenset({b"/healthz", b"/readyz", b"/metrics"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            leaving = message["type"] == "lifespan.shutdown"
            await (self._life.stop() if leaving else self._life.start())
            await send({"type": f"{message['type']}.complete"})
            if leaving:
                return

    def begin(self, scope: Scope, body: bytes, tell: Callable[[int, tuple[Header, ...], bytes], None]) -> bool:
        """Begin a whole request in step, for servers that can (see `Route`).

        *tell* gets the status, headers that hold nothing of the request, and a body whose length is its own to say.

        False, with nothing done, for every request that goes the way of `__call__`.
        """
        route = self._routes.get(scope["raw_path"])
        if route is None or route.brief is None or scope["method"] != "POST":
            return False
        started = self._watch.monotonic()
        try:
            headers = self._headers(scope["headers"])
        except Refused:
            return False
        if headers.get(b"host") not in self._limits.hosts or len(body) > self._limits.body:
            return False
        ask = self._ask(scope, scope["raw_path"], headers, body)

        def told(outcome: Answer | BaseException) -> None:
            answer = outcome if isinstance(outcome, Answer) else self._trouble(scope, route, outcome, ask)
            tell(answer.status, answer.headers + _CORS if route.cors else answer.headers, answer.body)
            self._watch.answered(route.name, answer.status, self._watch.monotonic() - started)

        return route.brief(ask, told)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = self._watch.monotonic()
        path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")
        route = self._routes.get(path) or self._find(path) or self._fallback
        try:
            answer = await self._answer(scope, receive, route, path)
        except Gone:
            return
        if isinstance(answer, Stream):
            self._watch.answered(route.name, answer.status, self._watch.monotonic() - started)
            await self._stream(scope, receive, send, route, answer)
            return
        body = b"" if scope["method"] == "HEAD" else answer.body
        headers: list[Header] = [*answer.headers]
        if answer.status != NOT_MODIFIED:  # its length would be that of the answer that was not sent
            headers.append((b"content-length", b"%d" % len(answer.body)))
        if route.cors:
            headers += _CORS
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._watch.answered(route.name, answer.status, self._watch.monotonic() - started)

    async def _stream(self, scope: Scope, receive: Receive, send: Send, route: Route, answer: Stream) -> None:
        """Send part after part until one side has had enough. What fails on the way closes the connection."""
        await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
        sending = asyncio.ensure_future(_sent(answer, send, silent=scope["method"] == "HEAD"))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            wire = scope.get(WIRE)
            if wire is not None and sending.done() and isinstance(sending.exception(), TimeoutError):
                wire.abort()  # a connection that is closed in order waits for its reader, who does not read
                await asyncio.wait((leaving,), timeout=PART_SECONDS)
        finally:
            for task in (sending, leaving):
                task.cancel()
            ends = await asyncio.gather(sending, leaving, return_exceptions=True)
        if isinstance(ends[0], Exception) and not isinstance(ends[0], TimeoutError | StoreUnavailable):
            self._watch.failed(route.name, ends[0])

    async def _answer(self, scope: Scope, receive: Receive, route: Route, path: bytes) -> Answer | Stream:
        method: str = scope["method"]
        ask: Ask | None = None
        try:
            headers = self._headers(scope["headers"])
            if path not in self._any_host and headers.get(b"host") not in self._limits.hosts:
                return plain(421, "This server does not answer for that host name.")
            handler = route.methods.get(method) or (route.methods.get("GET") if method == "HEAD" else None)
            if handler is None:
                return self._other_method(scope, route, method)
            body = await self._body(headers, receive) if method in _WITH_BODY else b""
            ask = self._ask(scope, path, headers, body)
            return await handler(ask)
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence: logged with an id, told without detail
            return self._trouble(scope, route, error, ask)

    def _ask(self, scope: Scope, path: bytes, headers: Mapping[bytes, bytes], body: bytes) -> Ask:
        network = network_of(scope, headers, self._limits.trusted)
        wire = scope.get(WIRE)
        gone = never if wire is None else wire.is_closing
        text = path.decode("ascii", "replace")
        if CLIENT_CERT in headers and not (self._limits.certificates and comes_from(scope, self._limits.trusted)):
            headers = {name: value for name, value in headers.items() if name != CLIENT_CERT}  # attack P-11
        return Ask(scope["method"], text, scope["query_string"], headers, body, network, self._limits.form, gone)

    def _trouble(self, scope: Scope, route: Route, error: BaseException, ask: Ask | None) -> Answer:
        """The answer to a request that was refused or failed."""
        if isinstance(error, Refused):
            return self._refused(scope, route, error, ask)
        if isinstance(error, StoreUnavailable):
            trouble = Refused(Code.TEMPORARILY_UNAVAILABLE, "Try again; nothing was changed.", str(error))
            return self._refused(scope, route, trouble, ask)
        identity = self._watch.failed(route.name, error)
        trouble = Refused(Code.SERVER_ERROR, f"An unexpected error, reported as {identity}.")
        return refusal(trouble, identity) if route.tell is None else route.tell(trouble, identity)

    def _refused(self, scope: Scope, route: Route, error: Refused, ask: Ask | None) -> Answer:
        identity = self._watch.refused(route.name, error, ask or _unread(scope, self._limits))
        return refusal(error, identity) if route.tell is None else route.tell(error, identity)

    def _other_method(self, scope: Scope, route: Route, method: str) -> Answer:
        if method == "OPTIONS" and route.cors:
            return Answer(204, _PREFLIGHT, b"")
        offered = {*route.methods, *(["OPTIONS"] if route.cors else []), *(["HEAD"] if "GET" in route.methods else [])}
        allow = (b"allow", ", ".join(sorted(offered)).encode())
        if route.tell is None:
            return plain(405, "This method is not offered here.", allow)
        error = Refused(Code.INVALID_REQUEST, "This address cannot be opened like that.", status=405)
        answer = self._refused(scope, route, error, None)
        return answer._replace(headers=(*answer.headers, allow))

    def _headers(self, pairs: list[Header]) -> Mapping[bytes, bytes]:
        headers = dict(pairs)
        if len(headers) != len(pairs):
            headers = _joined(pairs)
        if sum(map(len, headers)) + sum(map(len, headers.values())) > self._limits.headers:
            raise Refused(Code.INVALID_REQUEST, "The headers are too large.", status=431)
        return headers

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and (len(declared) > MOST_DIGITS or int(declared) > self._limits.body):
            raise _too_large()
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            body = await self._rest(body, receive)
        if len(body) > self._limits.body:
            raise _too_large()
        return body

    async def _rest(self, body: bytes, receive: Receive) -> bytes:
        try:
            async with timeout(BODY_SECONDS):
                parts, size, more = [body], len(body), True
                while more:
                    if size > self._limits.body:
                        raise _too_large()
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    more = message.get("more_body", False)
        except TimeoutError as error:
            raise Refused(Code.INVALID_REQUEST, "The body did not arrive in time.", status=408) from error
        return b"".join(parts)


async def _sent(answer: Stream, send: Send, *, silent: bool) -> None:
    """Every part, and the end. Raises `TimeoutError` when nobody reads."""
    async with contextlib.aclosing(answer.parts) as parts:
        async for part in parts:
            if silent:
                break
            async with timeout(PART_SECONDS):
                await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive) -> None:
    """Wait until whoever asked has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


_CORS: Final[tuple[Header, ...]] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"WWW-Authenticate, Retry-After, DPoP-Nonce"),
)
_PREFLIGHT: Final[tuple[Header, ...]] = (
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, DPoP"),
    (b"access-control-max-age", b"3600"),
)


def _unread(scope: Scope, limits: HttpLimits) -> Ask:
    """What there is to tell of a request that was refused before it was read."""
    path = scope.get("raw_path") or b""
    return Ask(scope["method"], path.decode("ascii", "replace"), b"", {}, b"", network_of(scope, {}, ()), limits.form)


def _joined(pairs: list[Header]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name not in headers:
            headers[name] = value
        elif name in _ONCE:
            raise Refused(Code.INVALID_REQUEST, "A header that may come once came twice.")
        else:
            headers[name] += (b"; " if name == b"cookie" else b", ") + value
    return headers


def _too_large() -> Refused:
    return Refused(Code.INVALID_REQUEST, "The body is too large.", status=413)
