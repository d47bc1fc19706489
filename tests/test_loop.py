"""A loop on a thread of its own: begun when needed, closed once, and never waited for by itself."""

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from evergrant.loop import LoopClosed, OwnLoop

NAME = "evergrant-loop-of-a-test"
PATIENCE = 10.0


def running() -> int:
    return sum(thread.name == NAME for thread in threading.enumerate())


async def one() -> int:
    return 1


@pytest.fixture
def forked() -> list[str]:
    return []


@pytest.fixture
def own(forked: list[str]) -> Iterator[OwnLoop]:
    loop = OwnLoop(NAME, PATIENCE, lambda: forked.append("yes"))
    yield loop
    loop.close(lambda: None)


def test_the_thread_begins_with_the_first_work_and_ends_after_the_last(own: OwnLoop) -> None:
    done: list[int] = []

    async def last() -> None:
        done.append(running())

    assert running() == 0
    assert own.wait(one()) == 1
    assert running() == 1
    own.close(last)
    assert (running(), done) == (0, [1])


def test_what_is_closed_begins_nothing_and_has_no_last_work_when_it_never_began(own: OwnLoop) -> None:
    asked: list[str] = []
    for _ in range(2):
        own.close(lambda: asked.append("last"))  # type: ignore[func-returns-value]
    for begin in (own.wait, own.send):
        with pytest.raises(LoopClosed):
            begin(one())
    with pytest.raises(LoopClosed):
        own.running()
    assert (asked, running()) == ([], 0)


def test_the_loop_never_waits_for_itself(own: OwnLoop) -> None:
    async def inside() -> None:
        own.wait(one())

    with pytest.raises(LoopClosed):
        own.wait(inside())


def test_whoever_waits_when_it_is_closed_is_told_and_waits_no_more(own: OwnLoop) -> None:
    begun, ends = threading.Event(), []

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cancelled")

    def waits() -> None:
        try:
            own.wait(endless())
        except LoopClosed:
            ends.append("told")

    waiting = threading.Thread(target=waits, daemon=True)
    waiting.start()
    assert begun.wait(PATIENCE)
    own.close(lambda: None)
    waiting.join(PATIENCE)
    assert ends == ["cancelled", "told"]


def test_what_the_work_raises_comes_out_of_the_wait(own: OwnLoop) -> None:
    async def wrong() -> None:
        raise KeyError("wrong")

    with pytest.raises(KeyError, match="wrong"):
        own.wait(wrong())
    assert own.send(asyncio.sleep(0, 7)).result(PATIENCE) == 7


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 warns of forks with threads
def test_a_forked_process_is_told_and_begins_a_loop_of_its_own(own: OwnLoop, forked: list[str]) -> None:
    before = own.running()
    child = os.fork()
    if not child:
        good = forked == ["yes"] and own.running() is not before and own.wait(one()) == 1
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (own.wait(one()), forked) == (1, [])
