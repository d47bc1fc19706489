"""gRPC: interceptors for both kinds of server. The token comes in the metadata `authorization`.

    server = grpc.aio.server(interceptors=[AsyncGuard(verifier, scopes={"/orders.Orders/List": ("orders:read",)})])

Inside a method `access()` gives what the caller may. A refused call is UNAUTHENTICATED, or PERMISSION_DENIED for what
the token lacks, with the challenge in the trailing metadata; trouble on this side is UNAVAILABLE.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final

import grpc

from evergrant.resource.access import Access
from evergrant.resource.frameworks.asgi import word_of
from evergrant.resource.refused import Refused
from evergrant.resource.sync import SyncVerifier
from evergrant.resource.verifier import Verifier

Scopes = Mapping[str, Iterable[str]]
_access: ContextVar[Access] = ContextVar("evergrant_access")
_STATUS: Final = {
    401: grpc.StatusCode.UNAUTHENTICATED, 400: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED, 503: grpc.StatusCode.UNAVAILABLE,
}  # fmt: skip


def access() -> Access:
    """What the caller of the current method may. Raises `LookupError` outside a guarded method."""
    return _access.get()


class Guard(grpc.ServerInterceptor):
    """For `grpc.server`. *scopes* by full method name; *public* names methods that need no token."""

    def __init__(self, verifier: SyncVerifier, *, scopes: Scopes | None = None, public: Iterable[str] = ()) -> None:
        self._verifier, self._scopes, self._public = verifier, dict(scopes or {}), frozenset(public)

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """As the library asks it: on the one thread that takes calls in, so nothing is waited for before the method."""
        handler = continuation(details)
        if handler is None or details.method in self._public:
            return handler
        header, scopes = _header(details), self._scopes.get(details.method, ())

        def found(context: Any) -> Access:
            try:
                return self._verifier.verify(header, scopes=scopes)
            except Refused as refused:
                context.set_trailing_metadata(_trailing(refused))
                context.abort(_STATUS[refused.status], word_of(refused))
                raise  # abort has raised

        return _with_access(handler, found)


class AsyncGuard(grpc.aio.ServerInterceptor):
    """For `grpc.aio.server`. *scopes* by full method name; *public* names methods that need no token."""

    def __init__(self, verifier: Verifier, *, scopes: Scopes | None = None, public: Iterable[str] = ()) -> None:
        self._verifier, self._scopes, self._public = verifier, dict(scopes or {}), frozenset(public)

    async def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """As the library asks it, in the task that the method runs in as well."""
        handler = await continuation(details)
        if handler is None or details.method in self._public:
            return handler
        try:
            found = await self._verifier.verify(_header(details), scopes=self._scopes.get(details.method, ()))
        except Refused as refused:
            return _refusing(handler, refused)
        _access.set(found)
        inner = _inner(handler)
        if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
            return handler
        return _with_access(handler, lambda _: found)  # one that does not await is given a thread of its own


def _header(details: Any) -> str | None:
    sent = [value for name, value in details.invocation_metadata if name == "authorization"]
    return ",".join(sent) if sent else None


def _trailing(refused: Refused) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in refused.headers())


def _made(handler: Any, behaviour: Callable[..., Any]) -> Any:
    """A handler of the same shape that behaves as *behaviour* does."""
    kind = (
        ("unary" if not handler.request_streaming else "stream")
        + "_"
        + ("unary" if not handler.response_streaming else "stream")
    )
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(behaviour, handler.request_deserializer, handler.response_serializer)


def _inner(handler: Any) -> Any:
    return handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream


def _refusing(handler: Any, refused: Refused) -> Any:
    async def behave(_: Any, context: Any) -> Any:
        context.set_trailing_metadata(_trailing(refused))
        await context.abort(_STATUS[refused.status], word_of(refused))

    return _made(handler, behave)


def _with_access(handler: Any, found: Callable[[Any], Access]) -> Any:
    """The handler of a method that does not await; *found* is asked on the method's thread, and may end the call."""
    inner = _inner(handler)

    def behave(request: Any, context: Any) -> Any:
        token = _access.set(found(context))
        try:
            return inner(request, context)
        finally:
            _access.reset(token)

    def stream(request: Any, context: Any) -> Any:
        token = _access.set(found(context))
        try:
            yield from inner(request, context)
        finally:
            _access.reset(token)

    return _made(handler, stream if handler.response_streaming else behave)
