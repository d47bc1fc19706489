"""One connection that writes, and commits together whatever queued while the last commit was being made durable.

Durability so costs one fsync per batch, not one per refresh. Losers of a race settle in the same batch as the winner
and see its row, so they are repeats. What must not live here: SQL about any table.

A batch of settles alone is decided where it was asked, on the event loop, and only its commit goes to the writer's
thread: a settle is ten microseconds, less than handing the interpreter from one thread to the other and back for each
of its statements. Everything else, and every batch that would have to wait for another process, is the thread's whole.
"""

import threading
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import apsw

from evergrant.store.batch import Answer, Job, failed, resolve
from evergrant.store.port import Finish, StoreUnavailable, StoreUnusable
from evergrant.store.sqlite.connection import BUSY_MILLISECONDS, Connection, connect, sentence
from evergrant.store.sqlite.settling import Settling
from evergrant.store.sqlite.tables import SqliteTx

LARGEST_BATCH: Final = 256
LONGEST_HANDOVER: Final = 0.05


class Writer:
    """The writing side of one process. *committed* is told the size of every batch.

    *tables* makes what work is given; it has a `revision()`, and only those of `SqliteTx` can settle.

    The gate guards what is waiting and who holds the connection: the loop in `_turn`, or the thread while `_busy`.
    """

    def __init__(
        self,
        path: Path,
        committed: Callable[[int], None] = lambda _: None,
        tables: Callable[[Connection], Any] = SqliteTx,
    ) -> None:
        self._path = path
        self._tables = tables
        self._committed = committed
        self._taken = threading.Semaphore(0)
        self._queue: SimpleQueue[list[Job] | list[Answer] | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._waiting: list[Job] = []
        self._turn_on: AbstractEventLoop | None = None
        self._busy = False
        self._closed = False
        self._connect()
        self.revision: int = self._tx.revision()
        self._thread = threading.Thread(target=self._run, name="evergrant-writer", daemon=True)
        self._thread.start()

    def submit(
        self, family_id: bytes | None, work: Callable[[Any], Any], finish: Finish[Any] | None = None
    ) -> "Future[Any]":
        """Queue work for the next batch. The future fails with `StoreUnavailable` when the commit did.

        *finish* turns the committed result into the future's, on the loop, in step with its neighbours'.
        """
        loop = get_running_loop()
        future: Future[Any] = loop.create_future()
        with self._gate:  # nothing may queue behind the sentinel: nobody would answer it
            if self._closed:
                msg = f"{self._path}: the store is closed"
                raise StoreUnavailable(msg)
            self._waiting.append(Job(family_id, work, loop, future, finish))
            if self._busy:
                return future
            if self._turn_on is None:
                # Not at once: whatever else this round of the loop asks belongs in the same batch.
                self._turn_on = loop
                loop.call_soon(self._turn)
            elif self._turn_on is not loop:
                # Of two loops in one process neither may wait for the other's turn: it may never run again.
                self._hand_over()
        return future

    def close(self) -> None:
        """Finish what is queued, then close the file."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            if self._waiting:
                self._queue.put(self._waiting)
            self._queue.put(None)
        self._thread.join()
        # What was answered is durable already; a checkpoint that fails here is made up by whoever opens next.
        with suppress(apsw.Error):
            self._connection.close()

    def _hand_over(self) -> None:
        """With the gate held and the connection free: let the thread do the next batch as a whole."""
        batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
        self._turn_on = None
        self._busy = True
        self._queue.put(batch)

    def _connect(self) -> None:
        self._connection: Connection = connect(self._path)
        self._connection.set_busy_timeout(0)
        self._tx = self._tables(self._connection)

    def _turn(self) -> None:
        """On the loop: begin the next batch if the connection is free."""
        with self._gate:
            self._turn_on = None
            if self._busy or self._closed or not self._waiting:
                return
            batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
            self._busy = True
            self._queue.put(self._decided(batch) or batch)
        # The thread needs the interpreter once, to begin; left to itself it would get it when this loop is done with
        # the signatures of the batch before, and the disk would stand still meanwhile.
        self._taken.acquire(timeout=LONGEST_HANDOVER)

    def _decided(self, batch: list[Job]) -> list[Answer] | None:
        """The answers of a batch of settles, written but not committed; None when it is the thread's after all."""
        if any(job.family_id is None for job in batch):
            return None
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            return Settling(self._tx).settle(batch)
        except Exception:  # noqa: BLE001 - the thread does the whole batch again and tells whose fault it was
            self._roll_back()
            return None

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            self._taken.release()
            answers = self._finished(item) if isinstance(item[0], Answer) else self._commit(item)
            with suppress(Exception):  # a meter that fails must not stop the writing
                self._committed(len(answers))
            with self._gate:
                self._busy = False
                following = self._following()
            self._tell(answers, following)

    def _following(self) -> AbstractEventLoop | None:
        """With the gate held: the loop whose turn is next, if all that waits is its own; else the thread goes on."""
        if not self._waiting or self._closed:
            return None
        loop = self._waiting[0].loop
        if all(job.loop is loop for job in self._waiting):
            return loop
        self._hand_over()
        return None

    def _finished(self, answers: list[Answer]) -> list[Answer]:
        """The same answers once they are durable, or the trouble that keeps them from being."""
        try:
            revision = self._tx.revision()
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            self._roll_back()
            trouble = StoreUnavailable(sentence(self._path, error))
            return [Answer(answer.job, None, trouble) for answer in answers]
        self.revision = revision
        return answers

    def _commit(self, batch: list[Job]) -> list[Answer]:
        try:
            self._wait_and_begin()
            answers = [self._do(job) for job in batch]
        except apsw.Error as error:
            self._roll_back()
            trouble = StoreUnavailable(sentence(self._path, error))
            return [Answer(job, None, trouble) for job in batch]
        except Exception as error:  # noqa: BLE001 - an effect that cannot be written must not stop the writing
            self._roll_back()
            if len(batch) == 1:
                return [Answer(batch[0], None, error)]
            # Whose it was is found by doing each alone; work may be run again (see `evergrant.store.port`).
            return [answer for job in batch for answer in self._commit([job])]
        return self._finished(answers)

    def _wait_and_begin(self) -> None:
        """Begin, waiting for another process's commit; only the thread waits, never the loop."""
        self._connection.set_busy_timeout(BUSY_MILLISECONDS)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        finally:
            self._connection.set_busy_timeout(0)

    def _do(self, job: Job) -> Answer:
        if job.family_id is not None:
            return Settling(self._tx).settle([job])[0]
        self._connection.execute("SAVEPOINT work")
        answer = Answer(job, None, None)
        try:
            answer = Answer(job, job.work(self._tx), None)
        except BaseException as error:  # the work's own error goes to whoever asked, its writes are undone
            if isinstance(error, apsw.Error):
                # After an error of the disk SQLite may have undone the whole batch; then nobody in it may be told yes.
                if self._connection.get_autocommit():
                    raise
                answer = Answer(job, None, StoreUnavailable(sentence(self._path, error)))
            else:
                answer = failed(job, error)
            self._connection.execute("ROLLBACK TO work")
        self._connection.execute("RELEASE work")
        return answer

    def _roll_back(self) -> None:
        try:
            if not self._connection.get_autocommit():
                self._connection.execute("ROLLBACK")
        except apsw.Error:
            # This connection is beyond use. Where no new one can be had, the next batch fails here too and tries again.
            with suppress(apsw.Error, StoreUnusable):
                self._connection.close()
                self._connect()

    def _tell(self, answers: list[Answer], following: AbstractEventLoop | None) -> None:
        """Wake each event loop once per batch, not once per answer; the next batch begins before answers are told."""
        loops: dict[AbstractEventLoop, list[Answer]] = {} if following is None else {following: []}
        for answer in answers:
            loops.setdefault(answer.job.loop, []).append(answer)
        for loop, mine in loops.items():
            with suppress(RuntimeError):  # the loop has closed: nobody is waiting any more
                loop.call_soon_threadsafe(self._go_on, mine)

    def _go_on(self, answers: list[Answer]) -> None:
        self._turn()
        resolve(answers)
