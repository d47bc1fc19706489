"""One refresh at a time per record within a process: everybody else waits for it, and nobody can stop it by leaving."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from evergrant.clock import Clock
from evergrant.keeper.connection import Reason
from evergrant.keeper.errors import KeeperError, RefreshInProgress

R = TypeVar("R")
Key = tuple[str, str]
MOST_FAILURES: Final = 10_000


class Flights(Generic[R]):
    """What is in the air. *failure_seconds*: for so long a failure is told to whoever asks, without another try."""

    def __init__(self, clock: Clock, failure_seconds: float) -> None:
        self._clock = clock
        self._seconds = failure_seconds
        self._flying: dict[Key, asyncio.Task[R]] = {}
        self._failed: dict[Key, tuple[float, KeeperError]] = {}
        self._landing = False

    def flying(self, key: Key) -> bool:
        """Whether somebody is at it."""
        return key in self._flying

    def failed(self, key: Key) -> KeeperError | None:
        """The failure of a moment ago."""
        until, error = self._failed.get(key, (0.0, None))
        return error if error is not None and self._clock.monotonic() < until else None

    def forget(self, key: Key) -> None:
        """Forget a failure: what it stood on has changed."""
        self._failed.pop(key, None)

    def start(self, key: Key, fly: Callable[[], Awaitable[R]]) -> asyncio.Task[R]:
        """The flight that is under way, or a new one."""
        task = self._flying.get(key)
        if task is None:
            if self._landing:
                msg = "the keeper is closing"
                raise RefreshInProgress(msg, 1, Reason.NONE)
            task = asyncio.ensure_future(_run(fly))
            self._flying[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return task

    async def join(self, key: Key, fly: Callable[[], Awaitable[R]], wait: float) -> R:
        """The result of the flight. A caller that goes away, or has waited *wait* seconds, does not end it."""
        task = self.start(key, fly)
        done, _ = await asyncio.wait([task], timeout=wait)
        if not done:
            msg = "a refresh is under way and has not finished in time"
            raise RefreshInProgress(msg, 2, Reason.NONE)
        if task.cancelled():
            msg = "the keeper was closed before the refresh had finished"
            raise RefreshInProgress(msg, 2, Reason.NONE)
        return task.result()

    def _landed(self, key: Key, task: "asyncio.Task[R]") -> None:
        self._flying.pop(key, None)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, KeeperError):
            if len(self._failed) > MOST_FAILURES:
                self._failed.clear()
            self._failed[key] = (self._clock.monotonic() + self._seconds, error)
        else:
            self._failed.pop(key, None)

    async def land(self, seconds: float) -> None:
        """Start nothing more, and give what is in the air *seconds* to finish before it is stopped."""
        self._landing = True
        tasks = list(self._flying.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _run(fly: Callable[[], Awaitable[R]]) -> R:
    return await fly()
