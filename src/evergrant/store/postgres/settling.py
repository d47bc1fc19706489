"""Settles of one event loop: all that queue while others are being committed share the next commit.

A batch takes two trips: begin and lock the rows; write what was decided of them and commit. It is decided between the
two, on the loop, in the order it was asked, so that losers of a race are repeats. Two batches are under way at once,
of different families, so that server and database both have something to do. What must not live here: SQL (`hot`),
sockets (`line`).

A row that somebody else holds is not waited for by its neighbours: it goes to the patient line. A settlement whose
effect is wider than its family's row is done as a write, alone; nothing that is asked of its family overtakes it, and
nothing at all where it ends others too.
"""

from asyncio import AbstractEventLoop, Event, Future, TimerHandle
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from concurrent.futures import Future as Promise
from functools import partial
from typing import Any, Final

import psycopg

from evergrant.store.batch import Answer, Job, resolve
from evergrant.store.port import Finish, StoreUnavailable, StoreUnusable
from evergrant.store.postgres import hot, routed
from evergrant.store.postgres.connection import SPENT, Connection, closed
from evergrant.store.postgres.deciding import Asked, Batch
from evergrant.store.postgres.families import family
from evergrant.store.postgres.line import Line, Trouble

LARGEST_BATCH: Final = 256
LINES: Final = 2
# A second batch beside one that is under way is worth its trips when so many wait; fewer join the next one.
WORTH_A_LINE: Final = 32
ATTEMPTS: Final = 5
CLOSED: Final = "the store is closed"
Results = list[Any]


class Seat:
    """A place for a line: what it is doing, and for whom."""

    def __init__(self, *, patient: bool) -> None:
        self.patient = patient
        self.line: Line | None = None
        self.busy = False


class Settling:
    """The queue of settles. *open_* makes a connection (in a thread); *alone* does a job as a write of its own."""

    def __init__(
        self, loop: AbstractEventLoop, threads: Executor, wait: float, open_: Callable[[], tuple[Connection, bool]],
        alone: Callable[[Job], None], said: Callable[[Trouble], str], committed: Callable[[int], None],
        *, distributed: bool = False,
    ) -> None:  # fmt: skip
        self._sql = routed if distributed else hot
        self._loop, self._threads, self._wait, self._open = loop, threads, wait, open_
        self._alone, self._said, self._committed = alone, said, committed
        self._seats = [Seat(patient=False) for _ in range(LINES)] + [Seat(patient=True)]
        self._waiting: list[Asked] = []
        self._patient: list[Asked] = []
        self._held: set[bytes] = set()
        self._wide = self._barring = 0
        self._due = False
        self._closed = False
        self._timer: TimerHandle | None = None
        self._quiet = Event()
        self._quiet.set()

    def submit(self, family_id: bytes, work: Callable[[Any], Any], finish: Finish[Any] | None = None) -> "Future[Any]":
        """Queue a settle; the future fails with `StoreUnavailable` when it could not be committed."""
        future: Future[Any] = self._loop.create_future()
        job = Job(family_id, work, self._loop, future, finish)
        self._waiting.append(Asked(job, family_id, self._loop.time() + self._wait))
        self._quiet.clear()
        self._soon()
        return future

    async def drained(self) -> None:
        """Wait until all that was asked is answered."""
        await self._quiet.wait()

    def close(self) -> None:
        """Let go of every line; whoever still waits is told so."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for seat in self._seats:
            if seat.line is not None:
                seat.line.give_up(CLOSED)
                seat.line = None
        self._turn()

    def _soon(self) -> None:
        if not self._due:
            # Not at once: whatever else this round of the loop asks belongs in the same batch.
            self._due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Begin a batch on every line that is free."""
        self._due = False
        if self._closed:
            self._refuse(self._waiting, CLOSED)
            self._refuse(self._patient, CLOSED)
        for seat in () if self._barring else self._seats:
            queue = self._patient if seat.patient else self._waiting
            if seat.busy or not queue or (len(queue) < WORTH_A_LINE and self._under_way(seat)):
                continue
            if seat.line is None or seat.line.lost:
                seat.busy = True
                self._threads.submit(self._open).add_done_callback(partial(self._opened, seat))
            elif asked := self._take(queue):
                self._begin(seat, seat.line, Batch(asked))
        if self._waiting or self._patient:
            if self._timer is None:
                self._timer = self._loop.call_at(min(one.end for one in self._waiting + self._patient), self._late)
        elif not self._wide and not any(seat.busy for seat in self._seats):
            self._quiet.set()

    def _under_way(self, seat: Seat) -> bool:
        """Whether another line of the same kind has a batch whose end will begin the next one."""
        return not seat.patient and any(one.busy and not one.patient for one in self._seats if one is not seat)

    def _take(self, queue: list[Asked]) -> list[Asked]:
        """The next jobs whose families no other batch holds; of one family none overtakes another."""
        taken: list[Asked] = []
        left: list[Asked] = []
        passed: set[bytes] = set()
        for place, one in enumerate(queue):
            if len(taken) == LARGEST_BATCH or (taken and taken[0].alone):
                left += queue[place:]
                break
            if one.family_id in self._held or one.family_id in passed or (taken and one.alone):
                passed.add(one.family_id)
                left.append(one)
            else:
                taken.append(one)
        queue[:] = left
        return taken

    def _opened(self, seat: Seat, promise: "Promise[tuple[Connection, bool]]") -> None:
        """In the thread: a connection was opened, or could not be."""
        self._loop.call_soon_threadsafe(self._seated, seat, promise)

    def _seated(self, seat: Seat, promise: "Promise[tuple[Connection, bool]]") -> None:
        seat.busy = False
        try:
            connection, prepared = promise.result()
            if self._closed:
                closed(connection)
                return
            line = Line(self._loop, connection, prepared=prepared)
        except (StoreUnusable, StoreUnavailable, psycopg.Error) as error:  # it may have died since it was opened
            if seat.patient or not any(one.line and not one.line.lost for one in self._seats):
                self._refuse(self._patient if seat.patient else self._waiting, str(error))
        else:
            seat.line = line
        self._turn()

    def _late(self) -> None:
        """Whoever has waited too long is told so."""
        self._timer = None
        now = self._loop.time()
        for queue in (self._waiting, self._patient):
            late = [one for one in queue if one.end <= now]
            queue[:] = [one for one in queue if one.end > now]
            self._refuse(late, f"no connection was free for {self._wait:g} seconds")
        self._turn()

    def _refuse(self, asked: list[Asked], words: str) -> None:
        refused, asked[:] = list(asked), []
        resolve([Answer(one.job, None, StoreUnavailable(words)) for one in refused])

    def _begin(self, seat: Seat, line: Line, batch: Batch) -> None:
        seat.busy = True
        families = batch.families
        self._held.update(families)
        asked = self._sql.lock(families, patient=seat.patient, bounded=not line.prepared)
        line.ask(asked, partial(self._locked, seat, line, batch))

    def _locked(self, seat: Seat, line: Line, batch: Batch, results: Results, trouble: Trouble | None) -> None:
        if trouble is not None:
            self._failed(seat, line, batch, trouble, committing=False)
            return
        try:
            rows = [family(row) for row in line.rows(results)]
        except ValueError as error:  # a row that another release wrote
            self._failed(seat, line, batch, _unwritable(error), committing=False)
            return
        batch.rows.update((row.id, row) for row in rows)
        missing = [one for one in batch.families if one not in batch.rows] if len(rows) < len(batch.asked) else []
        if missing and not seat.patient:
            line.ask(self._sql.known(missing), partial(self._known, seat, line, batch, missing))
            return
        batch.rows.update(dict.fromkeys(missing))
        self._decided(seat, line, batch)

    def _known(
        self, seat: Seat, line: Line, batch: Batch, missing: list[bytes], results: Results, trouble: Trouble | None
    ) -> None:
        if trouble is not None:
            self._failed(seat, line, batch, trouble, committing=False)
            return
        known = {row[0] for row in line.rows(results)}
        batch.rows.update((one, None) for one in missing if one not in known)
        self._decided(seat, line, batch)

    def _decided(self, seat: Seat, line: Line, batch: Batch) -> None:
        try:
            batch.decide()
            asked = self._sql.write(list(batch.changed.values()), batch.told)
        except Exception as error:  # noqa: BLE001 - an effect that cannot be written must not stop the writing
            self._failed(seat, line, batch, _unwritable(error), committing=False)
            return
        line.ask(asked, partial(self._finished, seat, line, batch))

    def _finished(self, seat: Seat, line: Line, batch: Batch, results: Results, trouble: Trouble | None) -> None:
        if trouble is None and results[-1].command_status != b"COMMIT":
            trouble = Trouble("40000", "the transaction was rolled back")
        if trouble is not None:
            self._failed(seat, line, batch, trouble, committing=True)
            return
        self._release(seat, batch)
        self._leave(batch)
        self._turn()
        self._committed(len(batch.answers))
        resolve(batch.answers)

    def _release(self, seat: Seat, batch: Batch) -> None:
        seat.busy = False
        self._held.difference_update(batch.families)

    def _leave(self, batch: Batch) -> None:
        """Queue again whoever the batch could not serve."""
        for one in batch.locked:
            one.patient = True
        self._patient += batch.locked
        self._waiting[:0] = batch.behind
        if batch.wide is not None:
            family_id, bars = batch.wide.family_id, batch.reaches_others
            self._wide += 1
            self._barring += bars
            self._held.add(family_id)
            batch.wide.job.future.add_done_callback(lambda _: self._written(family_id, bars=bars))
            self._alone(batch.wide.job)

    def _written(self, family_id: bytes, *, bars: bool) -> None:
        self._wide -= 1
        self._barring -= bars
        self._held.discard(family_id)
        self._soon()

    def _failed(self, seat: Seat, line: Line, batch: Batch, trouble: Trouble, *, committing: bool) -> None:
        """A batch failed as a whole: what is safe to be tried again is, the rest is told why."""
        lost = not trouble.code or trouble.code.startswith(SPENT)
        answered = {id(answer.job) for answer in batch.answers} if committing else set()
        for one in batch.asked:
            one.tries += 1
            one.alone = one.alone or not (lost or trouble.code.startswith("40"))
        if committing and lost:
            # Whether it was committed nobody knows. Asking again is safe by the repeat rule, deciding again is not.
            over = [one for one in batch.asked if id(one.job) in answered]
        else:
            single = len(batch.asked) == 1 and not lost and not trouble.code.startswith("40")
            over = [one for one in batch.asked if single or one.tries >= ATTEMPTS]
        gone = set(map(id, over))
        self._again(seat, (one for one in batch.asked if id(one) not in gone))
        errors = {id(answer.job): answer.error for answer in batch.answers}
        trouble_told = StoreUnavailable(self._said(trouble))
        told = [Answer(one.job, None, errors.get(id(one.job)) or trouble_told) for one in over]
        if lost:
            line.close()
            self._over(seat, batch, told)
        else:
            line.ask([(hot.ROLLBACK, ())], lambda *_: self._over(seat, batch, told))

    def _again(self, seat: Seat, asked: Iterable[Asked]) -> None:
        queue = self._patient if seat.patient else self._waiting
        queue[:0] = list(asked)

    def _over(self, seat: Seat, batch: Batch, told: list[Answer]) -> None:
        self._release(seat, batch)
        self._turn()
        resolve(told)


def _unwritable(error: Exception) -> Trouble:
    return Trouble("22000", f"{type(error).__name__}: {error}")
