"""kill -9 of PostgreSQL itself at every point of a rotation: all of the refresh or nothing, and one successor."""

from collections.abc import Callable

import pytest

from tests.faults.client import KINDS, get, refresh
from tests.faults.judging import REFRESHED, ROTATED, Look
from tests.faults.place import wait_for
from tests.faults.postgres.trouble import over, staged, unavailable
from tests.postgres.postmaster import Postmaster
from tests.postgres.proxy import Proxy

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.xdist_group("server-crash-points")]
LOCK, WRITE = b"evergrant_lock", b"evergrant_update"


def at(word: bytes, kill: Callable[[], None]) -> Callable[[bytes], bool]:
    """Kill at the first piece that holds *word*."""
    left = [1]

    def seen(data: bytes) -> bool:
        if word not in data or not left:
            return False
        left.clear()
        kill()
        return True

    return seen


def before_it_locks(wire: Proxy, server: Postmaster) -> None:
    wire.on_request = at(LOCK, server.kill)


def as_it_locks(wire: Proxy, server: Postmaster) -> None:
    wire.on_passed = at(LOCK, server.kill)


def before_it_writes(wire: Proxy, server: Postmaster) -> None:
    wire.on_request = at(WRITE, server.kill)


def as_it_writes_and_commits(wire: Proxy, server: Postmaster) -> None:
    wire.on_passed = at(WRITE, server.kill)


def after_the_commit(wire: Proxy, server: Postmaster) -> None:
    def done() -> bool:
        wire.on_commit = None
        server.kill()
        return True

    wire.on_commit = done


POINTS = {
    before_it_locks: False, as_it_locks: False, before_it_writes: False, as_it_writes_and_commits: None,
    after_the_commit: True,
}  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory, postmaster, _wire):
    postmaster.create("crashed")
    with staged(tmp_path_factory.mktemp("crashed"), postmaster, _wire, "crashed", 2) as scene:
        yield scene


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.__name__)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_cp_2_cp_3_cp_4_cp_5_killed(scene, postmaster, wire, point, kind):
    holder = next(each for each in scene.holders if each.kind == kind)
    presented = holder.token = refresh(scene.node, holder).token  # its lines are open, whatever came before
    before = Look(scene.url, holder.family)
    point(wire, postmaster)
    try:
        lost = refresh(scene.node, holder, patience=60)
        assert postmaster.process is None, "the point was never passed"
    finally:
        wire.mend()
        if postmaster.process is None:
            postmaster.start()
    # Killed as it commits, it may have told so with its last breath.
    assert unavailable(lost) or POINTS[point] is None
    assert wait_for(lambda: all(get(node, "/readyz").status == 200 for node in scene.nodes), 30)
    after = Look(scene.url, holder.family)
    after.agrees_with_itself()
    assert after.others == before.others
    rotated = after.generation - before.generation
    if POINTS[point] is not None:
        assert rotated == (POINTS[point] and kind.rotates)
        what = ROTATED if kind.rotates else REFRESHED
        assert len(after.told(what)) - len(before.told(what)) == POINTS[point]
    if not rotated and kind.rotates:
        assert (after.row, after.events) == (before.row, before.events)
    again = [refresh(node, holder, presented, patience=60) for node in (*scene.nodes, *scene.nodes)]
    assert [reply.status for reply in again] == [200] * 4, [reply.body for reply in again]
    tokens = {reply.token for reply in (*again, *([lost] if lost.status == 200 else []))}
    assert len(tokens) == 1, "two successors of one token"
    assert Look(scene.url, holder.family).generation == before.generation + kind.rotates
    holder.token = again[0].token
    over(scene)
