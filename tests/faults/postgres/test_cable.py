"""The cable between nodes and their primary is pulled, or loses all packets one way, and nobody resets anything.

The primary is in a network namespace of its own, the nodes are not.
"""

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.client import CONFIDENTIAL, PUBLIC, Wanted, furnish, get, refresh
from tests.faults.history import OK, stored_wrongs, wrongs
from tests.faults.judging import Look
from tests.faults.place import wait_for
from tests.faults.postgres.trouble import in_trouble, over, played, unavailable
from tests.faults.storm import Storm
from tests.postgres.apart import WAYS, apart
from tests.postgres.failing_over import under_way
from tests.postgres.nodes import noded, started
from tests.postgres.postmaster import scratch

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.needs("namespaces"), pytest.mark.xdist_group("cable")]
BOUND = 15.0
"""Seconds after which at the latest a request is answered, whatever the silence (docs/operate/failover.md)."""
CROWD = 5.0
"""Seconds that a crowded machine may add to that."""


@pytest.fixture(scope="module")
def server():
    with scratch() as folder, apart(folder / "apart") as postmaster:
        yield postmaster


@pytest.fixture
def database(server, request):
    name = f"cut_{abs(hash(request.node.name))}"
    server.create(name)
    yield name
    server.cable.mend()


@pytest.mark.parametrize("way", WAYS)
def test_o_02_o_08_packets_that_nobody_answers_are_503_in_time_and_whole_again_it_goes_on(
    tmp_path, server, database, way
):
    beside = server.beside(database)
    with played(tmp_path, server.across(database), beside) as scene, ThreadPoolExecutor(4) as pool:
        before = [Look(beside, holder.family) for holder in scene.holders]
        server.cable.cut(way)
        began = time.monotonic()
        waiting = [pool.submit(refresh, scene.node, holder, patience=40) for holder in scene.holders]
        assert get(scene.node, "/healthz").status == 200
        assert all(unavailable(job.result(60)) for job in waiting)
        assert time.monotonic() - began < BOUND + CROWD
        in_trouble(scene)
        for look in before:
            after = Look(beside, look.family)
            assert (after.row, after.events) == (look.row, look.events), "nothing was committed, and nothing minted"
        server.cable.mend()
        over(scene)
        assert scene.node.starts == 1


@pytest.mark.timeout(600)
def test_o_02_inv_1_inv_6_clients_of_two_nodes_lose_nothing_to_a_cable_that_is_cut_in_every_way(
    tmp_path, server, database
):
    """For moments that the kernels make good, and for longer than anybody waits."""
    with noded(tmp_path, server.across(database), 2) as nodes:
        holders = furnish(nodes[0].data, Wanted((PUBLIC, CONFIDENTIAL), each=12, people=4), server.beside(database))
        started(nodes)

        async def cut(storm: Storm) -> None:
            chance = random.Random("cable")
            for way in WAYS:
                for seconds in (chance.uniform(0.2, 1), BOUND + 5):
                    await under_way(storm)
                    await asyncio.to_thread(server.cable.cut, way)
                    storm.counts.troubles += 1
                    await asyncio.sleep(seconds)
                    await asyncio.to_thread(server.cable.mend)
            await under_way(storm)

        storm = Storm(nodes[0], holders, [1] * len(holders), 1, 0.05, others=(nodes[1],))
        asyncio.run(storm.rage(cut))
        print(storm.counts)
        assert storm.counts.troubles == 2 * len(WAYS)
        assert storm.counts.unavailable > 0
        assert [wrong for history in storm.histories for wrong in wrongs(history)] == []
        assert stored_wrongs(server.beside(database), storm.histories) == []
        assert {refresh(node, holder).status for node in nodes for holder in holders} == {OK}
        assert wait_for(lambda: all(get(node, "/readyz").status == 200 for node in nodes))
        assert [node.starts for node in nodes] == [1, 1]
        for node in nodes:
            assert "Traceback" not in node.log.read_text()
