"""One errand at a time: whoever needs the same thing waits for the same errand, and no longer than its own budget."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

R = TypeVar("R")


class Flight(Generic[R]):
    """At most one errand of a kind in the air. An errand goes on when those who wait for it have given up."""

    def __init__(self, errand: Callable[[], Awaitable[R]]) -> None:
        self._errand = errand
        self._task: asyncio.Task[R] | None = None

    def start(self) -> "asyncio.Task[R]":
        """The errand that is under way in this loop, or a new one."""
        task = self._task
        if task is None or not self.flying:
            task = self._task = asyncio.ensure_future(self._run())
            task.add_done_callback(_look)
        return task

    @property
    def flying(self) -> bool:
        """Whether it is under way in this loop."""
        task = self._task
        return task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop()

    async def join(self, by: float) -> bool:
        """Wait for the errand until *by*, of the loop's time; whether it came back in time."""
        task = self.start()
        await asyncio.wait([task], timeout=max(by - asyncio.get_running_loop().time(), 0.0))
        return task.done()

    async def stop(self) -> None:
        """End what is under way."""
        task, self._task = self._task, None
        if task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> R:
        return await self._errand()


def _look(task: "asyncio.Task[object]") -> None:
    """Nobody may be waiting any more: a failure is looked at here, so that it is not told as one never retrieved."""
    if not task.cancelled():
        task.exception()
