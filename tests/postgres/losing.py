"""Failover to a standby that was behind, under load, counted: `python -m tests.postgres.losing` writes its part of
docs/operate/failover-runs.md.

A primary and an asynchronous standby that gets nothing any more, two nodes, many honest clients; the primary is killed
with SIGKILL, the standby promoted without what was acknowledged last, the loss noticed and declared, a new standby
seeded, again and again. What lives here: the rounds. What must not: what a loss is (`lost`), what is told of the rounds
(`lossy_run`), what may be true (`tests.faults.history`), what clients do otherwise (`tests.faults.storm`).
"""

import argparse
import asyncio
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from evergrant.domain.event import What
from evergrant.domain.reason import Refusal
from evergrant.testing.in_process import Browser
from tests.faults.client import CONFIDENTIAL, PUBLIC, Wanted, furnish, get, redeem, refresh
from tests.faults.history import OK, History
from tests.faults.place import Place
from tests.faults.storm import PATIENCE, Hang, Storm
from tests.postgres import lost
from tests.postgres.failing_over import outage, under_way, write_part
from tests.postgres.lossy_run import HEADING, Round, Run, described
from tests.postgres.nodes import noded, started, told
from tests.postgres.pair import Pair, paired
from tests.postgres.remote import browsing, code_for

KINDS: Final = (PUBLIC, CONFIDENTIAL)
TOLD: Final = 1.0
"""Seconds within which every node has heard of a loss that was declared."""
NOT_READY: Final = 6  # the doctor's exit code when something failed


@dataclass
class Losing:
    """Who kills, promotes, sees the alarm and declares the loss; and what clients do that are refused meanwhile."""

    pair: Pair
    nodes: list[Place]
    count: int
    end: float = math.inf
    """When no further round is begun, by the clock that never steps."""
    rounds: list[Round] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    former: list[History] = field(default_factory=list)
    """The histories of families that their clients had to leave."""
    sign_ins: int = 0
    promoted: float = 0.0
    declared: float = math.inf
    """When the last loss was declared; never, while it is not."""
    browsers: dict[str, tuple[Browser, asyncio.Lock]] = field(default_factory=dict)
    """Each person's, in which they do one thing at a time."""
    entrance: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """A crowd at the sign-in page is turned away, to come again: they come two by two."""

    async def __call__(self, storm: Storm) -> None:
        chance = random.Random(f"{storm.seed} losing")
        for number in range(self.count):
            await under_way(storm)
            await self._round(storm, chance)
            if number + 1 == self.count or time.monotonic() > self.end:
                break
            await asyncio.to_thread(self.pair.seed)
        await under_way(storm)

    async def _round(self, storm: Storm, chance: random.Random) -> None:
        before = [_alarms(node) for node in self.nodes]
        logs = [node.log.stat().st_size for node in self.nodes]
        await asyncio.to_thread(self.pair.hold_back)
        await asyncio.sleep(chance.uniform(0.1, 0.5))
        self.declared = math.inf
        await asyncio.to_thread(self.pair.lose_primary)
        killed = time.monotonic()
        await _until(lambda: all(began > killed for began in storm.asking.values()), "what was asked is not answered")
        kept = await asyncio.to_thread(lost.kept_by, self.pair.standby)
        losses = lost.losses(storm, kept, self.promoted)
        went_back = time.monotonic()
        await asyncio.to_thread(self.pair.promote)
        if lost.replayed(self.pair.primary) != kept.position:
            raise AssertionError("the standby went on after it was looked at: nobody knows what was lost")
        self.promoted = time.monotonic()
        await _until(lambda: not any(loss.held for loss in losses) or self._noticed(before), "no alarm")
        noticed = time.monotonic() - self.promoted
        diagnosed = await asyncio.to_thread(_diagnosed, self.nodes[0])
        declaring = time.monotonic()
        await asyncio.to_thread(told, self.nodes[0], "restore", "--declare", "--failover", "--yes")
        self.declared = time.monotonic()
        for loss in losses:
            loss.remember(storm.histories[loss.number], went_back, declaring, self.declared + TOLD)
        await _until(lambda: _all_went_on(storm, self.declared), "somebody does not go on")
        went_on = time.monotonic() - self.declared
        named = await asyncio.to_thread(lost.named, self.pair.primary, kept.last)
        expected = {loss.family: loss.held for loss in losses if loss.held}
        self.wrongs += [
            f"round {len(self.rounds)}: {family.hex()}: {expected.get(family, 0)} lost, {named.get(family, 0)} named"
            for family in expected.keys() | named.keys()
            if expected.get(family) != named.get(family)
        ]
        logged = any(_names(node, size) for node, size in zip(self.nodes, logs, strict=True))
        self.rounds.append(Round(
            sum(loss.told for loss in losses), sum(expected.values()), sum(named.values()), len(expected), noticed,
            killed, logged, diagnosed, went_on,
        ))  # fmt: skip

    def _noticed(self, before: Sequence[float]) -> bool:
        return any(_alarms(node) > was for node, was in zip(self.nodes, before, strict=True))

    async def refused(self, storm: Storm, number: int) -> None:
        """Wait for the operator and try again; whoever cannot prove anything signs in again when that is of no use."""
        history = storm.histories[number]
        if history.proved or history.answers[-1].began < self.declared + TOLD:
            await asyncio.sleep(0.2)
            return
        holder = storm.holders[number]
        browser, door = self.browsers.setdefault(holder.person, (browsing(self.nodes), asyncio.Lock()))
        async with door, self.entrance:
            try:
                code = await code_for(browser, holder)
            except KeyError:  # a page instead: too many people are signing in at this moment
                await asyncio.sleep(1)
                return
        reply = await asyncio.to_thread(redeem, self.nodes[number % len(self.nodes)], holder, code)
        if reply.status != OK:
            self.wrongs.append(f"{history.name}: nobody could sign in again: {reply.status} {reply.body.decode()}")
            return
        self.sign_ins += 1
        self.former.append(history)
        holder.token = reply.token
        storm.histories[number] = History(
            holder.family, rotates=True, first=reply.token, overlap=holder.kind.overlap, proved=False
        )


async def _until(condition: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + 2 * PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise Hang(f"{otherwise} in {2 * PATIENCE:g} seconds")
        await asyncio.sleep(0.02)


def _alarms(node: Place) -> float:
    """How often a node has told that the store went backwards, as an alert would ask for it."""
    lines = get(node, "/metrics").body.decode().splitlines()
    found = (line for line in lines if line.startswith("evergrant_refusals_total") and Refusal.AHEAD in line)
    return sum(float(line.rpartition(" ")[2]) for line in found)


def _names(node: Place, since: int) -> bool:
    with node.log.open("rb") as log:
        log.seek(since)
        return Refusal.AHEAD.encode() in log.read()


def _diagnosed(node: Place) -> bool:
    """Whether the doctor says that the store went backwards, and what to do about it."""
    said = node.command("doctor", "--json")
    alarms = [check for check in json.loads(said.stdout)["checks"] if check["check"] == "alarms"]
    grave = [check for check in alarms if check["verdict"] == "fail" and What.FAMILY_AHEAD in check["said"]]
    return said.returncode == NOT_READY and any("restore --declare" in check["todo"] for check in grave)


def _all_went_on(storm: Storm, since: float) -> bool:
    newest = (history.answers[-1] if history.answers else None for history in storm.histories)
    return all(answer is not None and answer.status == OK and answer.began > since for answer in newest)


def lossy(
    folder: Path, *, rounds: int, clients: int, seed: int, think: float = 0.6, minutes: float = math.inf
) -> Run:  # fmt: skip
    """Some rounds under load, judged; fewer than asked for when *minutes* are over."""
    with paired(synchronous=False) as pair, noded(folder, pair.url) as nodes:
        each = clients // len(KINDS)
        holders = furnish(nodes[0].data, Wanted(KINDS, each, people=10, browsers=10), pair.url)
        started(nodes)
        losing = Losing(pair, nodes, rounds, time.monotonic() + 60 * minutes)
        storm = Storm(
            nodes[0], holders, [1] * len(holders), seed, think, others=tuple(nodes[1:]), refused=losing.refused
        )
        asyncio.run(storm.rage(losing))
        wrongs = losing.wrongs + [
            f"{history.name}: {reply.status} at the end"
            for at, (holder, history) in enumerate(zip(holders, storm.histories, strict=True))
            if (reply := refresh(nodes[at % len(nodes)], holder)).status != OK
        ]
        for node in nodes:
            node.kill()
        wrongs += lost.wrongs(pair.primary, storm.histories, losing.former)
        counts = lost.counts(pair.primary)
    answered = sorted(answer.ended for each in (*storm.histories, *losing.former) for answer in each.refreshed)
    outages = sorted(outage(answered, each.killed) for each in losing.rounds)
    return Run(
        len(holders), losing.rounds, outages,
        storm.counts.refreshes, storm.counts.unavailable, storm.counts.thrown_away,
        counts.get(What.FAMILY_ADOPTED, 0), counts.get(lost.RESTORED, 0), losing.sign_ins,
        counts.get(What.FAMILY_REUSED, 0), counts.get(What.FAMILY_FORGED, 0), counts.get(lost.NOTICES, 0), wrongs,
    )  # fmt: skip


def main(words: Sequence[str]) -> None:
    """Run the rounds and write their part of the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no round later")
    asked = parser.parse_args(words)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="evergrant-losing-") as folder:
        run = lossy(Path(folder), rounds=asked.rounds, clients=asked.clients, seed=asked.seed, minutes=asked.minutes)
    minutes = (time.monotonic() - began) / 60
    print(run)
    write_part(HEADING, described(run, minutes))
    if run.wrongs:
        sys.exit("\n".join(run.wrongs[:50]))


if __name__ == "__main__":
    main(sys.argv[1:])
