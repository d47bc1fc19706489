"""A batch: jobs in, answers out. Shared by every store that commits many settles at once.

What lives here: what is asked and how it is answered. What must not: when a batch begins or commits, SQL.
"""

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from evergrant.domain.reason import Declined
from evergrant.store.port import Finish


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


def failed(job: Job, error: BaseException) -> Answer:
    """An answer for work that raised. A no on purpose loses its traceback.

    Through its frames it would hold the whole batch, itself among it: a cycle that only the collector ends, with all
    that the batch's requests had made, and everybody waits while it walks through that (attack A-08: a second of fifty
    replays was a stop of forty milliseconds).
    """
    return Answer(job, None, error.with_traceback(None) if isinstance(error, Declined) else error)


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
        done[place] = failed(done[place].job, error)
        return False
    return True
