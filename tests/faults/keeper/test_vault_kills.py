"""kill -9 between any two instructions of a vault's user: nothing acknowledged is lost, nothing happens twice.

EVERGRANT_TEST_KILLS asks for more kills, EVERGRANT_TEST_SEED for another storm.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter

import apsw
import pytest

from evergrant.entropy import SystemEntropy
from evergrant.keeper import keyring
from evergrant.keeper.connection import MAIN, Step
from evergrant.keeper.rewrapping import key_ids
from evergrant.keeper.sealing import Place, unlock
from evergrant.keeper.vault.chain import verify
from evergrant.keeper.vault.port import Vault
from evergrant.keeper.vault.sqlite import SqliteVault
from evergrant.testing.vault_contract.fixtures import ACME, connected, connection, found, record, step
from tests.faults.keeper.vault_worker import CONNECTIONS
from tests.meta.claims import ROOT

KILLS = int(os.environ.get("EVERGRANT_TEST_KILLS", "6"))
SEED = int(os.environ.get("EVERGRANT_TEST_SEED", "1"))


class Worker:
    """One process, and every line it has said."""

    def __init__(self, module: str, *given: object):
        command = [sys.executable, "-m", f"tests.faults.keeper.{module}", *map(str, given)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True)
        self.lines = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.lines.append(json.loads(line))

    def wait_for(self, lines: int) -> None:
        end = time.monotonic() + 60
        while len(self.lines) < lines:
            assert time.monotonic() < end, self.process.stderr.read() if self.process.poll() is not None else "slow"
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.001)

    def kill(self) -> list[dict]:
        self.process.kill()
        self.process.wait(30)
        self._reading.join(30)
        said = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        assert said == "", said
        return self.lines


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "keeper.db"

    async def story():
        vault = SqliteVault.open(path)
        for n in range(CONNECTIONS):
            await connected(vault, n)
        await vault.close()

    asyncio.run(story())
    return path


async def judged(path, said: list[dict], workers: int) -> None:
    plain = apsw.Connection(str(path))
    assert plain.pragma("integrity_check") == "ok"
    plain.close()
    await kept_all(SqliteVault.open(path), said, workers)


async def kept_all(vault: Vault, said: list[dict], workers: int) -> None:
    """Close *vault* when it was found to hold everything that was acknowledged."""
    try:
        acknowledged = Counter((line["n"], line["version"]) for line in said if line["verb"] == "change")
        assert max(acknowledged.values(), default=0) <= 1, "one version was committed twice"
        events = await vault.events(limit=100_000)
        for n in range(CONNECTIONS):
            there = await vault.load(ACME, connection(n).id)
            version = there.records[MAIN].version
            newest = max([1, *(v for k, v in acknowledged if k == n)])
            assert newest <= version <= newest + workers, f"connection {n}: acknowledged {newest}, kept {version}"
            assert there.records[MAIN] == record(connection(n), version)
            mine = [stored.event.version for stored in events if stored.event.connection_id == connection(n).id]
            assert mine == list(range(2, version + 1))
            _judge_intents(n, there, version, said)
        assert await verify(vault) == 0
        fences = [line["fence"] for line in said if line["verb"] == "claim"]
        assert len(fences) == len(set(fences)), "one fence was given twice"
        one = connection(0)
        await vault.remove(ACME, one.id)
        await vault.add(one)
        assert (await vault.claim(one.id, MAIN, "judge", 1)).fence > max(fences, default=0)
    finally:
        await vault.close()


def _judge_intents(n: int, there, version: int, said: list[dict]) -> None:
    """What was intended or journalled at the version that stands must still be there."""
    stored = there.intents.get(MAIN)
    for line in said:
        if line.get("n") == n and line.get("version") == version and line["verb"] in {"intend", "journal"}:
            assert stored is not None, f"connection {n}: an acknowledged {line['verb']} is gone"
            assert stored.id == line["id"]
            if line["verb"] == "journal":
                assert (stored.step, stored.reply) == (Step.ANSWERED, b"reply to %d" % version)


def copied(path, folder):
    """The files as the dead process left them, so that judging does not tidy up what the next worker should meet."""
    folder.mkdir()
    for file in path.parent.glob(path.name + "*"):
        if not file.name.endswith("-shm"):
            (folder / file.name).write_bytes(file.read_bytes())
    return folder / path.name


@pytest.mark.timeout(600)
def test_keep_inv_2_k_14_a_worker_killed_at_any_moment_loses_nothing_acknowledged(path, tmp_path):
    chance, said = random.Random(SEED), []
    for n in range(KILLS):
        worker = Worker("vault_worker", path, "solo", SEED * 1_000 + n)
        worker.wait_for(chance.randrange(1, 120))
        said += worker.kill()
        asyncio.run(judged(copied(path, tmp_path / f"kill {n}"), said, 1 * 3))
    verbs = Counter(line["verb"] for line in said)
    print(f"{KILLS} kills: {dict(verbs)}")
    assert verbs["change"] > KILLS


@pytest.mark.timeout(600)
def test_keep_inv_1_k_15_k_16_two_processes_killed_in_turn_commit_every_version_once(path, tmp_path):
    chance, said = random.Random(SEED + 1), []
    workers = {owner: Worker("vault_worker", path, owner, SEED + place) for place, owner in enumerate("ab")}
    for n in range(KILLS):
        owner = chance.choice("ab")
        workers[owner].wait_for(chance.randrange(1, 80))
        said += workers[owner].kill()
        if n < KILLS - 1:
            workers[owner] = Worker("vault_worker", path, owner, SEED * 1_000 + n)
    other = "a" if owner == "b" else "b"
    said += workers[other].kill()
    asyncio.run(judged(copied(path, tmp_path / "end"), said, 2 * 3))
    verbs = Counter(line["verb"] for line in said)
    print(f"{KILLS} kills: {dict(verbs)}")
    assert verbs["change"] > KILLS


def place(n: int) -> Place:
    return Place(ACME, connection(n).id, "main.refresh_token", 2)


@pytest.mark.timeout(600)
def test_keep_inv_6_k_21_a_turn_of_the_key_killed_at_any_moment_leaves_every_record_readable(path, tmp_path):
    chance, said, key = random.Random(SEED + 2), [], tmp_path / "keeper.key"

    async def fill() -> None:
        vault = SqliteVault.open(path)
        sealer = await unlock(vault, keyring.from_file(key, SystemEntropy(), make=True), SystemEntropy())
        for n in range(CONNECTIONS):
            one = (await found(vault, connection(n))).connection
            sealed = sealer.seal(b"refresh token %d" % n, place(n))
            await vault.change(
                step(one, records=[record(one, 2, access_token=b"", previous=b"", refresh_token=sealed)])
            )
        await vault.close()

    async def judge() -> int:
        vault = SqliteVault.open(path)
        try:
            sealer = await unlock(vault, keyring.from_file(key, SystemEntropy(), make=False), SystemEntropy())
            for n in range(CONNECTIONS):
                sealed = (await found(vault, connection(n))).records[MAIN].refresh_token
                assert sealer.unseal(sealed, place(n)) == b"refresh token %d" % n
            return len(await key_ids(vault))
        finally:
            await vault.close()

    asyncio.run(fill())
    mixed = 0
    for _ in range(KILLS):
        worker = Worker("key_turner", path, key)
        worker.wait_for(chance.randrange(1, 12))
        said += worker.kill()
        mixed += asyncio.run(judge()) > 1
    verbs = Counter(line["verb"] for line in said)
    assert not any(line.get("unreadable") for line in said)
    print(f"{KILLS} kills, {mixed} of them in the middle of a turn: {dict(verbs)}")
    assert verbs["added"] >= KILLS
