"""kill -9 at every numbered point of one rotation (part 3 of the attack catalogue): nobody lost, no second successor.

Each crash: a client refreshes, the server dies at the point, starts again on the same database, and the client
presents its old token. With two workers, or two nodes over PostgreSQL, the one that was asked dies first and the other
goes on; the client is answered by that one, and again by the one that was started again.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.faults import crash_points as points
from tests.faults.client import CONFIDENTIAL, KINDS, PUBLIC, REUSABLE, Holder, Reply, Wanted, furnish, refresh
from tests.faults.judging import REFRESHED, ROTATED, Look
from tests.faults.place import ARMED, Place, placed, wait_for
from tests.postgres.nodes import noded, started
from tests.postgres.postmaster import running, scratch

FILE: Final = [pytest.param(count, marks=pytest.mark.xdist_group(f"crash{count}"), id=f"{count}w") for count in (1, 2)]
SHARED: Final = pytest.param(
    0, marks=[pytest.mark.xdist_group("crash-nodes"), pytest.mark.needs("postgres")], id="nodes"
)
DAY: Final = 86_400


@dataclass
class Scene:
    """A running server and what its clients hold, by kind; *crashes* counts them. *other* is a second node, if any."""

    place: Place
    holders: dict[str, Holder]
    other: Place | None = None
    crashes: int = 0


@pytest.fixture(scope="module", params=[*FILE, SHARED])
def scene(request, tmp_path_factory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("crash")
    with contextlib.ExitStack() as stack:
        if request.param:
            places = [stack.enter_context(placed(folder, request.param))]
        else:
            server = stack.enter_context(running(stack.enter_context(scratch()) / "one"))
            places = stack.enter_context(noded(folder, server.url(), 2, ARMED))
        holders = furnish(places[0].data, Wanted(KINDS), places[0].store)
        started(places)
        scene = Scene(places[0], {holder.kind.name: holder for holder in holders}, *places[1:])
        yield scene
        print(f"{scene.crashes} crashes, {places[0].starts} starts")


@pytest.fixture(params=KINDS, ids=[kind.name for kind in KINDS])
def holder(request, scene) -> Holder:
    return scene.holders[request.param.name]


def crash(scene: Scene, holder: Holder, point: str, *, committed: bool, count: int = 0) -> Reply:
    """One crash and what must hold afterwards; what the client had seen of the lost answer."""
    place, old = scene.place, holder.token
    before = Look(place.database, holder.family)
    whom = "worker" if place.workers > 1 else "all"
    place.arm(point, count, whom)
    lost = refresh(place, holder)
    assert wait_for(place.fired, 10), f"{point} was never passed: {lost}"
    scene.crashes += 1
    survived: Reply | None = None
    if place.workers > 1:
        survived = refresh(place, holder)
        place.kill()
    else:
        place.kill()
        _either(before, place, scene.crashes, holder, committed)
        if scene.other:
            survived = refresh(scene.other, holder)
    assert survived is None or survived.status == 200, f"the other one refused: {survived.body!r}"
    place.start()
    again = refresh(place, holder)
    assert again.status == 200, f"an honest client was refused: {again.body!r}"
    tokens = {again.token, *([lost.token] if lost.status and not lost.cut else [])}
    tokens |= {survived.token} if survived else set()
    assert len(tokens) == 1, "two successors of one token"
    after = Look(place.database, holder.family)
    _judge(before, after, holder, again.token)
    holder.token = again.token
    further = refresh(place, holder)
    assert further.status == 200, further.body
    if holder.kind.rotates:
        assert old != again.token != further.token
    holder.token = further.token
    assert Look(place.database, holder.family).generation == before.generation + 2 * holder.kind.rotates
    return lost


def _either(before: Look, place: Place, crash: int, holder: Holder, committed: bool) -> None:
    """What the database holds while nobody writes: the whole refresh or nothing of it, as the point says.

    A database server may still be doing what it was told by somebody who has died since.
    """
    copy = place.copy(place.folder / f"copy{crash}")
    if place.store and committed:
        wait_for(lambda: Look(copy, holder.family).events != before.events, 10)
    dead = Look(copy, holder.family)
    dead.agrees_with_itself()
    assert dead.others == before.others
    kind = ROTATED if holder.kind.rotates else REFRESHED
    assert len(dead.told(kind)) - len(before.told(kind)) == committed
    if not committed:
        assert (dead.row, dead.events) == (before.row, before.events)
    assert dead.generation == before.generation + (committed and holder.kind.rotates)


def _judge(before: Look, after: Look, holder: Holder, token: str) -> None:
    after.agrees_with_itself()
    assert after.row["ended_at"] is None
    assert after.generation == before.generation + holder.kind.rotates
    assert after.holds(token)
    assert after.others == before.others, "another family, or something else of somebody's, was touched"


def test_cp_1_killed_once_the_request_is_parsed(scene, holder):
    assert crash(scene, holder, points.PARSED, committed=False).status == 0


def test_cp_2_killed_with_the_row_held_before_writing(scene, holder):
    assert crash(scene, holder, points.DECIDING, committed=False).status == 0


def test_cp_3_killed_after_writing_before_the_commit(scene, holder):
    assert crash(scene, holder, points.WRITTEN, committed=False).status == 0


@pytest.mark.parametrize("scene", FILE, indirect=True)
@pytest.mark.parametrize("write", [0, 1, 3])
def test_cp_4_killed_while_the_log_is_written(scene, holder, write):
    """The commit's frames are in the log in part: a header, a page, the second page."""
    assert crash(scene, holder, points.LOG_TORN, committed=False, count=write).status == 0


@pytest.mark.parametrize("scene", FILE, indirect=True)
def test_cp_4_killed_with_the_commit_in_the_log_before_it_is_synced(scene, holder):
    assert crash(scene, holder, points.LOG_UNSYNCED, committed=True).status == 0


def test_cp_4_killed_with_the_commit_under_way_and_nobody_told(scene, holder):
    """SQLite's is in the log; PostgreSQL's is on its way to a server that lives on."""
    assert crash(scene, holder, points.UNACKNOWLEDGED, committed=True).status == 0


@pytest.mark.parametrize("point", [points.UNTOLD, points.UNSIGNED])
def test_cp_5_killed_after_the_commit_before_the_answer(scene, holder, point):
    assert crash(scene, holder, point, committed=True).status == 0


def test_cp_6_killed_with_half_the_answer_written(scene, holder):
    lost = crash(scene, holder, points.HALF_ANSWERED, committed=True)
    assert lost.status == 200
    assert lost.cut
    assert lost.body


def test_cp_7_the_answer_arrives_and_the_client_dies_before_saving_it(scene, holder):
    lost = crash(scene, holder, points.ANSWERED, committed=True)
    assert (lost.status, lost.cut) == (200, False)


# ---- how long a lost answer can be made up for


@contextlib.contextmanager
def alone(folder: Path, kind) -> Iterator[tuple[Place, Holder, Reply]]:
    """A server that died as its answer arrived at a client which saved nothing of it."""
    with placed(folder) as place:
        (holder,) = furnish(place.data, Wanted((kind,)))
        place.start()
        place.arm(points.ANSWERED)
        lost = refresh(place, holder)
        assert lost.status == 200
        assert wait_for(place.fired, 10)
        place.kill()
        yield place, holder, lost


def later(place: Place, seconds: int) -> None:
    """Start again after *seconds* during which nothing ran."""
    (place.folder / "clock").write_text(str(seconds))
    place.start()


def test_cp_7_a_public_client_that_comes_back_after_the_overlap_signs_in_again(tmp_path):
    with alone(tmp_path, PUBLIC) as (place, holder, lost):
        later(place, 50)
        assert refresh(place, holder).token == lost.token
        place.kill()
        later(place, 120)
        reply = refresh(place, holder)
        assert (reply.status, reply.error) == (400, "invalid_grant")
        look = Look(place.database, holder.family)
        assert (look.generation, look.row["reason"]) == (1, "reuse")
        assert refresh(place, holder, lost.token).status == 400


def test_cp_8_a_confidential_client_has_a_day_until_the_successor_is_first_used(tmp_path):
    with alone(tmp_path, CONFIDENTIAL) as (place, holder, lost):
        for hours in (1, 12, 23):
            later(place, hours * 3_600)
            assert refresh(place, holder).token == lost.token, f"after {hours} hours"
            place.kill()
        later(place, 23 * 3_600)
        further = refresh(place, holder, lost.token)
        assert further.status == 200
        assert refresh(place, holder).error == "invalid_grant", "the successor was used: its predecessor is spent"
        assert Look(place.database, holder.family).row["reason"] == "reuse"


def test_cp_8_after_the_day_the_predecessor_is_spent_though_the_successor_was_never_used(tmp_path):
    with alone(tmp_path, CONFIDENTIAL) as (place, holder, _):
        later(place, DAY + 60)
        assert refresh(place, holder).error == "invalid_grant"


def test_cp_8_a_reusable_token_has_no_successor_to_lose(tmp_path):
    with alone(tmp_path, REUSABLE) as (place, holder, lost):
        assert lost.token == holder.token
        later(place, 20 * DAY)
        reply = refresh(place, holder)
        assert (reply.status, reply.token) == (200, holder.token)
        assert Look(place.database, holder.family).generation == 0
