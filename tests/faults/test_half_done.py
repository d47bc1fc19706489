"""kill -9 around the commit of everything else that ends or begins something: it is done or it is not, never half.

What a client asks for dies with the server; what an operator asks for dies with the command, and the server goes on.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.faults import crash_points as points
from tests.faults.client import (
    CONFIDENTIAL,
    PUBLIC,
    Holder,
    Wanted,
    codes,
    furnish,
    generation_of,
    get,
    post,
    redeem,
    refresh,
)
from tests.faults.judging import ENDED, Look, count, sound
from tests.faults.place import ARMED, PLAIN, Place, placed, wait_for

SEED: Final = 20_261_121


class Moment(NamedTuple):
    """A crash around one commit, and whether that commit is there afterwards. *passed* of the kind came before."""

    point: str
    committed: bool
    passed: int = 0


BEFORE: Final = Moment(points.WRITTEN, committed=False)
TORN: Final = Moment(points.LOG_TORN, committed=False, passed=1)
UNSYNCED: Final = Moment(points.LOG_UNSYNCED, committed=True)
UNACKNOWLEDGED: Final = Moment(points.UNACKNOWLEDGED, committed=True)
AFTER: Final = Moment(points.UNTOLD, committed=True)
MOMENTS: Final = (BEFORE, TORN, UNSYNCED, UNACKNOWLEDGED, AFTER)
# A command makes sure of its keys first: a commit of nothing, which the log never sees. And what a command wrote into
# the log without saying so, whoever lives on beside it never saw: only a start reads the log anew.
IN_A_COMMAND: Final = (
    BEFORE._replace(passed=1), TORN, UNSYNCED._replace(committed=False), UNACKNOWLEDGED, AFTER._replace(passed=1),
)  # fmt: skip
NAMES: Final = [moment.point for moment in MOMENTS]


# ---- asked for by a client: the server dies


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[Place, list[Holder]]]:
    """A server that can crash, and as many families as there are moments."""
    with placed(tmp_path_factory.mktemp("asked")) as place:
        holders = furnish(place.data, Wanted((PUBLIC,), each=len(MOMENTS) + 1))
        place.start()
        yield place, holders


@pytest.mark.xdist_group("half-done")
@pytest.mark.parametrize("moment", MOMENTS, ids=NAMES)
def test_a_code_exchange_is_a_family_and_a_spent_code_or_neither(served, moment):
    place, (holder, *_) = served
    place.kill()
    (code,) = codes(place.data, holder, 1)
    families = count(place.database, "SELECT count(*) FROM family")
    place.start()
    place.arm(moment.point, moment.passed)
    assert redeem(place, holder, code).status == 0
    assert wait_for(place.fired, 10)
    place.kill()
    _begun(place.copy(place.folder / f"code {moment.point}"), families + moment.committed)
    place.start()
    again = redeem(place, holder, code)
    if moment.committed:
        assert (again.status, again.error) == (400, "invalid_grant"), "a code works once"
    else:
        assert again.status == 200, again.body
        assert refresh(place, holder, again.token).status == 200
    _begun(place.database, families + 1)
    assert redeem(place, holder, code).error == "invalid_grant"
    _begun(place.database, families + 1)


def _begun(path: Path, families: int) -> None:
    """That many families, the event of each, and as many codes that say whose they are."""
    sound(path)
    assert count(path, "SELECT count(*) FROM family") == families
    assert count(path, "SELECT count(*) FROM event WHERE what = 'family.started'") == families
    spent = "SELECT count(*) FROM code WHERE document ->> '$.spent_at' > 0 AND document ->> '$.family_id' <> ''"
    assert count(path, spent) == families


@pytest.mark.xdist_group("half-done")
@pytest.mark.parametrize("moment", MOMENTS, ids=NAMES)
def test_inv_5_a_revocation_is_an_end_with_its_event_or_nothing(served, moment):
    place, holders = served
    holder = holders[1 + MOMENTS.index(moment)]
    first = refresh(place, holder)
    before = Look(place.database, holder.family)
    place.arm(moment.point, moment.passed)
    assert post(place, "/revoke", holder, token=first.token).status == 0
    assert wait_for(place.fired, 10)
    place.kill()
    dead = Look(place.copy(place.folder / f"revoked {moment.point}"), holder.family)
    dead.agrees_with_itself()
    assert dead.others == before.others
    assert len(dead.told(ENDED)) == len(dead.endings) == moment.committed
    assert (dead.row["sealed"] is None) == moment.committed
    place.start()
    further = refresh(place, holder, first.token)
    assert further.status == (400 if moment.committed else 200)
    assert post(place, "/revoke", holder, token=first.token).status == 200, "revoking again is no error"
    for token in (holder.token, first.token, *([further.token] if further.status == 200 else [])):
        assert refresh(place, holder, token).error == "invalid_grant"
    after = Look(place.database, holder.family)
    after.agrees_with_itself()
    assert after.row["reason"] == "revoked_by_client"
    assert len(after.endings) == 1, "resource servers are told of one end once"


# ---- asked for by an operator: the command dies, the server goes on


@pytest.fixture(scope="module")
def beside(tmp_path_factory) -> Iterator[tuple[Place, dict[str, list[Holder]]]]:
    """A server that is left alone, and one person per moment with a family in each of two applications."""
    with placed(tmp_path_factory.mktemp("beside"), module=PLAIN) as place:
        people = len(MOMENTS) + 1
        holders = furnish(place.data, Wanted((PUBLIC, CONFIDENTIAL), each=people, people=people))
        place.start()
        yield place, {name: [h for h in holders if h.person == name] for name in {h.person for h in holders}}


def dying(place: Place, moment: Moment, *words: str) -> None:
    """A command that is killed at a moment."""
    place.arm(moment.point, moment.passed)
    said = place.command(*words, module=ARMED)
    assert place.fired(), f"never passed: {said.stdout}{said.stderr}"
    assert said.returncode == -9


@pytest.mark.xdist_group("half-done-beside")
@pytest.mark.parametrize("moment", IN_A_COMMAND, ids=NAMES)
def test_inv_5_disabling_a_user_ends_everything_of_theirs_or_nothing(beside, moment):
    place, people = beside
    name = f"person{1 + IN_A_COMMAND.index(moment)}@example.com"
    bystander = people["person0@example.com"][0]
    dying(place, moment, "user", "disable", name)
    sound(place.database)
    disabled = "SELECT count(*) FROM account WHERE username = ? AND document ->> '$.disabled_at' > 0"
    open_sessions = (
        "SELECT count(*) FROM session JOIN account ON account.id = session.account_id"
        " WHERE username = ? AND session.document ->> '$.ended' IS NULL"
    )
    assert count(place.database, disabled, name) == moment.committed
    assert count(place.database, open_sessions, name) == 2 * (not moment.committed)
    answers = {refresh(place, holder).status for holder in people[name]}
    assert answers == ({400} if moment.committed else {200})
    assert place.command("user", "disable", name, "--json").returncode == 0
    assert {refresh(place, holder).status for holder in people[name]} == {400}
    assert count(place.database, open_sessions, name) == 0
    ends = (
        "SELECT count(*) FROM event WHERE what = 'families.ended'"
        " AND account_id IN (SELECT id FROM account WHERE username = ?)"
    )
    assert count(place.database, ends, name) == 1
    turn = refresh(place, bystander)
    assert turn.status == 200, "another person's family was touched"
    assert generation_of(turn.token) == generation_of(bystander.token) + 1
    bystander.token = turn.token


@pytest.mark.xdist_group("half-done-beside")
@pytest.mark.parametrize("use", ["sign", "mac"])
@pytest.mark.parametrize("moment", IN_A_COMMAND, ids=NAMES)
def test_a_key_rotation_is_a_whole_key_with_its_event_or_none(beside, moment, use):
    place, people = beside
    bystander = people["person0@example.com"][1]
    keys, told = (count(place.database, f"SELECT count(*) FROM {what}") for what in ("key_", "event"))
    dying(place, moment, "key", "rotate", "--use", use)
    sound(place.database)
    assert count(place.database, "SELECT count(*) FROM key_") == keys + moment.committed
    more = count(place.database, "SELECT count(*) FROM event") - told
    assert (more > 0) == moment.committed
    turn = refresh(place, bystander)
    assert turn.status == 200, turn.body
    bystander.token = turn.token
    assert wait_for(lambda: get(place, "/jwks").body.count(b'"kid"') == _signing(place), 5)


def _signing(place: Place) -> int:
    return count(place.database, "SELECT count(*) FROM key_ WHERE document ->> '$.use' = 'sign'")


# ---- the first start of all


@pytest.mark.parametrize("writes", sorted(random.Random(SEED).sample(range(60), 5)))
def test_a_first_start_that_dies_while_it_makes_the_database_is_made_up_for(tmp_path, writes):
    with placed(tmp_path) as place:
        place.arm(points.LOG_TORN, writes)
        died = not place.try_to_start()
        assert died == place.fired()
        place.kill()
        place.disarm()
        _begins(place)


def test_a_first_start_that_dies_at_any_moment_is_made_up_for(tmp_path):
    chance = random.Random(SEED)
    with placed(tmp_path, module=PLAIN) as place:
        for _ in range(5):
            place.launch()
            moment = chance.uniform(0.1, 0.6)
            time.sleep(moment)
            place.kill()
        _begins(place)


def _begins(place: Place) -> None:
    place.start()
    assert get(place, "/readyz").status == 200
    assert get(place, "/jwks").body.count(b'"kid"') == 1
    place.kill()
    sound(place.database)
