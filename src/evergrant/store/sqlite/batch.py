"""A batch: jobs in, answers out, and settling many families with few statements.

What lives here: what is asked of the writer and how it is answered. What must not: when a batch begins or commits
(`writer`), SQL about any table (`families`, `tables`).
"""

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple

from evergrant.domain.event import Event
from evergrant.store.applying import apply
from evergrant.store.port import Finish
from evergrant.store.sqlite.tables import SqliteTx


class Job(NamedTuple):
    """Work and whom to answer. A settle carries its family id; any other work has None there."""

    family_id: bytes | None
    work: Callable[[Any], Any]
    loop: AbstractEventLoop
    future: "Future[Any]"
    finish: Finish[Any] | None


class Answer(NamedTuple):
    job: Job
    result: Any
    error: BaseException | None


class Settling:
    """Settles in the order they were asked. Rotations are written together; whatever ends something, at once."""

    def __init__(self, tx: SqliteTx) -> None:
        self._tx = tx
        self._rows: dict[bytes, tuple[Any, ...]] = {}
        self._events: list[Event] = []

    def settle(self, batch: Iterable[Job]) -> list[Answer]:
        """The answers, written but not committed."""
        answers = [self._one(job, job.family_id) for job in batch if job.family_id is not None]
        self._write()
        return answers

    def _one(self, job: Job, family_id: bytes) -> Answer:
        if family_id in self._rows:
            self._write()
        family = self._tx.families.get(family_id)
        try:
            settlement = job.work(family)
        except BaseException as error:  # noqa: BLE001 - a decision that fails has written nothing; its caller hears of it
            return Answer(job, None, error)
        if settlement.ended is None and settlement.notice is None:
            if settlement.head is not None:
                self._rows[family_id] = (*settlement.head, family_id)
            self._events.extend(settlement.events)
        else:
            self._write()
            apply(self._tx, settlement)
        return Answer(job, settlement, None)

    def _write(self) -> None:
        if self._rows:
            self._tx.families.settle_many(list(self._rows.values()))
            self._rows = {}
        if self._events:
            self._tx.events.add(self._events)
            self._events = []


def resolve(answers: list[Answer]) -> None:
    """Finish all answers step by step, then wake whoever waits. On the event loop."""
    for job, result, error in _finished(answers):
        if job.future.done():
            continue
        if error is None:
            job.future.set_result(result)
        elif isinstance(error, StopIteration):
            # A future refuses a StopIteration, and whoever waits would wait on.
            job.future.set_exception(RuntimeError("work raised StopIteration"))
        else:
            job.future.set_exception(error)


def _finished(answers: list[Answer]) -> list[Answer]:
    """Every answer with its finish done: one step of all of them, then the next step of all of them."""
    done = list(answers)
    going = [
        (place, answer.job.finish(answer.result))
        for place, answer in enumerate(answers)
        if answer.job.finish is not None and answer.error is None
    ]
    while going:
        going = [(place, steps) for place, steps in going if _goes_on(done, place, steps)]
    return done


def _goes_on(done: list[Answer], place: int, steps: Generator[None, None, Any]) -> bool:
    """Take one step; whether there are more. The last one, or an error, is written to *done*."""
    try:
        next(steps)
    except StopIteration as end:
        done[place] = Answer(done[place].job, end.value, None)
        return False
    except Exception as error:  # noqa: BLE001 - its caller hears of it; what was committed stands
        done[place] = Answer(done[place].job, None, error)
        return False
    return True
