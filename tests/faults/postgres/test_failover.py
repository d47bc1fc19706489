"""The primary dies under load and its standby is promoted: with synchronous replication nobody loses anything.

EVERGRANT_TEST_FAILOVERS asks for more rounds, EVERGRANT_TEST_SEED for another storm.
"""

import os

import pytest

from tests.postgres.failing_over import failed_over

pytestmark = pytest.mark.needs("postgres")
ROUNDS = int(os.environ.get("EVERGRANT_TEST_FAILOVERS", "4"))
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
