"""Trouble with the disk under a running server (O-08): 503 and nothing half done, and it goes on when the disk does."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import apsw
import pytest

from tests.faults import crash_points as points
from tests.faults.client import KINDS, PUBLIC, Wanted, furnish, get, refresh
from tests.faults.disks import FailingDisk, largest_file, read_only, small_disk
from tests.faults.judging import Look, sound
from tests.faults.place import PLAIN, Place, placed, wait_for

MOST = 400  # refreshes until a full disk is felt: the log is written over before it grows


def unavailable(reply) -> bool:
    """Whether an answer is the one for a store in trouble, exactly; anything else that is no 200 is a failure."""
    if reply.status == 200:
        return False
    assert (reply.status, reply.error) == (503, "temporarily_unavailable"), reply
    assert int(reply.retry_after) >= 1
    return True


def timed(place, holder):
    """One refresh, and how many seconds it took."""
    began = time.monotonic()
    return refresh(place, holder), time.monotonic() - began


def until_unavailable(place, holder) -> int:
    """Refresh until the trouble is felt; how many times that went well."""
    for count in range(MOST):
        reply = refresh(place, holder)
        if unavailable(reply):
            return count
        holder.token = reply.token
    raise AssertionError(f"{MOST} refreshes and no trouble")


def in_trouble(place, holder) -> None:
    """Everything that must hold while nothing can be written."""
    before = Look(place.database, holder.family)
    before.agrees_with_itself()
    assert all(unavailable(refresh(place, holder)) for _ in range(3))
    assert get(place, "/healthz").status == 200, "a supervisor must not restart a server for its disk"
    assert wait_for(lambda: get(place, "/readyz").status == 503, 10)
    assert get(place, "/metrics").status == 200
    assert get(place, "/jwks").status == 200
    after = Look(place.database, holder.family)
    assert (after.row, after.events, after.others) == (before.row, before.events, before.others)


def over(place, holder) -> None:
    """The same token is answered by one successor, however often, and the client goes on."""
    assert wait_for(lambda: get(place, "/readyz").status == 200, 30)
    before = Look(place.database, holder.family)
    first, second = refresh(place, holder), refresh(place, holder)
    assert (first.status, second.status) == (200, 200), first.body
    assert first.token == second.token
    after = Look(place.database, holder.family)
    after.agrees_with_itself()
    assert after.generation == before.generation + holder.kind.rotates
    holder.token = first.token
    assert refresh(place, holder).status == 200
    assert "Traceback" not in place.log.read_text()


@contextlib.contextmanager
def running(folder, workers=1, **more) -> Iterator[tuple[Place, list]]:
    with placed(folder, workers, **more) as place:
        holders = furnish(place.data, Wanted(KINDS))
        place.start()
        yield place, holders


@pytest.mark.parametrize("workers", [1, 2])
def test_o_08_a_full_disk_is_503_until_there_is_space_again(tmp_path, workers):
    with placed(tmp_path, workers) as place, small_disk(place) as disk:
        holders = furnish(place.data, Wanted(KINDS))
        place.start()
        for holder in holders:
            disk.fill()
            until_unavailable(place, holder)
            in_trouble(place, holder)
            disk.empty()
            over(place, holder)
        disk.fill()
        assert place.terminate() == 0, "a full disk must not keep it from stopping in order"
        disk.empty()
        place.start()
        assert [refresh(place, holder).status for holder in holders] == [200, 200, 200]
        place.kill()
        sound(place.database)


def test_o_08_killed_on_a_full_disk_and_started_again_it_loses_nothing(tmp_path):
    with placed(tmp_path) as place, small_disk(place) as disk:
        (holder,) = furnish(place.data, Wanted((PUBLIC,)))
        place.start()
        disk.fill()
        until_unavailable(place, holder)
        place.kill()
        if not isinstance(disk, FailingDisk):
            assert not place.try_to_start() or unavailable(refresh(place, holder))
            assert "Traceback" not in place.log.read_text()
            place.kill()
        disk.empty()
        place.start()
        over(place, holder)


def test_o_08_a_log_that_may_not_grow_is_503_until_it_may(tmp_path):
    with running(tmp_path, module=PLAIN) as (place, holders):
        for holder in holders:
            log = place.database.with_name(f"{place.database.name}-wal")
            largest_file(place.pid, max(log.stat().st_size if log.exists() else 0, 65_536))
            until_unavailable(place, holder)
            in_trouble(place, holder)
            largest_file(place.pid, None)
            over(place, holder)


@pytest.mark.parametrize("trouble", sorted(points.DISK))
def test_o_08_whatever_the_disk_says_it_is_503_and_no_half_and_the_next_try_works(tmp_path, trouble):
    with running(tmp_path) as (place, holders):
        for holder in holders:
            place.arm(trouble)
            assert until_unavailable(place, holder) == 0
            in_trouble(place, holder)
            place.disarm()
            over(place, holder)


@pytest.mark.parametrize("trouble", sorted(points.DISK))
def test_o_01_killed_in_the_middle_of_that_trouble_it_loses_nothing(tmp_path, trouble):
    """After a sync that failed the commit may be in the log all the same: told as unavailable, found as done."""
    with running(tmp_path) as (place, holders):
        place.arm(trouble)
        for holder in holders:
            assert unavailable(refresh(place, holder))
        place.kill()
        place.disarm()
        place.start()
        for holder in holders:
            over(place, holder)


@pytest.mark.needs("mount")
def test_o_08_a_folder_that_becomes_read_only_stops_nobody_who_is_there_and_nobody_is_lost(tmp_path):
    with running(tmp_path, module=PLAIN) as (place, holders):
        with read_only(place.data) as refused:
            assert refused == "", refused
            for holder in holders:
                reply = refresh(place, holder)
                if not unavailable(reply):
                    holder.token = reply.token
            said = place.command("user", "disable", holders[0].person)
            assert said.returncode == 5
            assert said.stderr.splitlines()[0].endswith("read-only")
            place.kill()
            assert not place.try_to_start()
        place.start()
        for holder in holders:
            over(place, holder)
        assert "Traceback" not in place.log.read_text()


def test_o_08_a_log_that_nobody_can_write_costs_no_request(tmp_path):
    with running(tmp_path, module=PLAIN) as (place, holders):
        place.kill()
        command = place.command
        with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
            place.launch(full)
            for holder in holders:
                assert wait_for(lambda: get(place, "/healthz").status == 200)
                assert refresh(place, holder, holder.token[:-4]).status == 400, "a refusal, which is logged"
                over(place, holder)
        assert json.loads(command("user", "list", "--json").stdout)


# ---- another process holds the database


def test_o_05_held_by_another_process_for_too_long_is_503_and_then_it_goes_on(tmp_path):
    with running(tmp_path, module=PLAIN) as (place, holders), ThreadPoolExecutor(8) as pool:
        other = apsw.Connection(str(place.database))
        other.execute("BEGIN IMMEDIATE")
        waiting = [pool.submit(timed, place, holder) for holder in [*holders, *holders]]
        assert get(place, "/healthz").status == 200
        assert get(place, "/jwks").status == 200
        for reply, took in (job.result(60) for job in waiting):
            assert unavailable(reply)
            assert took > 1, "waiting for another is not a refusal"
        other.execute("ROLLBACK")
        for holder in holders:
            over(place, holder)
        other.execute("BEGIN IMMEDIATE")
        late = pool.submit(refresh, place, holders[0])
        assert not wait_for(late.done, 1)
        other.execute("ROLLBACK")
        other.close()
        assert late.result(60).status == 200, "a short hold is waited for"


@pytest.mark.parametrize("workers", [1, 2])
def test_o_20_stopping_while_the_database_is_held_ends_in_time(tmp_path, workers):
    with running(tmp_path, workers, module=PLAIN) as (place, holders), ThreadPoolExecutor(1) as pool:
        other = apsw.Connection(str(place.database))
        other.execute("BEGIN IMMEDIATE")
        waiting = pool.submit(refresh, place, holders[0])
        assert not wait_for(waiting.done, 0.5)
        os.kill(place.pid, signal.SIGTERM)
        assert waiting.result(60).status in {503, 0}
        assert place.stopped() == 0
        other.execute("ROLLBACK")
        other.close()
        place.start()
        over(place, holders[0])
