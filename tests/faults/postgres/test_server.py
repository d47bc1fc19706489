"""The PostgreSQL server itself is in trouble: restarted, killed, frozen, read-only, crowded, or its disk is full."""

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.faults.client import PUBLIC, get, refresh
from tests.faults.place import wait_for
from tests.faults.postgres.trouble import goes_on, in_trouble, over, staged, unavailable
from tests.postgres.disk import disk_of
from tests.postgres.postmaster import USER, Postmaster, children, running, scratch
from tests.postgres.proxy import proxied

pytestmark = pytest.mark.needs("postgres")
MOST = 2_000
PATIENT = 4.0
"""Seconds for which a row is waited for, at least; a crowded machine may hold it for longer than it was told to."""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
def test_o_01_a_server_that_is_stopped_or_killed_and_started_again_loses_nothing(
    tmp_path, postmaster, wire, database, how
):
    with staged(tmp_path, postmaster, wire, database) as scene:
        if how is signal.SIGKILL:
            postmaster.kill()
        else:
            postmaster.stop(how)
        in_trouble(scene, looks=False)
        postmaster.start()
        over(scene)


def test_o_02_a_server_that_is_restarted_between_two_refreshes_is_not_felt(tmp_path, postmaster, wire, database):
    with staged(tmp_path, postmaster, wire, database) as scene:
        postmaster.restart()
        for holder in scene.holders:
            goes_on(scene, holder)


def test_o_08_a_server_that_is_frozen_for_a_moment_is_waited_for(tmp_path, postmaster, wire, database):
    """As when its disk, or the whole machine, stands still."""
    with staged(tmp_path, postmaster, wire, database) as scene, ThreadPoolExecutor(4) as pool:
        frozen = [postmaster.process.pid, *children(postmaster.process.pid)]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            waiting = [pool.submit(refresh, scene.node, holder, patience=40) for holder in scene.holders]
            assert not any(wait_for(job.done, 0.5) for job in waiting)
            assert get(scene.node, "/healthz").status == 200
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        for holder, job in zip(scene.holders, waiting, strict=True):
            reply = job.result(60)
            assert reply.status == 200, reply.body
            holder.token = reply.token
        over(scene)


def test_o_08_a_server_that_becomes_read_only_is_503_until_it_takes_writes(tmp_path, postmaster, wire, database):
    with staged(tmp_path, postmaster, wire, database) as scene:
        postmaster.set(default_transaction_read_only="on")
        try:
            assert wait_for(lambda: postmaster.ask("SHOW default_transaction_read_only") == [("on",)])
            in_trouble(scene)
        finally:
            postmaster.set(default_transaction_read_only="off")
        assert wait_for(lambda: postmaster.ask("SHOW default_transaction_read_only") == [("off",)])
        over(scene)


def test_o_08_a_server_without_a_free_connection_is_503_until_there_is_one(tmp_path, postmaster, wire, database):
    """Its connections are ended, and there is no place for new ones."""
    with staged(tmp_path, postmaster, wire, database) as scene:
        postmaster.ask(f"ALTER ROLE {USER} CONNECTION LIMIT 0")
        try:
            postmaster.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", USER)
            in_trouble(scene, looks=False)
        finally:
            postmaster.ask(f"ALTER ROLE {USER} CONNECTION LIMIT -1")
        over(scene)


def test_o_04_a_replica_is_never_asked_for_a_decision(tmp_path, pair):
    """The wire leads to the standby, as a name that was moved too early."""
    with pair() as servers, proxied(lambda: servers.primary.port) as wire:
        target = [servers.primary]
        wire.lead(lambda: target[0].port)
        with staged(tmp_path, servers.primary, wire, "evergrant") as scene:
            target[0] = servers.standby
            wire.cut()
            wire.mend()
            in_trouble(scene)
            servers.fail_over()
            scene.url = servers.primary.url()
            over(scene)


@pytest.mark.needs("mount")
@pytest.mark.parametrize("left", [0, 3_000_000])
def test_o_08_a_server_whose_disk_is_full_is_503_until_there_is_space_again(tmp_path, left):
    """With no byte left its log cannot grow, and it leaves; with some, a table cannot, and it says so."""
    with (
        scratch() as folder,
        disk_of(folder / "one", "96m") as disk,
        running(folder / "one") as server,
        proxied(lambda: server.port) as wire,
        staged(tmp_path, server, wire, "evergrant") as scene,
    ):
        disk.fill(left)
        if left:
            _eat(server)
        assert unavailable(_felt(scene))
        for holder in scene.holders:  # a server that started anew may have found some room
            reply = refresh(scene.node, holder, patience=40)
            if not unavailable(reply):
                holder.token = reply.token
        assert get(scene.node, "/healthz").status == 200
        disk.empty()
        _going(server)
        over(scene)


def _eat(server: Postmaster) -> None:
    """Give what is left to a table that is not logged: then the log has room in what it has begun, and no table any."""
    server.ask("CREATE UNLOGGED TABLE ballast (filler text)")
    with contextlib.suppress(psycopg.errors.DiskFull):
        while True:
            server.ask("INSERT INTO ballast SELECT repeat('x', 2000) FROM generate_series(1, 100)")


def _felt(scene):
    """Refresh until a full disk is felt: there is room in the pages and the log that were begun."""
    for _ in range(MOST):
        for holder in scene.holders:
            reply = refresh(scene.node, holder, patience=40)
            if unavailable(reply):
                return reply
            holder.token = reply.token
    raise AssertionError(f"{MOST} refreshes of each client and no trouble")


def _going(server: Postmaster) -> None:
    """A server that left for want of space is started by whoever made the space."""
    if server.process is not None and server.process.poll() is not None:
        server.process = None
        server.start()
    assert wait_for(server.answers)


def test_o_05_rows_that_somebody_holds_for_long_are_503_and_then_it_goes_on(tmp_path, postmaster, wire, database):
    with staged(tmp_path, postmaster, wire, database, 2) as scene, ThreadPoolExecutor(8) as pool:
        with psycopg.connect(scene.url) as other:
            held, began = scene.holders[0], time.monotonic()
            other.execute("SELECT FROM evergrant.family WHERE id = %s FOR UPDATE", (held.family,))
            late = pool.submit(refresh, scene.node, held, patience=60)
            for holder in scene.holders[1:]:
                reply = refresh(scene.nodes[1], holder)
                assert reply.status == 200, "a row that is held concerns nobody else"
                holder.token = reply.token
            assert not late.done() or time.monotonic() - began > PATIENT, "waiting for another is not a refusal"
            other.rollback()
            short = time.monotonic() - began < PATIENT
        waited = late.result(60)
        if not unavailable(waited):
            held.token = waited.token
        elif short:
            pytest.fail("a short hold is waited for")
        over(scene)


def test_o_19_one_connection_for_a_whole_unit_of_work_however_few_there_are(tmp_path, postmaster, wire, database):
    kinds = (PUBLIC,)
    with staged(tmp_path, postmaster, wire, database, kinds=kinds) as scene, ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: refresh(scene.node, scene.holders[0], patience=40), range(32)))
        assert {reply.status for reply in replies} == {200}
        (scene.holders[0].token,) = {reply.token for reply in replies}
        over(scene)
