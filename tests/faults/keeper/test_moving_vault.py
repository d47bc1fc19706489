"""A vault moves while processes lease and refresh at a provider where a second spend of a token kills its grant."""

import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evergrant.keeper.event import What
from evergrant.keeper.vault.chain import verify
from evergrant.keeper.vault.layout import VAULT
from evergrant.keeper.vault.port import VaultUnusable
from evergrant.keeper.vault.postgres.whole import WholeDatabase
from evergrant.keeper.vault.sqlite import SqliteVault
from evergrant.keeper.vault.sqlite.whole import WholeFile
from tests.faults.keeper.lessees import Scene, judge, scene
from tests.faults.keeper.test_shared_vault import leased
from tests.faults.place import ROOT, wait_for

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.timeout(600)]
PROCESSES = 3
WAITING = {"TryLater", "RefreshInProgress", "VaultTrouble"}
ATTEMPTS = 5


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "evergrant", "keeper", *map(str, words)]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def counted(place: str) -> dict[str, int] | None:
    """How many rows each table of a vault has; None when it was left."""

    async def counts() -> dict[str, int]:
        vault = WholeDatabase.open(place) if "://" in place else WholeFile.open(Path(place))
        try:
            return await vault.read(lambda tx: tx.bulk.counts())
        finally:
            await vault.close()

    try:
        return asyncio.run(counts())
    except VaultUnusable as error:
        if "was moved to" not in str(error):
            raise
        return None


async def refreshed(path: Path) -> int:
    """How many refreshes the trail tells of, when nobody works on the vault any more."""
    vault = SqliteVault.open(path)
    told = await vault.events(limit=10_000)
    assert await verify(vault) == 0
    await vault.close()
    return sum(stored.event.what is What.REFRESHED for stored in told)


def began(made: Scene) -> list:
    """Processes that have been at work on the vault."""
    living = [made.lessee(background=number == 0) for number in range(PROCESSES)]
    for one in living:
        one.wait_for(lambda said, one=one: leased(one, 0, 6))
    return living


def ended(made: Scene, living) -> None:
    for one in living:
        assert one.stop() == 0
        made.heard(one)


def moved_live(made: Scene, target: str) -> None:
    """Move while processes are at work; none of them leases from the old vault once it was left."""
    living = began(made)
    connections = counted(made.vault)["connection"]
    done = run("copy", made.vault, target, "--live", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["rows"]["connection"] == connections == counted(target)["connection"]
    time.sleep(1.5)  # what a process may serve from memory, it serves for a second
    since = [len(one.said) for one in living]
    for one, before in zip(living, since, strict=True):
        one.wait_for(lambda said, before=before: len(said) > before + 20)
        assert {line.get("error") for line in one.said[before:]} == {"VaultTrouble"}
        assert one.process.poll() is None
    ended(made, living)
    assert counted(made.vault) is None
    made.vault = target


def test_keep_inv_1_keep_inv_2_a_vault_moves_there_and_back_and_no_token_is_spent_twice_or_lost(tmp_path, postgres):
    url = postgres.database()
    with scene(tmp_path, "strict", []) as made:
        made.patient = True
        made.key = str(tmp_path / "keeper.db.key")
        moved_live(made, url)
        moved_live(made, str(tmp_path / "back.db"))
        ended(made, began(made))
        after = made.aftermath()
        judge(made, after)
        ledger = made.chaos.ledger
        assert set(after.ends.values()) == {"ok"}
        assert (ledger.killed, ledger.second_spends) == ([], [])
        assert ledger.rotations == asyncio.run(refreshed(Path(made.vault)))
        assert {line["error"] for line in made.said if "error" in line} <= WAITING
    postgres.drop(url)


def killed(postgres, source: str, target: str, after: float) -> None:
    """Kill a mover so many seconds after it began to write in its target; nothing that it sent is still to come."""
    mover = subprocess.Popen(
        command("copy", source, target, "--live", "--replace"), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert wait_for(lambda: any(postgres.sessions(target)) or mover.poll() is not None)
    time.sleep(after)
    mover.send_signal(signal.SIGKILL)
    _, said = mover.communicate()
    assert mover.returncode in {0, -signal.SIGKILL}, said
    assert wait_for(lambda: not postgres.sessions(target))


def test_a_mover_that_is_killed_leaves_a_vault_at_work_and_costs_no_grant(tmp_path, postgres):
    """Whenever it is killed: what has arrived is nothing or everything, and only one of the two can be worked on."""
    url, chance = postgres.database(), random.Random(1)
    with scene(tmp_path, "strict", []) as made:
        made.patient = True
        made.key = str(tmp_path / "keeper.db.key")
        source, unfinished = made.vault, 0
        for after in (0.0, *(chance.random() for _ in range(ATTEMPTS - 1))):
            living = began(made)
            killed(postgres, source, url, after)
            there, here = counted(url), counted(source)
            arrived = any(count for table, count in there.items() if table not in VAULT.furniture)
            assert here is not None or arrived, "nowhere"
            assert here is None or not arrived, "two that can be worked on"
            if here is None:  # killed too late: nobody has worked on the target, so back it is
                assert run("reopen", source, "--yes").returncode == 0
                postgres.drop(url)
                url = postgres.database()
            unfinished += not arrived
            since = [len(one.said) for one in living]
            for one, before in zip(living, since, strict=True):
                one.wait_for(lambda said, one=one, before=before: leased(one, before, 3))
            ended(made, living)
        assert unfinished, "every mover was killed too late"
        after = made.aftermath()
        judge(made, after)
        assert set(after.ends.values()) == {"ok"}
        assert (made.chaos.ledger.killed, made.chaos.ledger.second_spends) == ([], [])
    postgres.drop(url)


def test_a_vault_that_was_left_is_refused_by_every_command_with_its_new_address(tmp_path):
    with scene(tmp_path, "safe", [], accounts=1) as made:
        shutil.copy(made.vault + ".key", tmp_path / "new.db.key")
        assert run("copy", made.vault, tmp_path / "new.db").returncode == 0
        refused = run("list", "--data", tmp_path)
        assert (refused.returncode, "moved to" in refused.stderr) == (5, True)
        made.vault = str(tmp_path / "new.db")
        assert set(made.aftermath().ends.values()) == {"ok"}
