"""How many grants each way of keeping tokens fresh kills: `python -m benchmarks.keeper_killed_grants`.

N processes of M threads call an API for the same accounts. The provider is the chaos provider in strict one-shot mode:
a refresh token is good once, and presented again it ends the grant, so its user has to come back. Access tokens live a
few seconds, refresh replies take as long as over a network, and nothing else goes wrong: no crash, no lost reply.

What lives here: the order of things, the figures and how they are shown. Neighbour: `keeper_contenders` has the ways.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.keeper_contenders import WAYS, Shelf, Task
from benchmarks.keeper_vault import filled
from evergrant.testing.chaos import PLAIN, Chaos, beside

RESULTS = Path(__file__).parent / "results"
NEEDS = {"Authlib": "authlib", "requests-oauthlib": "requests_oauthlib", "file lock": "filelock"}
STARTING = 3.0
BUSY = 0.5
"""Load per core, before the start, above which somebody else is measuring too."""


@dataclass(frozen=True)
class Plan:
    """How much to do. *lifetime* of an access token and *latency* of a refresh reply in seconds."""

    accounts: int = 20
    processes: int = 4
    threads: int = 4
    seconds: float = 50.0
    lifetime: int = 20
    latency: float = 0.15
    rounds: int = 2


@dataclass(frozen=True)
class Figures:
    """What one way came to in one round."""

    way: str
    grants: int
    killed: int
    rotations: int
    refreshes: int
    second_spends: int
    most_in_flight: int
    calls: int
    failed: int
    why: dict[str, int]
    median_ms: float
    p99_ms: float
    lost_share: float
    """The part of the workers' time that went into calls which failed, or into what a call took beyond 50 ms."""


def run(way: str, plan: Plan) -> Figures:
    """One way, with grants and a provider of its own."""
    provider = replace(PLAIN, access_lifetime=plan.lifetime)
    modes = ["strict_one_shot", f"slow_reply:seconds={plan.latency}"]
    with beside(provider, modes) as chaos, tempfile.TemporaryDirectory(prefix="evergrant-bench-") as folder:
        task = _task(way, plan, chaos, Path(folder))
        _furnish(task, chaos, plan)
        seen = _worked(task, plan)
        ledger = chaos.ledger
        seconds = sorted(each for one in seen for each in one["seconds"])
        failed = {why: sum(one["failed"].get(why, 0) for one in seen) for one in seen for why in one["failed"]}
        median = statistics.median(seconds)
        lost = sum(one["lost"] for one in seen)
        return Figures(
            way, plan.accounts, len(ledger.killed), ledger.rotations, len(ledger.refreshes), len(ledger.second_spends),
            ledger.most_in_flight, len(seconds), sum(failed.values()), failed, median * 1_000,
            seconds[int(len(seconds) * 0.99)] * 1_000, lost / (plan.seconds * plan.processes * plan.threads),
        )  # fmt: skip


def _task(way: str, plan: Plan, chaos: Chaos, folder: Path) -> Task:
    accounts = tuple(f"user-{number}" for number in range(plan.accounts))
    return Task(
        way, folder, accounts, chaos.provider.token_url, chaos.provider.probe_url, chaos.client_id,
        chaos.client_secret, plan.threads, time.time() + STARTING, plan.seconds,
    )  # fmt: skip


def _furnish(task: Task, chaos: Chaos, plan: Plan) -> None:
    """A grant for every account, on the shelf, and for the keeper in its vault."""
    shelf, tokens = Shelf(task.folder), {}
    for account in task.accounts:
        ends = int(time.time()) + plan.lifetime
        tokens[account] = {**chaos.grant(account).reply, "expires_at": ends}
        shelf.save(account, tokens[account])
    if task.way == "keeper":
        filled(task, tokens)


def _worked(task: Task, plan: Plan) -> list[dict[str, Any]]:
    told = json.dumps({**asdict(task), "folder": str(task.folder)})
    command = [sys.executable, "-m", "benchmarks.keeper_contenders"]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(plan.processes)
    ]
    for process in started:
        process.stdin.write(told)
        process.stdin.close()
    seen = []
    for process in started:
        seen.append(json.loads(process.stdout.read()))
        process.wait()
        process.stdout.close()
    return seen


def missing(way: str) -> bool:
    """Whether a way cannot be measured, because its library is not installed."""
    name = next((module for key, module in NEEDS.items() if way.startswith(key)), "")
    return bool(name) and importlib.util.find_spec(name) is None


def busy() -> bool:
    """Whether others use the machine, as its load says before anything is started."""
    return os.getloadavg()[1] > BUSY * (os.cpu_count() or 1)


def table(rounds: dict[str, list[Figures]], plan: Plan, *, disturbed: bool) -> str:
    """The figures of all rounds: counts added up, times as the median over rounds."""
    lines = [
        "# Killed grants",
        "",
        (
            f"{plan.processes} processes of {plan.threads} threads, {plan.accounts} accounts, {plan.rounds} rounds of "
            f"{plan.seconds:g} s; access tokens live {plan.lifetime} s, a refresh takes {plan.latency * 1_000:g} ms. "
            "The provider ends a grant when a refresh token is presented twice. Nothing else goes wrong."
        ),
        "",
        "| way | grants killed | refreshes sent | per rotation | tokens sent twice | calls failed | p99 | time lost |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for way, each in rounds.items():
        killed, grants = sum(one.killed for one in each), sum(one.grants for one in each)
        refreshes, rotations = sum(one.refreshes for one in each), sum(one.rotations for one in each)
        failed, calls = sum(one.failed for one in each), sum(one.calls for one in each)
        lines.append(
            f"| {way} | {killed} of {grants} | {refreshes} | {refreshes / max(1, rotations):.2f} "
            f"| {sum(one.second_spends for one in each)} | {failed / max(1, calls):.1%} "
            f"| {statistics.median(one.p99_ms for one in each):.0f} ms "
            f"| {statistics.median(one.lost_share for one in each):.1%} |"
        )
    if disturbed:
        lines += ["", "The machine was busy with other things at the same time: the counts hold, the times say little."]
    lines += [
        "",
        "*Time lost* is the part of the workers' time that went into calls which failed, or into what a call took",
        "beyond 50 ms. A grant that is killed early makes all later calls for it fail, and its user has to come back.",
        "",
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Every way, round after round; a table, and all figures as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.keeper_killed_grants", description=__doc__.split(":")[0]
    )
    parser.add_argument("--smoke", action="store_true", help="seconds instead of minutes: shows that it works")
    parser.add_argument("--only", default="", help="only ways whose name contains this")
    parser.add_argument("--rounds", type=int, help="rounds per way (2)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for killed-grants.json and .md")
    given = parser.parse_args(arguments)
    plan = Plan(accounts=6, processes=2, threads=3, seconds=5.0, lifetime=2, rounds=1) if given.smoke else Plan()
    plan = replace(plan, rounds=given.rounds or plan.rounds)
    disturbed = busy()
    rounds: dict[str, list[Figures]] = {}
    for number in range(plan.rounds):
        for way in WAYS:
            if given.only not in way:
                continue
            if missing(way):
                print(f"{way}: not measured, its library is not installed (requirements/bench.txt)", file=sys.stderr)
                continue
            figures = run(way, plan)
            rounds.setdefault(way, []).append(figures)
            print(f"round {number + 1}/{plan.rounds} {figures}", file=sys.stderr, flush=True)
    shown = table(rounds, plan, disturbed=disturbed)
    folder = given.results / "smoke" if given.smoke else given.results
    folder.mkdir(parents=True, exist_ok=True)
    kept = {
        "plan": asdict(plan),
        "disturbed": disturbed,
        "rounds": {way: [asdict(one) for one in each] for way, each in rounds.items()},
    }
    (folder / "killed-grants.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    (folder / "killed-grants.md").write_text(shown, encoding="utf-8")
    print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
