"""`python -m benchmarks`: every server one after another, round after round; one table, one JSON file, one picture.

What lives here: the command line and the order of things. What must not: a figure. Neighbour: `rounds` measures.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import ceiling, django_peer, evergrant_server, floor, machine, node_peer, processes, report
from benchmarks.load import Measured
from benchmarks.report import DJANGO, NODE, OURS, Results
from benchmarks.rounds import MeasurementInvalid, measure
from benchmarks.servers import CONNECTIONS, Target

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Contender:
    """A server that takes part: how to start it, and why it may be unable to."""

    name: str
    serving: Callable[[Path, int], AbstractContextManager[Target]]
    missing: Callable[[], str | None]


CONTENDERS = (
    Contender(NODE, lambda d, n: node_peer.serving(d, families=n), node_peer.missing),
    Contender(DJANGO, lambda d, n: django_peer.serving(d, families=n), django_peer.missing),
    Contender(OURS, lambda d, n: evergrant_server.serving(d, families=n, kind="spa"), evergrant_server.missing),
    Contender(
        "evergrant (confidential)",
        lambda d, n: evergrant_server.serving(d, families=n, kind="web"),
        evergrant_server.missing,
    ),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure."""

    rounds: int
    warmup: float
    duration: float
    connections: int
    floor_batches: int
    starts: int
    attempts: int
    only: str
    smoke: bool

    @property
    def method(self) -> str:
        return (
            f"{self.connections} keep-alive connections, each renewing one family; {self.rounds} interleaved rounds of "
            f"{self.duration:g} s after {self.warmup:g} s of warm-up, median over rounds; server on core "
            f"{processes.SERVER_CORE}, load on core {processes.LOAD_CORE}; public client, rotation on every refresh"
        )


def asked(arguments: list[str]) -> tuple[Plan, Path]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--smoke", action="store_true", help="seconds instead of minutes: shows that it works, not how fast"
    )
    parser.add_argument("--rounds", type=int, help="rounds per server (5)")
    parser.add_argument("--warmup", type=float, help="seconds before each measurement (10)")
    parser.add_argument("--duration", type=float, help="seconds of each measurement (6)")
    parser.add_argument("--only", default="", help="only servers whose name contains this")
    parser.add_argument("--results", type=Path, help="folder for latest.json, latest.md and refresh.png")
    given = parser.parse_args(arguments)
    rounds, warmup, duration = (1, 0.5, 1.0) if given.smoke else (5, 10.0, 6.0)
    plan = Plan(
        rounds=given.rounds or rounds,
        warmup=warmup if given.warmup is None else given.warmup,
        duration=given.duration or duration,
        connections=8 if given.smoke else CONNECTIONS,
        floor_batches=10 if given.smoke else 60,
        starts=1 if given.smoke else 5,
        attempts=1 if given.smoke else 3,
        only=given.only,
        smoke=given.smoke,
    )
    return plan, given.results or (RESULTS / "smoke" if given.smoke else RESULTS)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def run(plan: Plan, workdir: Path) -> Results:
    results = Results(machine.facts(workdir), plan.method, smoke=plan.smoke)
    processes.pin(processes.LOAD_CORE)
    present: list[Contender] = []
    for each in CONTENDERS:
        if plan.only in each.name:
            why = each.missing()
            if why is None:
                present.append(each)
            else:
                results.absent[each.name] = why
                say(f"{each.name}: not measured, {why}")
    with ceiling.serving(workdir, families=plan.connections) as target:
        results.ceiling = measure(target, workdir, warmup=min(1.0, plan.warmup), duration=min(3.0, plan.duration))
    say(f"the driver can drive {results.ceiling.per_second:,.0f} requests per second")
    for number in range(plan.rounds):
        results.floors.append(floor.measure(workdir, batches=plan.floor_batches, repeats=3))
        for each in present:
            measured = _undisturbed(each, plan, workdir, results)
            results.rounds.setdefault(each.name, []).append(measured)
            say(
                f"round {number + 1}/{plan.rounds} {each.name}: {measured.per_second:,.0f}/s, "
                f"p99 {measured.p99:.1f} ms, {measured.server_cpu_us:,.0f} µs CPU, "
                f"core used by others {measured.foreign_share:.0%}"
            )
    if evergrant_server.missing() is None and plan.only in OURS:
        results.idle = evergrant_server.idle(workdir, starts=plan.starts)
    return results


@contextlib.contextmanager
def alone(*, smoke: bool) -> Iterator[None]:
    """Wait for another benchmark on this machine: two at a time would measure each other. A smoke run does not care."""
    with (Path(tempfile.gettempdir()) / "evergrant-bench.lock").open("a") as lock:
        if not smoke:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another benchmark is running on this machine; waiting for it to end")
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that goes with the run; what a server still writes into it while it goes is no trouble."""
    with tempfile.TemporaryDirectory(prefix="evergrant-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _undisturbed(contender: Contender, plan: Plan, workdir: Path, results: Results) -> Measured:
    """Measure, again if somebody else was on the server's core, and keep the attempt that was disturbed least."""
    attempts: list[Measured] = []
    for _ in range(plan.attempts):
        with contender.serving(workdir, plan.connections) as target:
            results.setups[contender.name] = target.setup
            attempts.append(measure(target, workdir, warmup=plan.warmup, duration=plan.duration))
        if attempts[-1].foreign_share <= report.NOISE:
            break
        say(f"{contender.name}: {attempts[-1].foreign_share:.0%} of its core went to others meanwhile")
    return min(attempts, key=lambda each: each.foreign_share)


def main(arguments: list[str]) -> int:
    plan, folder = asked(arguments)
    if not plan.smoke:
        node_peer.prepare()
    try:
        with (
            alone(smoke=plan.smoke),
            tempfile.TemporaryDirectory(prefix="evergrant-bench-", ignore_cleanup_errors=True) as workdir,
        ):
            results = run(plan, Path(workdir))
    except (MeasurementInvalid, processes.ServerFailed) as failure:
        say(f"no result: {failure}")
        return 1
    report.write(results, folder)
    print(report.text(results))
    if importlib.util.find_spec("matplotlib") is None:
        say("no picture: matplotlib is not installed (requirements/bench.txt)")
    elif results.rounds:
        from benchmarks import plot  # noqa: PLC0415 - matplotlib is not part of a smoke run's environment

        plot.draw(results, folder / "refresh.png")
    say(f"written to {folder}")
    return 0 if OURS in results.rounds or plan.only else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
