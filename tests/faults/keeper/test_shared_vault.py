"""Several processes on one vault in PostgreSQL: killed, cut off from it, and with the database itself crashing.

EVERGRANT_TEST_KILLS asks for more kills, EVERGRANT_TEST_SEED for another storm.
"""

import asyncio
import os
import random
import signal
import time

import pytest

from evergrant.keeper.event import What
from evergrant.keeper.vault.postgres import PostgresVault
from evergrant.testing.vault_contract.fixtures import connected
from tests.cluster import Cluster
from tests.faults.keeper.lessees import judge, scene
from tests.faults.keeper.test_vault_kills import Worker, kept_all
from tests.faults.keeper.vault_worker import CONNECTIONS

ROUNDS = int(os.environ.get("EVERGRANT_TEST_KILLS", "3"))
SEED = int(os.environ.get("EVERGRANT_TEST_SEED", "1"))
PROCESSES = 3

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.timeout(600)]


def leased(one, since: int, versions: int) -> bool:
    """Whether a process was given so many different versions after its first *since* lines."""
    return len({(line["account"], line["version"]) for line in one.said[since:] if "version" in line}) >= versions


async def refreshed(url: str) -> int:
    """How many refreshes the trail tells of, when nobody works on the vault any more."""
    vault = PostgresVault.open(url)
    told = await vault.events(limit=10_000)
    await vault.close()
    return sum(stored.event.what is What.REFRESHED for stored in told)


def test_keep_inv_1_k_15_three_processes_refresh_each_token_once_where_a_second_spend_kills_the_grant(
    tmp_path, database
):
    with scene(tmp_path, "strict", [], database=database) as made:
        made.patient = True
        living = [made.lessee(background=True) for _ in range(PROCESSES)]
        for one in living:
            one.wait_for(lambda said, one=one: leased(one, 0, 12))
            assert one.process.poll() is None
        for one in living:
            assert one.stop() == 0
            made.heard(one)
        after = made.aftermath()
        judge(made, after)
        ledger = made.chaos.ledger
        assert set(after.ends.values()) == {"ok"}
        assert (ledger.killed, ledger.second_spends) == ([], [])
        assert ledger.rotations == asyncio.run(refreshed(database)) >= 8
        # A machine that is busy with other tests may be slow to answer; nobody is told anything worse than to wait.
        assert {line["error"] for line in made.said if "error" in line} <= {"TryLater", "RefreshInProgress"}


def test_keep_inv_1_keep_inv_2_k_14_processes_killed_in_turn_lose_no_grant_on_a_shared_vault(tmp_path, database):
    with scene(tmp_path, "window", ["lost_reply:chance=0.2"], seed=SEED, database=database) as made:
        made.storm(2 * ROUNDS, SEED, processes=PROCESSES)
        after = made.aftermath()
        judge(made, after)
        assert set(after.ends.values()) == {"ok"}


def test_keep_inv_1_k_16_killed_processes_spend_no_token_twice_on_a_shared_vault(tmp_path, database):
    with scene(tmp_path, "strict", [], accounts=6, seed=SEED, database=database) as made:
        made.storm(2 * ROUNDS, SEED, processes=PROCESSES)
        after = made.aftermath()
        judge(made, after)
        assert after.events["connection.needs_reauth"] == list(after.ends.values()).count("grant_lost")


def test_keep_inv_1_k_15_k_16_processes_killed_between_any_two_verbs_commit_every_version_once(database):
    async def fill() -> None:
        vault = PostgresVault.open(database)
        for n in range(CONNECTIONS):
            await connected(vault, n)
        await vault.close()

    asyncio.run(fill())
    chance, said = random.Random(SEED), []
    workers = {owner: Worker("vault_worker", database, owner, SEED + place) for place, owner in enumerate("abc")}
    for n in range(ROUNDS):
        owner = chance.choice("abc")
        workers[owner].wait_for(chance.randrange(1, 60))
        said += workers[owner].kill()
        workers[owner] = Worker("vault_worker", database, owner, SEED * 1_000 + n)
    for worker in workers.values():
        worker.wait_for(2)
        said += worker.kill()
    asyncio.run(kept_all(PostgresVault.open(database), said, 3 * 3))
    assert sum(line["verb"] == "change" for line in said) > ROUNDS


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGQUIT, signal.SIGINT])
def test_keep_inv_2_k_14_a_database_that_is_killed_again_and_again_costs_no_grant_and_no_token_twice(tmp_path, how):
    chance, cluster = random.Random(SEED), Cluster.start(durable=True)
    try:
        with scene(tmp_path, "strict", [], seed=SEED, database=cluster.database()) as made:
            made.patient = True
            living = [made.lessee(background=number == 0) for number in range(PROCESSES)]
            for _ in range(ROUNDS):
                time.sleep(chance.uniform(0.3, 1.5))
                cluster.stop_process(how)
                time.sleep(chance.uniform(0, 0.5))
                cluster.run()
                before = [len(one.said) for one in living]
                for one, since in zip(living, before, strict=True):
                    one.wait_for(lambda said, one=one, since=since: leased(one, since, 4))
                    assert one.process.poll() is None
            for one in living:
                assert one.stop() == 0
                made.heard(one)
            after = made.aftermath()
            judge(made, after)
            assert set(after.ends.values()) == {"ok"}
            assert (made.chaos.ledger.killed, made.chaos.ledger.second_spends) == ([], [])
    finally:
        cluster.stop()
