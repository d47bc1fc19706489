"""`python -m benchmarks.postgres`: every part in turn on one new PostgreSQL; a page, a JSON file, a picture.

What lives here: the command line, and that a run ends and leaves what it found whatever fails in it.
What must not: a figure. Neighbours: one module per part.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import machine, node_peer, processes
from benchmarks.__main__ import alone, scratch
from benchmarks.postgres import cluster, nodes, picture, refreshing, replaying, rotations, sizes, told
from benchmarks.postgres.ground import Ground, Plan, say

RESULTS = Path(__file__).parents[1] / "results"
PARTS: dict[str, Callable[[Ground, dict[str, Any]], None]] = {
    "refreshing": refreshing.run, "sizes": sizes.run, "rotations": rotations.run, "replaying": replaying.run,
    "nodes": nodes.run,
}  # fmt: skip
# Of table and indexes together, with what filling needs besides for its log; measured, rounded up.
BYTES_PER_FAMILY = 2_500


def asked(arguments: list[str]) -> tuple[Plan, Path, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.postgres", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="a minute or two: shows that it works, not how fast")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="only this part; may be repeated")
    parser.add_argument("--largest", type=int, help="the most families (10,000,000)")
    parser.add_argument("--active", type=int, help="families that are refreshed among them (1,000)")
    parser.add_argument("--rotations", type=int, help="rotations of those families alone (1,000,000)")
    parser.add_argument("--rounds", type=int, help="rounds of what is compared (3)")
    parser.add_argument("--warmup", type=float, help="seconds before each comparison with a peer (10)")
    parser.add_argument("--duration", type=float, help="seconds of each measurement (6)")
    parser.add_argument("--results", type=Path, help="folder for postgres.json, postgres.md and postgres.png")
    given = parser.parse_args(arguments)
    small = given.smoke
    largest = given.largest or (10_000 if small else 10_000_000)
    plan = Plan(
        rounds=given.rounds or (1 if small else 3),
        warmup=(1.0 if small else 10.0) if given.warmup is None else given.warmup,
        short_warmup=0.5 if small else 2.0,
        duration=given.duration or (1.0 if small else 6.0),
        connections=8 if small else 64,
        active=given.active or (50 if small else 1000),
        largest=largest,
        rotations=given.rotations or (2_000 if small else 1_000_000),
        per_user=50 if small else 1000,
        users=4 if small or largest < 100_000 else 60,
        crowd=largest // 10 if largest > 10_000 else largest // 4,
        smoke=small,
    )
    return plan, given.results or (RESULTS / "smoke" if small else RESULTS), given.only or list(PARTS)


def method(plan: Plan) -> str:
    return (
        f"{plan.connections} keep-alive connections; server on core {processes.SERVER_CORE}, database and load on core "
        f"{processes.LOAD_CORE}; {plan.rounds} interleaved rounds of {plan.duration:g} s after {plan.warmup:g} s of "
        f"warm-up, median over rounds; public client, rotation on every refresh; fsync, synchronous_commit and "
        f"full_page_writes on"
    )


def main(arguments: list[str]) -> int:
    plan, folder, parts = asked(arguments)
    why = cluster.missing() or _no_room(plan, parts)
    if why:
        say(f"no result: {why}")
        return 1
    if not plan.smoke:
        node_peer.prepare()
    with alone(smoke=plan.smoke), scratch() as workdir:
        whole = run(plan, workdir, folder, parts)
    print(told.text(whole))
    failed = [name for name, part in whole["parts"].items() if "failed" in part]
    if failed:
        say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _no_room(plan: Plan, parts: list[str]) -> str | None:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    needed = plan.largest * BYTES_PER_FAMILY + 10_000_000_000 * (not plan.smoke) if "sizes" in parts else 0
    if free > needed:
        return None
    return f"{needed / 1e9:,.0f} GB are needed in {tempfile.gettempdir()} and {free / 1e9:,.0f} are free: --largest"


def run(plan: Plan, workdir: Path, folder: Path, parts: list[str]) -> dict[str, Any]:
    """All that was found. The files are written again and again on the way."""
    whole: dict[str, Any] = {
        "machine": machine.facts(workdir), "method": method(plan), "smoke": plan.smoke, "parts": {},
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    processes.pin(processes.LOAD_CORE)
    with cluster.running() as database:
        whole["machine"]["postgresql"] = database.version()
        ground = Ground(database, workdir, plan, lambda: _write(whole, folder))
        for name in parts:
            part = whole["parts"][name] = {}
            start = time.perf_counter()
            try:
                PARTS[name](ground, part)
            except Exception:  # noqa: BLE001 - whatever it was, the other parts are measured and all of it is written
                part["failed"] = traceback.format_exc(limit=-6)
                say(f"{name} failed:\n{part['failed']}")
            part["took_s"] = round(time.perf_counter() - start, 1)
            say(f"{name}: {part['took_s']:.0f} s")
            _write(whole, folder)
    if importlib.util.find_spec("matplotlib") is None:
        say("no picture: matplotlib is not installed (requirements/bench.txt)")
    elif picture.draw(whole, folder / "postgres.png"):
        say(f"written to {folder}")
    return whole


def _write(whole: dict[str, Any], folder: Path) -> None:
    (folder / "postgres.json").write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    (folder / "postgres.md").write_text(told.text(whole))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
