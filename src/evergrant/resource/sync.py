"""The same verifier without `await`: for threads and frameworks that are not asynchronous.

A token that was seen before is answered on the calling thread. What waits for the issuer runs on a thread of the
verifier's own, which begins when it is first needed and ends with `close` or with the process.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from evergrant.resource.access import Access
from evergrant.resource.challenge import Offer
from evergrant.resource.possession import NOTHING, Possession
from evergrant.resource.refused import Refused, Why
from evergrant.resource.verifier import Verifier

R = TypeVar("R")
CLOSING: Final = 10.0
_living: "weakref.WeakSet[SyncVerifier]" = weakref.WeakSet()


class SyncVerifier:
    """Blocks where `Verifier` awaits. One serves any number of threads; a forked process begins its own thread."""

    def __init__(self, inner: Verifier) -> None:
        self._inner: Final = inner
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        _living.add(self)

    @classmethod
    def for_issuer(cls, issuer: str, *, audience: str | Iterable[str], **more: Any) -> Self:
        """As `Verifier.for_issuer`. Raises `ValueError`."""
        return cls(Verifier.for_issuer(issuer, audience=audience, **more))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def verify(
        self,
        authorization: str | bytes | None,
        *,
        scopes: Iterable[str] = (),
        acr: Iterable[str] = (),
        max_age: int | None = None,
        possession: Possession = NOTHING,
    ) -> Access:
        """As `Verifier.verify`. Raises `Refused`, and nothing else."""
        inner = self._inner
        try:
            access = inner.at_once(authorization)
            if access is None:
                access = self._wait(inner.slowly(authorization))
            inner.deserves(access, authorization, scopes, acr, max_age, possession)
        except Refused as refused:
            refused.offer = inner.offer
            raise
        return access

    def verify_token(self, token: str, **asked: Any) -> Access:
        """As `verify`, for a bearer token that came without a header."""
        return self.verify(f"Bearer {token}", **asked)

    @property
    def offer(self) -> Offer:
        """What challenges say of this API."""
        return self._inner.offer

    def nonce(self) -> str:
        """As `Verifier.nonce`."""
        return self._inner.nonce()

    def close(self) -> None:
        """End the thread. Safe to call twice, and from any thread."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(self._inner.close(), loop).result(CLOSING)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(CLOSING)

    def _wait(self, work: "Coroutine[Any, Any, R]") -> R:
        loop = self._running()
        if loop is None:
            work.close()
            raise Refused(Why.KEYS_UNREACHABLE, "the verifier is closed")
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _running(self) -> asyncio.AbstractEventLoop | None:
        with self._lock:
            if self._closed:
                return None
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_run, args=(self._loop,), name="evergrant-verifier", daemon=True)
                self._thread.start()
            return self._loop

    def forked(self) -> None:
        """In a child process: leave the parent's loop and thread alone."""
        _left.append((self._loop, self._thread))
        self._inner.forked()
        self._lock = threading.Lock()
        self._loop = self._thread = None


_left: list[Any] = []
"""What a child process inherited: kept, because closing it would end it for the parent as well."""


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        with suppress(RuntimeError):
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _after_fork() -> None:
    for verifier in list(_living):
        verifier.forked()


os.register_at_fork(after_in_child=_after_fork)
