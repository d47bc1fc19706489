"""Every state of one small family (see `tests.property.exhaustive`), and a model that would notice if it were wrong."""

from functools import cache

import pytest

from evergrant.domain import rotation
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Settlement, Verdict
from tests.property import exhaustive
from tests.property.exhaustive import (
    CROWDED,
    HONEST_ONLY,
    LATE,
    SETTINGS,
    Broken,
    check_both_parties,
    explore,
    spurious,
)

explored = cache(explore)


def explore_all(settings):
    for setting in settings:
        explore(setting)


@pytest.mark.parametrize("setting", SETTINGS, ids=[setting.name for setting in SETTINGS])
def test_inv_1_inv_2_inv_3_inv_4_inv_5_inv_10_inv_11_hold_in_every_state_of_a_small_family(setting):
    found = explored(setting)
    print(f"{setting.name}: {found.states} states, {found.transitions} transitions, {found.depth} steps deep")
    assert found.states == len(found.came_from)
    assert found.endings["lives"]
    assert found.endings[Reason.REVOKED.value]
    assert found.endings[Reason.IDLE.value]


def test_inv_6_honest_copies_in_time_never_end_their_family_in_any_state():
    found = explored(HONEST_ONLY)
    assert found.endings[Reason.REUSE.value] == 0
    assert found.states > 1_000
    assert found.depth >= 10


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.thief and s.rotate and not s.bound], ids=lambda s: s.name)
def test_inv_7_when_both_parties_have_used_it_the_family_has_ended(setting):
    found = explored(setting)
    assert check_both_parties(found) > 1_000
    assert found.endings[Reason.REUSE.value] > 1_000


def test_the_edge_of_the_promise_is_where_the_page_says():
    assert len(spurious(LATE)) == 3
    assert len(spurious(CROWDED)) == 4


def _longer_overlap(family, presented, ask, successor, policy, now):
    if presented.generation == family.head.generation - 2 and family.head.sealed and now <= family.head.overlap_end:
        return Settlement(Verdict.REPEAT, family, family.head)
    return rotation.decide(family, presented, ask, successor, policy, now)


def _second_successor(family, presented, ask, successor, policy, now):
    settled = rotation.decide(family, presented, ask, successor, policy, now)
    if settled.verdict is Verdict.REPEAT:
        head = family.head._replace(digest=successor.digest, sealed=successor.sealed)
        return Settlement(Verdict.REPEAT, family, head)
    return settled


def _forgetful(family, presented, ask, successor, policy, now):
    return rotation.decide(family._replace(ended=None), presented, ask, successor, policy, now)


def _strict(family, presented, ask, successor, policy, now):
    settled = rotation.decide(family, presented, ask, successor, policy, now)
    if settled.verdict is Verdict.REPEAT:
        return settled._replace(verdict=Verdict.REUSE, ended=exhaustive.Ended(now, Reason.REUSE))
    return settled


def _lenient(family, presented, ask, successor, policy, now):
    settled = rotation.decide(family, presented, ask, successor, policy, now)
    if settled.verdict is Verdict.REUSE:
        return Settlement(Verdict.REFUSE, family, refusal=Refusal.REUSED)
    return settled


def _keyless(family, presented, ask, successor, policy, now):
    return rotation.decide(family._replace(binding=""), presented, ask, successor, policy, now)


def _spending_refusal(family, presented, ask, successor, policy, now):
    settled = rotation.decide(family, presented, ask, successor, policy, now)
    if settled.verdict is Verdict.REFUSE and settled.ended is None:
        return settled._replace(head=family.head._replace(sealed=None))
    return settled


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (_longer_overlap, "inv_[47]"),
        (_second_successor, "inv_[14]"),
        (_forgetful, "inv_5"),
        (_strict, "inv_6"),
        (_lenient, "inv_7"),
        (_keyless, "inv_10"),
        (_spending_refusal, "inv_11"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_decision_that_is_wrong_is_found_out(monkeypatch, wrong, told):
    monkeypatch.setattr(exhaustive, "decide", wrong)
    with pytest.raises(Broken, match=told) as trouble:
        explore_all(reversed(SETTINGS))
    print(trouble.value)
