"""Failover under load, counted: `python -m tests.postgres.failing_over` writes its part of
docs/operate/failover-runs.md.

A primary and a synchronous standby, two nodes, many honest clients; the primary is killed with SIGKILL at a random
moment, the standby promoted, a new standby seeded, again and again. What lives here: the rounds and what is counted.
What must not: what may be true (`tests.faults.history`), what clients do (`tests.faults.storm`), a standby that was
behind (`losing`).
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from tests.faults.client import CONFIDENTIAL, PUBLIC, Wanted, furnish, refresh
from tests.faults.history import OK, REFUSED, stored_wrongs, wrongs
from tests.faults.storm import PATIENCE, Hang, Storm
from tests.postgres.nodes import noded, started
from tests.postgres.pair import Pair, paired

KINDS: Final = (PUBLIC, CONFIDENTIAL)
HEADING: Final = "With a synchronous standby"
PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "operate" / "failover-runs.md"


@dataclass
class Run:
    """What some rounds came to. *wrongs* must be empty. Seconds."""

    rounds: int = 0
    clients: int = 0
    kills: int = 0
    refreshes: int = 0
    repeats: int = 0
    unavailable: int = 0
    resets: int = 0
    thrown_away: int = 0
    refused: int = 0
    longest_wait: float = 0.0
    outages: list[float] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)


@dataclass
class FailingOver:
    """Who kills: the primary, each round at another moment, once its clients feel it."""

    pair: Pair
    rounds: int
    kills: list[tuple[float, float]] = field(default_factory=list)
    """When each kill was, and when the promoted one took writes."""

    async def __call__(self, storm: Storm) -> None:
        chance = random.Random(f"{storm.seed} failing over")
        for number in range(self.rounds):
            await under_way(storm)
            await asyncio.sleep(chance.uniform(0, 0.5))
            began = time.monotonic()
            await asyncio.to_thread(self.pair.fail_over)
            self.kills.append((began, time.monotonic()))
            storm.counts.kills += 1
            await under_way(storm)
            if number + 1 < self.rounds:
                await asyncio.to_thread(self.pair.seed)
        await under_way(storm)


async def under_way(storm: Storm) -> None:
    """Wait until clients are answered again: a kill that nobody feels proves nothing."""
    before, began = storm.counts.refreshes, time.monotonic()
    while storm.counts.refreshes < before + len(storm.holders):
        if time.monotonic() - began > 2 * PATIENCE:
            raise Hang(f"nobody was refreshed in {2 * PATIENCE:g} seconds")
        await asyncio.sleep(0.01)


def failed_over(folder: Path, *, rounds: int, clients: int, seed: int, think: float = 0.5) -> Run:
    """Some rounds under load, judged."""
    with paired() as pair, noded(folder, pair.url) as nodes:
        each = clients // len(KINDS)
        holders = furnish(nodes[0].data, Wanted(KINDS, each, people=10, browsers=10), pair.url)
        started(nodes)
        storm = Storm(nodes[0], holders, [1] * len(holders), seed, think, others=tuple(nodes[1:]))
        killer = FailingOver(pair, rounds)
        asyncio.run(storm.rage(killer))
        run = _counted(storm, killer)
        run.wrongs += [wrong for history in storm.histories for wrong in wrongs(history)]
        run.wrongs += [
            f"{history.name}: {reply.status} at the end"
            for at, (holder, history) in enumerate(zip(holders, storm.histories, strict=True))
            if (reply := refresh(nodes[at % len(nodes)], holder)).status != OK
        ]
        for node in nodes:
            node.kill()
        run.wrongs += stored_wrongs(pair.primary.url(), storm.histories)
        ((run.repeats,),) = pair.primary.ask("SELECT count(*) FROM evergrant.event WHERE what = 'family.repeated'")
    return run


def _counted(storm: Storm, killer: FailingOver) -> Run:
    counts = storm.counts
    answered = sorted(answer.ended for history in storm.histories for answer in history.refreshed)
    outages = [outage(answered, began) for began, _ in killer.kills]
    refused = sum(any(answer.status == REFUSED for answer in history.answers) for history in storm.histories)
    return Run(
        killer.rounds, len(storm.holders), counts.kills, counts.refreshes, 0, counts.unavailable, counts.resets,
        counts.thrown_away, refused, counts.longest_wait, outages,
    )  # fmt: skip


def outage(answered: Sequence[float], kill: float) -> float:
    """How long nobody was answered around a kill: the longest pause that touches the five seconds after it."""
    near = [at for at in answered if kill - 5 < at < kill + 60]
    pauses = [later - earlier for earlier, later in pairwise(near) if later > kill and earlier < kill + 5]
    return max(pauses, default=0.0)


def main(words: Sequence[str]) -> None:
    """Run the rounds and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(words)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="evergrant-failover-") as folder:
        run = failed_over(Path(folder), rounds=asked.rounds, clients=asked.clients, seed=asked.seed)
    minutes = (time.monotonic() - began) / 60
    print(run)
    write_part(HEADING, told(run, minutes))
    if run.wrongs:
        sys.exit("\n".join(run.wrongs[:50]))


def write_part(heading: str, text: str) -> None:
    """Write one part of the page, and leave the others what they are; a new one goes to the end."""
    title, *parts = PAGE.read_text(encoding="utf-8").split("\n## ")
    known = dict(part.split("\n", 1) for part in parts)
    known[heading] = f"\n{text.rstrip()}\n"
    whole = title + "".join(f"\n## {name}\n{part}" for name, part in known.items())
    PAGE.write_text(whole, encoding="utf-8")


def told(run: Run, minutes: float) -> str:
    """The part of the page."""
    outages = sorted(run.outages)
    return f"""Written by `python -m tests.postgres.failing_over`. A primary and a synchronous standby, two nodes,
{run.clients} honest
clients that rotate all the time, throw answers away and hang up on requests. The primary is killed with SIGKILL at a
random moment, the standby is promoted, and a new standby is seeded. Then everything that anybody was told is judged:
does one linear order of events explain every family's history, is what was acknowledged in the database, does every
client still get a token?

| what | count |
|---|--:|
| failovers | {run.rounds} |
| primaries killed with SIGKILL | {run.kills} |
| refreshes answered with a token | {run.refreshes:,} |
| requests answered with 503 and `Retry-After`, and repeated | {run.unavailable:,} |
| connections reset under a request | {run.resets:,} |
| answers that clients threw away | {run.thrown_away:,} |
| repeats: the same successor once more | {run.repeats:,} |
| median outage, from the last answer to the next | {outages[len(outages) // 2]:.2f} s |
| longest outage | {outages[-1]:.2f} s |
| longest that one client waited for one token | {run.longest_wait:.2f} s |
| clients that had to sign in again | {run.refused} |
| **promises broken** | **{len(run.wrongs)}** |

{run.rounds} rounds in {minutes:.0f} minutes, databases, nodes and clients on one machine of two cores. The outage is
what PostgreSQL's promotion takes plus the time until a node has found the new primary; noticing that a primary has died
is the work of whoever promotes, and not in it.
"""


if __name__ == "__main__":
    main(sys.argv[1:])
