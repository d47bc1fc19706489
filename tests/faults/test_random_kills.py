"""kill -9 at random moments under load: no client lost, one history for every family, nothing ended comes back.

EVERGRANT_TEST_KILLS asks for more kills, EVERGRANT_TEST_SEED for another storm; a failure prints both.
"""

import os
from dataclasses import asdict

import pytest

from tests.faults.storm import Trial, weather

KILLS = int(os.environ.get("EVERGRANT_TEST_KILLS", "6"))
SEED = int(os.environ.get("EVERGRANT_TEST_SEED", "1"))


def survived(folder, trial: Trial):
    outcome = weather(folder, trial)
    print(f"{trial}: {asdict(outcome.counts)}")
    assert outcome.wrongs == [], f"{trial}\n" + "\n".join(outcome.wrongs[:20])
    return outcome.counts


@pytest.mark.xdist_group("storm1")
@pytest.mark.timeout(3_600)
def test_inv_1_inv_6_inv_12_clients_of_a_server_that_is_killed_again_and_again_lose_nothing(tmp_path):
    counts = survived(tmp_path, Trial(workers=1, rounds=KILLS, seed=SEED))
    assert counts.kills == KILLS
    assert counts.resets > 0, "nobody noticed a kill: these were not under load"
    assert counts.refreshes > 10 * KILLS


@pytest.mark.xdist_group("storm2")
@pytest.mark.timeout(3_600)
def test_inv_5_inv_8_two_workers_killed_one_by_one_and_together_while_an_operator_ends_families(tmp_path):
    counts = survived(tmp_path, Trial(workers=2, rounds=KILLS, seed=SEED, operator=True))
    assert counts.kills == KILLS
    assert counts.ended > 0
    assert counts.workers_killed + counts.parents_killed > 0
    assert counts.refreshes > 10 * KILLS


@pytest.mark.xdist_group("storm1")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.timeout(3_600)
def test_o_08_inv_6_inv_12_a_disk_that_fails_now_and_then_under_load_loses_nothing(tmp_path, workers):
    trial = Trial(workers, rounds=KILLS // 2, seed=SEED, clients=24, troubled=True, think=0.02)
    counts = survived(tmp_path, trial)
    assert counts.unavailable > 0, "nobody noticed the trouble"
    assert counts.troubles > 0
    assert counts.refreshes > 5 * KILLS
