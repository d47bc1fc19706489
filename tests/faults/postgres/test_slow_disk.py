"""The primary's disk is slow: refreshes take as long as a sync, more of them share one, and none is lost or doubled."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.client import CONFIDENTIAL, PUBLIC, Wanted, furnish, get, refresh
from tests.faults.history import OK, stored_wrongs, wrongs
from tests.faults.judging import Look
from tests.faults.place import wait_for
from tests.faults.postgres.trouble import goes_on, over, played, unavailable
from tests.faults.storm import Storm
from tests.postgres.failing_over import under_way
from tests.postgres.nodes import noded, started
from tests.postgres.postmaster import scratch
from tests.postgres.slow_disk import slow_disk

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.needs("cc"), pytest.mark.xdist_group("slow-disk")]
SLOW = 0.5
TOO_SLOW = 20.0
BOUND = 15.0
"""Seconds after which at the latest a request is answered, whatever the silence (docs/operate/failover.md)."""
CROWD = 5.0
"""Seconds that a crowded machine may add to that."""


@pytest.fixture(scope="module")
def server():
    with scratch() as folder, slow_disk(folder / "slow") as postmaster:
        yield postmaster


@pytest.fixture
def url(server, request):
    name = f"slow_{abs(hash(request.node.name))}"
    server.create(name)
    yield server.url(database=name)
    server.take(0)


def settled(nodes) -> tuple[float, float]:
    """How many settles were committed at the nodes, and in how many commits."""
    told = [line for node in nodes for line in get(node, "/metrics").body.decode().splitlines()]
    return tuple(
        sum(float(line.rpartition(" ")[2]) for line in told if line.startswith(f"evergrant_settle_batch_size_{what} "))
        for what in ("sum", "count")
    )


@pytest.mark.timeout(300)
def test_o_08_the_slower_the_disk_the_more_refreshes_share_a_commit_and_nobody_is_refused(tmp_path, server, url):
    clients = 96
    with noded(tmp_path, url, 2) as nodes:
        wanted = Wanted((PUBLIC, CONFIDENTIAL), each=clients // 2, people=4, browsers=8)
        holders = furnish(nodes[0].data, wanted, url)
        started(nodes)
        shared, synced = [], []

        async def slower(storm: Storm) -> None:
            for seconds in (0.0, SLOW):
                await under_way(storm)
                server.take(seconds)
                await under_way(storm)
                before, syncs = await asyncio.to_thread(settled, nodes), server.syncs
                for _ in range(4):
                    await under_way(storm)
                after = await asyncio.to_thread(settled, nodes)
                shared.append((after[0] - before[0]) / (after[1] - before[1]))
                synced.append((after[0] - before[0]) / (server.syncs - syncs))
            server.take(0)

        storm = Storm(nodes[0], holders, [1] * clients, 1, 0.01, others=(nodes[1],))
        asyncio.run(storm.rage(slower))
        print(f"settles in a commit: {shared}, in a sync: {synced}; {storm.counts}")
        assert shared[1] > shared[0]
        assert synced[1] > 8, "one sync each would be a fraction of what was answered"
        assert storm.counts.unavailable < storm.counts.refreshes / 100, "on a crowded machine a few come again"
        assert storm.counts.longest_wait > SLOW
        assert [wrong for history in storm.histories for wrong in wrongs(history)] == []
        assert stored_wrongs(url, storm.histories) == []


def test_o_08_a_sync_that_takes_seconds_is_waited_for(tmp_path, server, url):
    with played(tmp_path, url, url) as scene, ThreadPoolExecutor(4) as pool:
        server.take(3.0)
        began = time.monotonic()
        replies = list(pool.map(lambda holder: refresh(scene.node, holder, patience=40), scene.holders))
        assert time.monotonic() - began > 3.0
        server.take(0)
        assert [reply.status for reply in replies] == [200] * len(scene.holders)
        for holder, reply in zip(scene.holders, replies, strict=True):
            holder.token = reply.token
        over(scene)


def test_o_08_a_sync_that_takes_longer_than_anybody_waits_is_503_in_time_and_its_repeat_the_same_successor(
    tmp_path, server, url
):
    with played(tmp_path, url, url) as scene, ThreadPoolExecutor(4) as pool:
        before = [Look(url, holder.family).generation for holder in scene.holders]
        server.take(TOO_SLOW)
        began = time.monotonic()
        waiting = [pool.submit(refresh, scene.node, holder, patience=60) for holder in scene.holders]
        assert get(scene.node, "/healthz").status == 200
        assert all(unavailable(job.result(60)) for job in waiting)
        assert time.monotonic() - began < BOUND + CROWD
        server.take(0)
        assert wait_for(lambda: all(get(node, "/readyz").status == OK for node in scene.nodes), 60)
        assert wait_for(lambda: server.ask(_COMMITTING) == [(0,)]), "a sync without end"
        for holder, was in zip(scene.holders, before, strict=True):
            spent = Look(url, holder.family).generation - was
            assert spent in {0, holder.kind.rotates}, "committed once or not at all, and told to nobody"
            goes_on(scene, holder, spent=spent)
        assert scene.node.starts == 1
        assert "Traceback" not in scene.node.log.read_text()


_COMMITTING = (
    "SELECT count(*) FROM pg_stat_activity WHERE query ~* 'commit' AND state = 'active' AND pid <> pg_backend_pid()"
)
