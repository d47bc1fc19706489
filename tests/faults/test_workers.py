"""Several workers of which some die: the others go on, the dead are replaced, and no orphan holds the address."""

import os
import signal
from contextlib import contextmanager

import pytest

from tests.faults.client import KINDS, Wanted, furnish, get, refresh
from tests.faults.judging import Look, sound
from tests.faults.place import PLAIN, group, placed, wait_for


@contextmanager
def running(folder):
    with placed(folder, 2, module=PLAIN) as place:
        holders = furnish(place.data, Wanted(KINDS))
        place.start()
        yield place, holders


def refreshed(place, holders):
    """Every client gets on."""
    for holder in holders:
        reply = refresh(place, holder)
        assert reply.status == 200, reply.body
        holder.token = reply.token


def test_o_01_workers_killed_one_after_the_other_are_replaced_and_nobody_waits_for_them(tmp_path):
    with running(tmp_path) as (place, holders):
        refreshed(place, holders)
        for _ in range(4):
            assert wait_for(lambda: len(place.servants) == 2)
            victim = place.servants[0]
            os.kill(victim, signal.SIGKILL)
            refreshed(place, holders)
            assert wait_for(lambda victim=victim: victim not in place.servants and len(place.servants) == 2)
        assert get(place, "/readyz").status == 200
        assert place.terminate() == 0
        sound(place.database)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGABRT])
def test_o_01_workers_leave_when_their_parent_died_so_that_the_next_start_gets_the_address(tmp_path, how):
    with running(tmp_path) as (place, holders):
        refreshed(place, holders)
        parent, servants = place.pid, place.servants
        assert len(servants) == 2
        os.kill(parent, how)
        assert wait_for(lambda: not group(parent), 20), "orphans hold the address"
        place.left_alone()
        place.start()
        refreshed(place, holders)


def test_o_01_a_parent_that_dies_while_its_workers_are_starting_leaves_none_behind(tmp_path):
    with running(tmp_path) as (place, holders):
        for _ in range(3):
            os.kill(place.pid, signal.SIGKILL)  # the line that it listens comes before its workers do
            place.left_alone()
            place.start()
        refreshed(place, holders)
        for holder in holders:
            Look(place.database, holder.family).agrees_with_itself()
