"""Several processes that lease from one vault at one provider, and the judge of what they were given."""

import asyncio
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evergrant.domain.secret import Secret
from evergrant.entropy import SystemEntropy
from evergrant.keeper import keyring
from evergrant.keeper.connection import Health, Reason
from evergrant.keeper.errors import KeeperError, NeedsReauth, TryLater
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.service.importing import Existing
from evergrant.testing.chaos import Chaos, beside
from tests.faults.keeper.lessee import FACTS, fingerprint, keeper_of
from tests.meta.claims import ROOT

LIFETIME = 2
PATIENCE = 60
RULES = {
    "strict": "strict_one_shot",
    "destructive": "client_user_kill",
    "window": "replay_window:seconds=600",
    "until_used": "until_successor_used",
    "safe": "never_rotates",
}


class Lessee:
    """One process and what it has said."""

    def __init__(self, told: dict[str, Any]) -> None:
        command = [sys.executable, "-m", "tests.faults.keeper.lessee", json.dumps(told)]
        self.said: list[dict[str, Any]] = []
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, text=True)
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.said.append(json.loads(line))

    def wait_for(self, enough) -> None:
        """Wait until *enough* is true of what was said, or the process is over."""
        end = time.monotonic() + PATIENCE
        while not enough(self.said) and self.process.poll() is None:
            assert time.monotonic() < end, f"nothing more after {self.said[-3:]}"
            time.sleep(0.005)

    def over(self) -> int:
        """Wait for its end; the exit code."""
        code = self.process.wait(PATIENCE)
        self._reading.join(PATIENCE)
        text = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        assert code != 1, text
        return code

    def stop(self) -> int:
        self.process.terminate()
        return self.over()

    def kill(self) -> int:
        self.process.kill()
        return self.over()


@dataclass
class Scene:
    """A provider, a vault with connections whose tokens are about to end, and everything that was handed out."""

    chaos: Chaos
    facts: str
    vault: str
    accounts: list[str]
    slow: bool = False
    said: list[dict[str, Any]] = field(default_factory=list)
    kills: int = 0
    key: str = ""
    patient: bool = False

    @property
    def told(self) -> dict[str, Any]:
        return {
            "vault": self.vault, "key": self.key, "patient": self.patient, "facts": self.facts,
            "origin": self.chaos.url, "accounts": self.accounts, "client_id": self.chaos.client_id,
            "secret": self.chaos.client_secret,
        }  # fmt: skip

    def lessee(self, **more: Any) -> Lessee:
        one = Lessee({**self.told, **more})
        one.wait_for(bool)
        return one

    def heard(self, one: Lessee) -> None:
        self.said += [line for line in one.said if "account" in line]

    def storm(self, rounds: int, seed: int, processes: int = 2) -> None:
        """Kill one of the processes again and again, and start another in its place."""
        chance = random.Random(f"{seed} lessees")
        living = [self.lessee(background=number == 0) for number in range(processes)]
        for _ in range(rounds):
            time.sleep(chance.uniform(0.2, 0.9))
            victim = living.pop(0)
            victim.kill()
            self.kills += 1
            self.heard(victim)
            living.append(self.lessee(background=True))
        for one in living:
            one.stop()
            self.heard(one)

    def aftermath(self) -> "Aftermath":
        """What a new process finds, once the provider behaves."""
        self.chaos.clear()
        self.chaos.set(RULES[self.facts])
        return asyncio.run(_aftermath(self))


@dataclass
class Aftermath:
    """For each account what the last lease gave, `ok` or the reason; and the trail."""

    ends: dict[str, str]
    leases: list[dict[str, Any]]
    events: Counter[str]
    healths: dict[str, Health]
    doubts: int


async def _aftermath(scene: Scene) -> Aftermath:
    async with keeper_of(scene.told) as keeper:
        ends, leases = {}, []
        for account in scene.accounts:
            ends[account] = await _end(keeper, account, leases)
        rooms = await keeper.rooms()
        events: Counter[str] = Counter()
        after = 0
        while page := await rooms.ground.vault.events(after=after, limit=500):
            events.update(one.event.what.value for one in page)
            after = page[-1].number
        shown = {account: await keeper.show("here", account) for account in scene.accounts}
        healths = {account: found.connection.health for account, found in shown.items()}
        doubts = sum(len(found.intents.keys() - found.claims.keys()) for found in shown.values())
        return Aftermath(ends, leases, events, healths, doubts)


async def _end(keeper: Keeper, account: str, leases: list[dict[str, Any]]) -> str:
    """How it is with *account* once no doubt is left: a good token may be served while there is one."""
    end, trouble = time.monotonic() + PATIENCE, "in doubt"
    while time.monotonic() < end:
        try:
            lease = await keeper.lease("here", account)
        except TryLater as error:
            trouble = str(error)
        except NeedsReauth as error:
            return error.reason.value
        except KeeperError as error:
            return type(error).__name__
        else:
            token = lease.token.reveal()
            leases.append({"account": account, "version": lease.version, "token": fingerprint(token)})
            if not (await keeper.show("here", account)).intents:
                return "ok"
        await asyncio.sleep(0.1)
    return trouble


@contextmanager
def scene(
    folder: Path, facts: str, modes: list[str], accounts: int = 4, seed: int = 1, database: str = ""
) -> Iterator[Scene]:
    """Connections at a chaos provider that is as its facts say and misbehaves as *modes* say.

    The vault is a file in *folder*, or in *database* with its key there.
    """
    provider = replace(FACTS[facts], access_lifetime=LIFETIME)
    with beside(provider, [RULES[facts], *modes], seed=seed) as chaos:
        made = Scene(chaos, facts, database or str(folder / "keeper.db"), [f"user-{n}" for n in range(accounts)])
        if database:
            made.key = str(folder / "keeper.key")
            keyring.from_file(Path(made.key), SystemEntropy(), make=True)
        made.slow = any(mode.startswith("slow_reply") for mode in modes)
        asyncio.run(_fill(made))
        yield made


async def _fill(made: Scene) -> None:
    async with keeper_of(made.told) as keeper:
        for account in made.accounts:
            given = made.chaos.grant(account)
            tokens = Existing(
                "here", account, access_token=Secret(given.access_token), refresh_token=Secret(given.refresh_token),
                expires_at=int(time.time()) + LIFETIME,
            )  # fmt: skip
            await keeper.import_tokens(tokens)


def judge(made: Scene, after: Aftermath) -> None:
    """The invariants that hold whatever happened."""
    ledger = made.chaos.ledger
    lost = list(after.ends.values()).count(Reason.GRANT_LOST.value)
    # 1: never two spends of one token at once. A server that answers late still counts the request that was given up.
    if not made.slow:
        assert ledger.most_in_flight <= 1
    # Where a token is good once it is sent a second time only when everything else has run out, and then its grant is
    # lost anyway: that happens to grants whose users are asked to come back, and to no other.
    if made.facts in {"strict", "destructive"}:
        assert len({seen.grant for seen in ledger.second_spends}) <= lost
        assert len(ledger.killed) <= lost
    else:
        assert ledger.killed == []
    # 4: one version, one token, in every process; and versions only rise.
    tokens: dict[tuple[str, int], set[str]] = {}
    for one in [*made.said, *after.leases]:
        if "version" in one:
            tokens.setdefault((one["account"], one["version"]), set()).add(one["token"])
    assert {pair: found for pair, found in tokens.items() if len(found) > 1} == {}
    # 3: nobody is asked to come back but for a grant that is gone, and then for the right reason.
    for account, end in after.ends.items():
        assert end in {"ok", Reason.GRANT_LOST.value}, (account, end)
    assert after.doubts == 0
