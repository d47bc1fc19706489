"""A clock that jumps under a running server (O-09): nobody honest is ended by it, and nothing that ended comes back.

Housekeeping runs every second, so that a wrong clock has every chance to sweep what it should not.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.faults.client import KINDS, Holder, Wanted, furnish, get, post, refresh
from tests.faults.judging import Look, count
from tests.faults.place import PLAIN, Place, placed, wait_for

HOUR: Final = 3_600
DAY: Final = 86_400
WEEK: Final = 7 * DAY
SEED: Final = 9
OPTIONS: Final = {"EVERGRANT_HOUSEKEEPING_INTERVAL": "1s"}


@contextmanager
def running(folder, workers: int = 1) -> Iterator[tuple[Place, list[Holder]]]:
    with placed(folder, workers, module=PLAIN, environment=OPTIONS) as place:
        holders = furnish(place.data, Wanted(KINDS))
        place.start()
        yield place, holders


def step(place: Place, seconds: int) -> None:
    """Let the wall clock be wrong by so much, as a wrong time server would."""
    scratch = place.folder / "clock.new"
    scratch.write_text(f"0 {seconds}")
    scratch.rename(place.folder / "clock")


def noticed(place: Place, before: float) -> None:
    """Wait until every worker has told of a step since *before*: housekeeping does, when its round is over."""
    assert wait_for(lambda: steps_noticed(place) >= before + place.workers, 20)


def swept(place: Place, before: float) -> None:
    """Wait until housekeeping has gone by the new time; while the clock is suspect it rests, and changes no lease."""
    noticed(place, before)
    lease = rounds(place)
    wait_for(lambda: rounds(place) != lease, 2)


def rounds(place: Place) -> int:
    """A number that housekeeping changes each round: until when it holds its lease."""
    return count(place.database, "SELECT coalesce(max(ends), 0) FROM bucket WHERE key LIKE 'lease %'")


def steps_noticed(place: Place) -> float:
    lines = get(place, "/metrics").body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("evergrant_clock_steps_total"))


@pytest.mark.parametrize("jump", [-HOUR, HOUR, DAY, WEEK, -WEEK])
def test_o_09_a_head_is_refreshed_whatever_the_clock_says_and_lives_on_when_it_is_right_again(tmp_path, jump):
    with running(tmp_path) as (place, holders):
        for wrong in (jump, 0, jump, 0):
            step(place, wrong)
            for holder in holders:
                reply = refresh(place, holder)
                assert reply.status == 200, f"clock wrong by {wrong}: {reply.body!r}"
                assert refresh(place, holder).token == reply.token, "a repeat is a repeat by any clock"
                holder.token = reply.token
        for holder in holders:
            look = Look(place.database, holder.family)
            look.agrees_with_itself()
            assert look.row["ended_at"] is None
            assert look.generation == 4 * holder.kind.rotates


@pytest.mark.parametrize("jump", [200, HOUR, WEEK])
def test_o_09_a_lost_answer_and_a_clock_that_is_put_ahead_or_right_is_no_theft(tmp_path, jump):
    """Two hundred seconds raise no suspicion, and are more than the overlap of a public client."""
    with running(tmp_path) as (place, holders):
        for wrong, right in ((0, jump), (-jump, 0)):
            step(place, wrong)
            lost = {holder.kind: refresh(place, holder).token for holder in holders}
            told = steps_noticed(place)
            step(place, right)
            swept(place, told)
            for holder in holders:
                reply = refresh(place, holder)
                assert (reply.status, reply.token) == (200, lost[holder.kind]), f"{wrong} s, then {right} s"
                holder.token = reply.token
                assert Look(place.database, holder.family).row["ended_at"] is None


def test_o_09_while_the_clock_is_wrong_housekeeping_sweeps_nothing_and_says_why(tmp_path):
    with running(tmp_path) as (place, holders):
        before = Look(place.database, holders[0].family).others
        for jump in (400 * DAY, -400 * DAY):
            told = steps_noticed(place)
            step(place, jump)
            assert wait_for(lambda told=told: steps_noticed(place) > told, 20)
            assert Look(place.database, holders[0].family).others == before
        step(place, 0)
        assert [refresh(place, holder).status for holder in holders] == [200, 200, 200]
        assert "the clock stepped" in place.log.read_text()


def test_o_09_inv_5_no_clock_brings_back_what_was_ended(tmp_path):
    with running(tmp_path) as (place, holders):
        for holder in holders:
            assert post(place, "/revoke", holder, token=holder.token).status == 200
        for jump in (-HOUR, -WEEK, DAY, 0):
            step(place, jump)
            for holder in holders:
                assert refresh(place, holder).error == "invalid_grant"
            place.restart()


def test_o_09_a_theft_is_still_found_while_the_clock_is_suspect(tmp_path):
    """An older ancestor needs no clock to be recognised."""
    with running(tmp_path) as (place, (holder, *_)):
        first = holder.token
        second = refresh(place, holder, first).token
        third = refresh(place, holder, second).token
        step(place, HOUR)
        assert refresh(place, holder, first).error == "invalid_grant"
        assert refresh(place, holder, third).error == "invalid_grant"
        assert Look(place.database, holder.family).row["reason"] == "reuse"


@pytest.mark.parametrize(("workers", "steps"), [(1, 40), (2, 10)])
def test_o_09_inv_6_many_steps_with_lost_answers_and_kills_and_nobody_is_lost(tmp_path, workers, steps):
    chance = random.Random(SEED)
    with running(tmp_path, workers) as (place, holders):
        wrong = kept = 0
        for number in range(steps):
            told, before, wrong = (
                steps_noticed(place),
                wrong,
                chance.choice((0, 45, -45, 200, -200, HOUR, -HOUR, DAY, -DAY)),
            )
            step(place, wrong)
            if workers > 1 and wrong != before:
                noticed(place, told)  # a worker that was asked nothing meanwhile hears of it from housekeeping
            for holder in holders:
                reply = refresh(place, holder)
                assert reply.status == 200, f"seed {SEED}, step {number} ({wrong} s): {reply.body!r}"
                if chance.random() < 0.7:
                    kept += 1
                    holder.token = reply.token
            if number % 10 == 9:
                # Whoever starts after the clock was put right cannot know that it was wrong; so nothing is lost here.
                for holder in holders:
                    holder.token = refresh(place, holder).token
                wrong = 0
                step(place, wrong)
                place.restart()
        for holder in holders:
            assert refresh(place, holder).status == 200
            look = Look(place.database, holder.family)
            look.agrees_with_itself()
            assert look.row["ended_at"] is None
        print(f"{steps} steps, {kept} answers kept")
