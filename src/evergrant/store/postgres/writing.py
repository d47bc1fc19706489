"""Writes of one event loop: whatever was asked in one round of the loop shares a transaction, in the order asked.

A few transactions run at once, in threads. What waits for one of them longer than is bearable is told so.
"""

from asyncio import AbstractEventLoop, Event, Future, TimerHandle
from collections.abc import Callable
from concurrent.futures import Executor
from concurrent.futures import Future as Promise
from typing import Any, Final

from evergrant.store.batch import Answer, Job, resolve
from evergrant.store.port import StoreUnavailable

LARGEST_BATCH: Final = 64


class Writing:
    """The queue of writes. *write* does a batch, in a thread of *threads*; *most* at once."""

    def __init__(
        self, loop: AbstractEventLoop, threads: Executor, most: int, wait: float,
        write: Callable[[list[Job]], list[Answer]],
    ) -> None:  # fmt: skip
        self._loop, self._threads, self._most, self._wait, self._write = loop, threads, most, wait, write
        self._waiting: list[tuple[float, Job]] = []
        self._running = 0
        self._due = False
        self._closed = False
        self._timer: TimerHandle | None = None
        self._quiet = Event()
        self._quiet.set()

    def submit(self, work: Callable[[Any], Any]) -> "Future[Any]":
        """Queue work; the future fails with `StoreUnavailable` when it could not be committed."""
        future: Future[Any] = self._loop.create_future()
        self.queue(Job(None, work, self._loop, future, None))
        return future

    def queue(self, job: Job) -> None:
        """Queue a job."""
        self._waiting.append((self._loop.time() + self._wait, job))
        self._quiet.clear()
        if not self._due:
            # Not at once: whatever else this round of the loop asks belongs in the same batch.
            self._due = True
            self._loop.call_soon(self._turn)

    def close(self) -> None:
        """Begin nothing more; whoever still waits for a turn is told so."""
        self._closed = True
        self._turn()

    async def drained(self) -> None:
        """Wait until all that was asked is answered."""
        await self._quiet.wait()

    def _turn(self) -> None:
        self._due = False
        if self._closed:
            over, self._waiting = self._waiting, []
            resolve([Answer(job, None, StoreUnavailable("the store is closed")) for _, job in over])
        if self._waiting and self._running < self._most:
            batch = [job for _, job in self._waiting[:LARGEST_BATCH]]
            del self._waiting[:LARGEST_BATCH]
            self._running += 1
            self._threads.submit(self._done_in_thread, batch).add_done_callback(self._told)
        if self._waiting and self._running < self._most:
            self._due = True
            self._loop.call_soon(self._turn)
        elif self._waiting and self._timer is None:
            self._timer = self._loop.call_at(self._waiting[0][0], self._late)
        if not self._waiting and not self._running:
            self._quiet.set()

    def _done_in_thread(self, batch: list[Job]) -> list[Answer]:
        """Do a batch; whatever happens, everybody in it is answered."""
        try:
            return self._write(batch)
        except BaseException as error:  # noqa: BLE001 - whoever waits hears of it
            return [Answer(job, None, error) for job in batch]

    def _late(self) -> None:
        """Whoever has waited too long for a connection is told so."""
        self._timer = None
        now = self._loop.time()
        late = [job for end, job in self._waiting if end <= now]
        self._waiting = [item for item in self._waiting if item[0] > now]
        trouble = StoreUnavailable(f"every connection for writing was busy for {self._wait:g} seconds")
        resolve([Answer(job, None, trouble) for job in late])
        self._turn()

    def _told(self, promise: "Promise[list[Answer]]") -> None:
        """In the thread: hand the answers to the loop."""
        self._loop.call_soon_threadsafe(self._done, promise.result())

    def _done(self, answers: list[Answer]) -> None:
        self._running -= 1
        self._turn()
        resolve(answers)
