"""An event loop on a thread of its own, for those who call without `await`: begun when first needed, left by forks.

What lives here: the thread, handing it work, its end, and what a forked process does without it. What must not: what
is done on it. Neighbours: the doors without `await`, `keeper.sync` and `resource.sync`.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, Final, TypeVar

R = TypeVar("R")
Last = Coroutine[Any, Any, None]
_living: "weakref.WeakSet[OwnLoop]" = weakref.WeakSet()


class LoopClosed(RuntimeError):
    """Nothing can be waited for: the loop has been closed, or it is the loop itself that would wait."""


class OwnLoop:
    """Safe for threads. *name* is the thread's; *patience* seconds are given to the last work and to the thread's end.

    *forked* is called in a child process, which begins anew with a loop of its own.
    """

    def __init__(self, name: str, patience: float, forked: Callable[[], None]) -> None:
        self._name: Final = name
        self._patience: Final = patience
        self._forked: Final = forked
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        _living.add(self)

    def running(self) -> asyncio.AbstractEventLoop:
        """The loop, begun if need be. Raises `LoopClosed`."""
        with self._lock:
            return self._begun()

    def send(self, work: Coroutine[Any, Any, R]) -> "Future[R]":
        """Begin *work* on the loop. Raises `LoopClosed`; closing cancels what has not ended."""
        try:
            with self._lock:  # so that nothing is begun behind the loop's end
                return asyncio.run_coroutine_threadsafe(work, self._begun())
        except LoopClosed:
            work.close()
            raise

    def wait(self, work: Coroutine[Any, Any, R]) -> R:
        """What *work* gives or raises; whoever is interrupted while waiting cancels it. Raises `LoopClosed`."""
        if threading.current_thread() is self._thread:
            work.close()
            raise LoopClosed
        future = self.send(work)
        try:
            return future.result()
        except CancelledError:
            raise LoopClosed from None
        except BaseException:
            future.cancel()
            raise

    def close(self, last: Callable[[], Last | None]) -> None:
        """Take no more work, do what *last* gives, and end the thread. Safe to call twice, and from any thread.

        *last* is asked when nothing can be begun any more, and only when the loop has been.
        """
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        try:
            if (work := last()) is not None:
                asyncio.run_coroutine_threadsafe(work, loop).result(self._patience)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(self._patience)

    def _begun(self) -> asyncio.AbstractEventLoop:
        if self._closed:
            raise LoopClosed
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(self._loop,), name=self._name, daemon=True)
            self._thread.start()
        return self._loop

    def leave(self) -> None:
        """In a child process: leave the parent's loop and thread alone."""
        _left.append((self._loop, self._thread))
        self._lock = threading.Lock()
        self._loop = self._thread = None
        self._forked()


_left: list[Any] = []
"""What a child process inherited: kept, because closing it would end it for the parent as well."""


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        if left := asyncio.all_tasks(loop):  # somebody may be waiting for each of them
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left))
        with suppress(RuntimeError):
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _after_fork() -> None:
    for each in list(_living):
        each.leave()


os.register_at_fork(after_in_child=_after_fork)
