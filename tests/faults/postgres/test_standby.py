"""What a synchronous standby promises: whatever is told, it has, however the wait for it ends."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.client import KINDS, PUBLIC, Wanted, furnish, post, refresh
from tests.faults.judging import Look
from tests.faults.place import wait_for
from tests.faults.postgres.trouble import Scene, goes_on, over, unavailable
from tests.postgres.nodes import noded, started

pytestmark = pytest.mark.needs("postgres")
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def scene(tmp_path, pair):
    with pair() as servers, noded(tmp_path, servers.url, 2) as nodes:
        holders = furnish(nodes[0].data, Wanted(KINDS), servers.url)
        started(nodes)
        yield servers, Scene(nodes, holders, servers.primary.url())


def test_o_03_nothing_is_told_that_the_standby_does_not_have(scene):
    """The standby stops to follow: a refresh is committed here, not there, and not told; it is told once it is."""
    servers, clients = scene
    holder = clients.holders[0]
    with ThreadPoolExecutor(2) as pool:
        servers.hold_back()
        waiting = pool.submit(refresh, clients.node, holder, patience=60)
        assert wait_for(lambda: servers.primary.ask(WAITING), 10)
        assert not waiting.done()
        servers.link.mend()
        reply = waiting.result(60)
    assert reply.status == 200
    holder.token = reply.token
    over(clients)


def test_o_03_nothing_is_told_when_the_wait_for_the_standby_is_broken_off(scene):
    """PostgreSQL then says that it committed, with a warning that the standby may not have it: that is no answer."""
    servers, clients = scene
    with ThreadPoolExecutor(4) as pool:
        servers.hold_back()
        for ask in (
            lambda: refresh(clients.node, clients.holders[0], patience=60),
            lambda: post(clients.node, "/revoke", clients.holders[1], 60, token=clients.holders[1].token),
        ):
            waiting = pool.submit(ask)
            assert wait_for(lambda: servers.primary.ask(WAITING), 10)
            while not waiting.done():
                servers.primary.ask(f"SELECT pg_cancel_backend(pid) FROM ({WAITING}) waiting")
                time.sleep(0.05)
            assert unavailable(waiting.result()), "told although a failover now would lose it"
    servers.link.mend()
    assert wait_for(servers.required)
    goes_on(clients, clients.holders[0], spent=1)
    assert refresh(clients.node, clients.holders[1]).status == 400
    assert Look(clients.url, clients.holders[1].family).row["ended_at"] is not None


def test_o_08_a_standby_with_a_slow_disk_makes_commits_slow_and_nobody_is_refused(scene):
    """Every commit waits half a second for it; those that wait at the same time share the wait."""
    servers, clients = scene
    with ThreadPoolExecutor(12) as pool:
        servers.link.delay = 0.25
        began = time.monotonic()
        jobs = [pool.submit(refresh, node, each, patience=60) for each in clients.holders for node in clients.nodes * 2]
        replies = [job.result(60) for job in jobs]
        took = time.monotonic() - began
        servers.link.delay = 0.0
    assert {reply.status for reply in replies} == {200}
    assert len({reply.token for reply in replies}) == len(clients.holders)
    assert 0.25 < took < 30
    for at, holder in enumerate(clients.holders):
        holder.token = replies[at * 4].token
    over(clients)


def test_o_03_a_failover_in_that_moment_loses_nothing_that_was_told(scene):
    servers, clients = scene
    holder = next(each for each in clients.holders if each.kind is PUBLIC)
    before = Look(clients.url, holder.family)
    with ThreadPoolExecutor(2) as pool:
        servers.hold_back()
        waiting = pool.submit(refresh, clients.node, holder, patience=60)
        assert wait_for(lambda: servers.primary.ask(WAITING), 10)
        servers.fail_over()
        assert unavailable(waiting.result(60))
    clients.url = servers.primary.url()
    after = Look(clients.url, holder.family)
    assert (after.row, after.events) == (before.row, before.events)
    over(clients)
