"""Ten thousand connections that fall due within one minute: `python -m benchmarks.keeper_due`.

Four applications at four providers, 2,500 connections each; every access token ends within the same minute, two minutes
from the start, and every refresh token is good once: presented again it ends its grant. Two processes run the
background refresher on one vault. The providers say when each request came, whether any token came twice, and how many
came at once; the curve shows requests per second against the budget.

What lives here: the figures and their picture. Neighbour: `keeper_killed_grants` compares ways of keeping tokens.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from evergrant.domain.secret import Secret
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.service.importing import Existing
from evergrant.keeper.settings import Client, Settings
from evergrant.testing.chaos import PLAIN, Chaos, beside
from evergrant.testing.chaos.addresses import moved

RESULTS = Path(__file__).parent / "results"
AT_ONCE = 200
LOOKS_PER_SECOND = 4


@dataclass(frozen=True)
class Plan:
    """How much. *budget*: requests per second for one application, over all processes together."""

    connections: int = 10_000
    providers: int = 4
    processes: int = 2
    budget: int = 50
    ends_after: int = 120
    within: int = 60
    latency: float = 0.1
    filling: int = 60
    lifetime: int = 3_600


@dataclass(frozen=True)
class Place:
    """One provider as the keeper's processes are told of it."""

    name: str
    origin: str
    client_id: str
    secret: str


def keeper_at(folder: Path, places: Sequence[Place], per_second: float) -> Keeper:
    """A keeper on the shared vault."""
    catalog = Catalog()
    for place in places:
        catalog.add(replace(moved(PLAIN, place.origin), id=place.name))
    clients = [Client(place.name, place.client_id, Secret(place.secret)) for place in places]
    settings = Settings(per_second=per_second, background_seconds=2)
    return Keeper.open(str(folder / "keeper.db"), clients=clients, settings=settings, catalog=catalog)


async def fill(folder: Path, places: Sequence[Place], chaoses: Sequence[Chaos], plan: Plan) -> int:
    """Grants at the providers and their tokens in the vault; the instant at which the refreshers start."""
    start = int(time.time()) + plan.filling
    async with keeper_at(folder, places, plan.budget) as keeper:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            place, chaos = places[number % len(places)], chaoses[number % len(places)]
            given = chaos.grant(f"user-{number}")
            ends = start + plan.ends_after + number * plan.within // plan.connections
            async with gate:
                await keeper.import_tokens(
                    Existing(place.name, f"user-{number}", access_token=Secret(given.access_token),
                             refresh_token=Secret(given.refresh_token), expires_at=ends)
                )  # fmt: skip

        await asyncio.gather(*(one(number) for number in range(plan.connections)))
    return start


async def work(told: dict[str, Any]) -> None:
    """What each process does until it is told to stop: the background refresher."""
    places = [Place(**place) for place in told["places"]]
    async with keeper_at(Path(told["folder"]), places, told["per_second"]) as keeper:
        running = asyncio.create_task(keeper.run())
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def measure(plan: Plan) -> dict[str, Any]:
    """One run: fill, refresh, and ask the providers what they saw."""
    modes = ["strict_one_shot", f"slow_reply:seconds={plan.latency}"]
    provider = replace(PLAIN, access_lifetime=plan.lifetime)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evergrant-bench-")))
        chaoses = [stack.enter_context(beside(provider, modes)) for _ in range(plan.providers)]
        places = [
            Place(f"provider-{number}", chaos.url, chaos.client_id, chaos.client_secret)
            for number, chaos in enumerate(chaoses)
        ]
        filled = time.monotonic()
        start = asyncio.run(fill(folder, places, chaoses, plan))
        filled = time.monotonic() - filled
        time.sleep(max(0.0, start - time.time()))
        told = {
            "folder": str(folder), "places": [asdict(place) for place in places],
            "per_second": plan.budget / plan.processes,
        }  # fmt: skip
        took = refreshed(plan, chaoses, told, start + plan.ends_after + plan.within)
        return judged(plan, chaoses, start, took, filled)


def refreshed(plan: Plan, chaoses: Sequence[Chaos], told: dict[str, Any], until: float) -> float:
    """Run the processes until every connection was refreshed or its token has ended; the seconds it took."""
    command = [sys.executable, "-m", "benchmarks.keeper_due", "--work", json.dumps(told)]
    began = time.monotonic()
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, text=True) for _ in range(plan.processes)]
    while sum(chaos.ledger.served for chaos in chaoses) < plan.connections and time.time() < until:
        time.sleep(1 / LOOKS_PER_SECOND)
    took = time.monotonic() - began
    for process in running:
        process.communicate("stop\n", timeout=60)
    return took


def judged(plan: Plan, chaoses: Sequence[Chaos], start: int, took: float, filled: float) -> dict[str, Any]:
    """The figures, from the providers' ledgers."""
    seconds = [Counter(seen.at for seen in chaos.ledger.refreshes) for chaos in chaoses]
    first = min(min(each) for each in seconds)
    last = max(max(each) for each in seconds)
    return {
        "plan": asdict(plan),
        "filled_s": round(filled, 1),
        "took_s": round(took, 1),
        "refreshed": sum(chaos.ledger.served for chaos in chaoses),
        "requests": sum(len(chaos.ledger.refreshes) for chaos in chaoses),
        "second_spends": sum(len(chaos.ledger.second_spends) for chaos in chaoses),
        "killed": sum(len(chaos.ledger.killed) for chaos in chaoses),
        "busiest_second": max(max(each.values()) for each in seconds),
        "after_its_end": max(0, last - start - plan.ends_after),
        "curves": [[each.get(first + at, 0) for at in range(last - first + 1)] for each in seconds],
    }


def shown(found: dict[str, Any]) -> str:
    """The figures for people."""
    plan = found["plan"]
    return "\n".join(
        [
            "# Ten thousand connections that fall due within one minute",
            "",
            (
                f"{plan['connections']:,} connections at {plan['providers']} providers, {plan['processes']} processes "
                f"that refresh, a budget of {plan['budget']} requests per second for each application; refresh tokens "
                f"are good once; a reply takes {plan['latency'] * 1_000:g} ms. All access tokens end within "
                f"{plan['within']} s, {plan['ends_after']} s after the start."
            ),
            "",
            "| | |",
            "|---|--:|",
            f"| connections refreshed | {found['refreshed']:,} |",
            f"| requests sent | {found['requests']:,} |",
            f"| refresh tokens sent twice | {found['second_spends']} |",
            f"| grants killed | {found['killed']} |",
            f"| seconds until the last one | {found['took_s']} |",
            f"| most requests in one second to one provider | {found['busiest_second']} |",
            f"| seconds between the first token's end and the last refresh, if later | {found['after_its_end']} |",
            "",
        ]
    )


def draw(found: dict[str, Any], path: Path) -> None:
    """Requests per second over time, one line for each provider, and the budget."""
    import matplotlib as mpl  # noqa: PLC0415 - only who draws needs it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(9, 4))
    for number, curve in enumerate(found["curves"]):
        axes.step(range(len(curve)), curve, where="post", label=f"provider {number + 1}")
    axes.axhline(found["plan"]["budget"], color="black", linestyle="--", linewidth=1, label="budget")
    axes.set_xlabel("seconds since the first refresh")
    axes.set_ylabel("refresh requests per second")
    axes.set_title(f"{found['plan']['connections']:,} connections that fall due within one minute")
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keeper_due", description=__doc__.split(":")[0])
    parser.add_argument("--smoke", action="store_true", help="a hundred connections: shows that it works")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for keeper-due.json, .md and .png")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.work:
        asyncio.run(work(json.loads(given.work)))
        return 0
    plan = Plan(connections=200, budget=20, ends_after=30, within=10, filling=2) if given.smoke else Plan()
    found = measure(plan)
    folder = given.results / "smoke" if given.smoke else given.results
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "keeper-due.json").write_text(json.dumps(found) + "\n", encoding="utf-8")
    (folder / "keeper-due.md").write_text(shown(found), encoding="utf-8")
    with contextlib.suppress(ImportError):
        draw(found, folder / "keeper-due.png")
    print(shown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
