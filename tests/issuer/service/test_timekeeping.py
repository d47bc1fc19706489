"""Nodes whose clocks differ measure one window by one clock, and a clock that is right is left alone."""

import logging

import pytest

from evergrant.clock import FixedClock, SystemClock
from evergrant.entropy import SeededEntropy
from evergrant.issuer.service.timekeeping import follow
from evergrant.store.memory import MemoryStore
from evergrant.store.postgres import PostgresStore
from evergrant.testing import specimens
from evergrant.testing.presenting import Presenter, ring


class Skewed(SystemClock):
    """A machine whose clock is off."""

    def __init__(self, skew):
        self.skew = skew
        super().__init__()

    def own(self):
        return super().own() + self.skew


@pytest.fixture
async def store(database):
    opened = PostgresStore.open(database)
    yield opened
    await opened.close()


@pytest.mark.needs("postgres")
async def test_o_10_nodes_thirty_seconds_apart_have_one_time_and_one_overlap(store, caplog):
    early, late = Skewed(-30), Skewed(30)
    with caplog.at_level(logging.WARNING):
        assert abs(await follow(store, early) - 30) <= 1
        assert abs(await follow(store, late) + 30) <= 1
    assert abs(early.now() - late.now()) <= 2
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert (early.jumps(), late.jumps(), early.suspect, late.suspect) == (0, 0, False, False)
    presenter = Presenter(store, SeededEntropy("skew"), ring())
    first = await presenter.begin(specimens.family(absolute_end=2**40, head=specimens.head(idle_end=2**40)))
    second = (await presenter.present(first, early.now())).token
    assert (await presenter.present(first, late.now())).token == second, "a retry at the other node is no theft"


@pytest.mark.needs("postgres")
async def test_o_10_a_clock_that_is_right_is_left_alone_and_one_put_right_is_followed_no_more(store):
    right = SystemClock()
    assert await follow(store, right) == 0
    assert (right.offset, right.jumps()) == (0, 0)
    wrong = Skewed(400)
    await follow(store, wrong)
    wrong.skew = 0
    assert await follow(store, wrong) == 0
    assert abs(wrong.now() - SystemClock().now()) <= 1
    assert wrong.jumps() >= 0


async def test_a_store_without_a_clock_and_a_simulated_clock_change_nothing():
    clock = SystemClock()
    assert await follow(MemoryStore(), clock) is None
    assert await follow(MemoryStore(), FixedClock()) is None
    assert clock.offset == 0


def test_o_09_when_what_is_followed_jumps_that_is_a_step_like_any_other():
    clock = Skewed(0)
    clock.follow(20)
    clock.now()
    assert clock.jumps() == 0
    clock.follow(45)
    clock.now()
    assert (clock.jumps(), clock.jumped(), clock.suspect) == (1, 25, False)
    clock.follow(45 + 301)
    clock.now()
    assert clock.suspect
