"""The primary dies under load and its standby is promoted: with synchronous replication nobody loses anything, with an
asynchronous one what is lost is noticed, named and declared.

EVERGRANT_TEST_FAILOVERS and EVERGRANT_TEST_LOSSES ask for more rounds, EVERGRANT_TEST_SEED for another storm.
"""

import os

import pytest

from tests.postgres.failing_over import failed_over
from tests.postgres.losing import lossy

pytestmark = pytest.mark.needs("postgres")
ROUNDS = int(os.environ.get("EVERGRANT_TEST_FAILOVERS", "4"))
LOSSES = int(os.environ.get("EVERGRANT_TEST_LOSSES", "2"))
SEED = int(os.environ.get("EVERGRANT_TEST_SEED", "1"))


@pytest.mark.timeout(3_600)
def test_o_02_inv_1_inv_6_inv_12_clients_of_a_primary_that_is_killed_and_replaced_lose_nothing(tmp_path):
    run = failed_over(tmp_path, rounds=ROUNDS, clients=120, seed=SEED)
    print(run)
    assert run.wrongs == [], "\n".join(run.wrongs[:20])
    assert run.kills == ROUNDS
    assert run.resets + run.unavailable > 0, "nobody noticed a kill: these were not under load"
    assert run.refreshes > 100 * ROUNDS
    assert run.refused == 0
    assert run.repeats > 0


@pytest.mark.timeout(3_600)
def test_o_03_what_a_standby_that_was_behind_has_lost_is_named_to_the_last_rotation_and_nobody_is_a_thief(
    tmp_path,
):
    run = lossy(tmp_path, rounds=LOSSES, clients=40, seed=SEED)
    print(run)
    assert run.wrongs == [], "\n".join(run.wrongs[:20])
    assert len(run.rounds) == LOSSES
    for each in run.rounds:
        assert each.lost >= each.held == each.named > 0
        assert each.families > 0
        assert each.diagnosed
    assert run.rounds[0].logged, "later ones may share its lines: so many are written in ten seconds, the rest counted"
    assert (run.reuses, run.forged, run.notices) == (0, 0, 0)
    assert run.adopted > 0
    assert run.sign_ins >= run.restored > 0
