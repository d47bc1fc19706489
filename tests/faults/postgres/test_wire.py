"""The network between a node and its primary fails in every way: 503 while it does, nothing lost, no restart."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.client import PUBLIC, get, refresh
from tests.faults.judging import ROTATED, Look
from tests.faults.place import wait_for
from tests.faults.postgres.trouble import goes_on, in_trouble, over, staged, unavailable
from tests.postgres.proxy import WRITES

pytestmark = pytest.mark.needs("postgres")


def test_o_08_a_primary_that_cannot_be_reached_is_503_until_it_can(tmp_path, postmaster, wire, database):
    with staged(tmp_path, postmaster, wire, database) as scene:
        for _ in range(2):
            wire.cut()
            in_trouble(scene)
            wire.mend()
            over(scene)


def test_o_02_packets_that_get_lost_are_503_in_time_and_nothing_is(tmp_path, postmaster, wire, database):
    with staged(tmp_path, postmaster, wire, database) as scene, ThreadPoolExecutor(4) as pool:
        wire.stall()
        waiting = [pool.submit(refresh, scene.node, holder, patience=40) for holder in scene.holders]
        began = time.monotonic()
        assert get(scene.node, "/healthz").status == 200
        assert all(unavailable(job.result(60)) for job in waiting)
        assert time.monotonic() - began < 30
        wire.mend()
        over(scene)


def test_o_02_packets_that_are_late_are_waited_for(tmp_path, postmaster, wire, database):
    with staged(tmp_path, postmaster, wire, database) as scene:
        wire.delay = 0.15
        for holder in scene.holders:
            reply = refresh(scene.node, holder)
            assert reply.status == 200
            holder.token = reply.token
        wire.delay = 0.0
        over(scene)


def test_o_02_a_primary_that_half_closes_its_connections_is_left(tmp_path, postmaster, wire, database):
    with staged(tmp_path, postmaster, wire, database) as scene:
        wire.half_close()
        over(scene)


@pytest.mark.parametrize("count", [1, 3])
def test_o_02_a_commit_whose_reply_is_lost_is_503_and_its_repeat_the_same_successor(
    tmp_path, postmaster, wire, database, count
):
    with staged(tmp_path, postmaster, wire, database, 2) as scene:
        for holder in scene.holders:
            before = Look(scene.url, holder.family)
            wire.lose_replies(count)
            lost = wire.lost_replies
            for attempt in range(count):
                assert unavailable(refresh(scene.nodes[attempt % 2], holder))
            assert wire.lost_replies == lost + count
            done = Look(scene.url, holder.family)
            assert done.generation == before.generation + holder.kind.rotates, "committed once, told never"
            wire.mend()
            goes_on(scene, holder, spent=holder.kind.rotates)
            assert Look(scene.url, holder.family).told(ROTATED) == list(
                range(1, done.generation + 1 + holder.kind.rotates)
            )


def test_o_02_a_statement_that_never_arrives_is_503_or_tried_again_and_changes_nothing_twice(
    tmp_path, postmaster, wire, database
):
    with staged(tmp_path, postmaster, wire, database) as scene:
        for holder in scene.holders:
            lost = []

            def lose(data: bytes, lost=lost) -> bool:
                if any(word in data for word in WRITES) or b"evergrant_update" in data:
                    lost.append(data)
                return len(lost) == 1

            wire.on_request = lose
            before = Look(scene.url, holder.family)
            reply = refresh(scene.node, holder)
            assert lost
            wire.mend()
            if unavailable(reply):
                after = Look(scene.url, holder.family)
                assert (after.row, after.events) == (before.row, before.events)
            goes_on(scene, holder, spent=holder.kind.rotates and reply.status == 200)


def test_o_20_stopping_while_the_primary_is_silent_ends_in_time(tmp_path, postmaster, wire, database):
    with staged(tmp_path, postmaster, wire, database, kinds=(PUBLIC,)) as scene, ThreadPoolExecutor(1) as pool:
        wire.stall()
        waiting = pool.submit(refresh, scene.node, scene.holders[0], patience=60)
        assert not wait_for(waiting.done, 0.5)
        scene.node.process.send_signal(signal.SIGTERM)
        assert waiting.result(60).status in {503, 0}
        assert scene.node.stopped() == 0
        wire.mend()
        scene.node.start()
        over(scene)
