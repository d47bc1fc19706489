"""Several processes of several threads on one vault, at a provider that ends a grant when its token is sent twice.

The same programs as in the comparison `benchmarks.keeper_killed_grants`, for a few seconds: that the keeper kills
nothing, and that this way of looking would see it.
"""

from typing import Any

import pytest

from benchmarks.keeper_killed_grants import Plan, run

# Long enough for every token to expire again and again; a refresh that takes this long is one that others run into.
PLAN = Plan(accounts=4, processes=3, threads=3, seconds=12.0, lifetime=4, latency=0.1, rounds=1)


@pytest.fixture(scope="module")
def kept() -> Any:
    return run("keeper", PLAN)


def test_k_15_no_refresh_token_is_sent_twice_by_several_processes_and_no_grant_is_killed(kept) -> None:
    assert (kept.killed, kept.second_spends) == (0, 0)
    assert kept.rotations >= 2 * PLAN.accounts
    # On a crowded machine a token may end before it is read, or a caller stand still for longer than its lease is safe;
    # nobody is told anything worse than to come back, and no token is refused that was still called safe.
    assert set(kept.why) <= {"TryLater", "RefreshInProgress", "TooLongOnItsWayError"}


def test_k_15_there_is_one_refresh_for_every_rotation_and_one_at_a_time(kept) -> None:
    assert kept.refreshes == kept.rotations
    assert kept.most_in_flight == 1


def test_a_library_without_coordination_kills_grants_here() -> None:
    assert run("Authlib", PLAN).killed > 0
