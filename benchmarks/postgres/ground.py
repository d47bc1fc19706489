"""What every part stands on: the database, a folder, how much to do, and a fleet of families that goes on.

What lives here: the plan and the driving of one server again and again. What must not: a question.
Neighbour: `benchmarks.rounds` measures once.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks import evergrant_server
from benchmarks.load import Measured
from benchmarks.postgres.cluster import Cluster
from benchmarks.rounds import measure
from benchmarks.servers import Target


@dataclass(frozen=True, slots=True)
class Plan:
    """How much: seconds, rounds, and families; what is not said at the command line is in `benchmarks.postgres`."""

    rounds: int
    warmup: float
    """For servers that compile while they run."""
    short_warmup: float
    duration: float
    connections: int
    active: int
    """Families that are refreshed."""
    largest: int
    rotations: int
    per_user: int
    users: int
    crowd: int
    """Families of one client that is deleted."""
    smoke: bool


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(slots=True)
class Ground:
    """*keep* writes down what is known so far, however the run ends."""

    cluster: Cluster
    workdir: Path
    plan: Plan
    keep: Callable[[], None]


@dataclass(slots=True)
class Fleet:
    """The families of one server, driven again and again: each run goes on where the one before ended."""

    ground: Ground
    target: Target
    name: str
    """The database's."""
    spare: list[str] = field(default_factory=list)
    """Refresh tokens of families that are not driven."""

    def drive(self, duration: float, *, warmup: float | None = None, **more: Any) -> Measured:
        """One measurement; wrong answers raise. *more*: what `load.Spec` can be told besides."""
        plan, kept = self.ground.plan, self.ground.workdir / "tokens.json"
        kept.unlink(missing_ok=True)
        watched = {"postgres": self.ground.cluster.pid, **more.pop("watched", {})}
        wanted = plan.short_warmup if warmup is None else warmup
        measured = measure(
            self.target, self.ground.workdir, warmup=wanted, duration=duration, connections=plan.connections,
            keep=str(kept), watched=watched, **more,
        )  # fmt: skip
        self.target = replace(self.target, refresh_tokens=json.loads(kept.read_text()))
        return measured


@contextlib.contextmanager
def fleet(ground: Ground, name: str, *, families: int, spare: int = 0) -> Iterator[Fleet]:
    """Our server on a new database, with *families* to drive and *spare* beside them."""
    url = ground.cluster.database(name)
    with evergrant_server.serving(ground.workdir, families=families + spare, store_url=url) as target:
        driven, apart = target.refresh_tokens[:families], target.refresh_tokens[families:]
        yield Fleet(ground, replace(target, refresh_tokens=driven), name, apart)


def short(measured: Measured) -> dict[str, Any]:
    """What is worth keeping of a measurement: no token, and nothing that says nothing."""
    kept = {
        "per_second": measured.per_second, "p50": measured.p50, "p90": measured.p90, "p99": measured.p99,
        "longest": measured.longest, "refreshes": measured.refreshes, "seconds": measured.seconds,
        "server_cpu_us": measured.server_cpu_us, "server_cpu_share": measured.server_cpu_share,
        "driver_cpu_share": measured.driver_cpu_share, "foreign_share": measured.foreign_share,
        "watched_cpu_us": measured.watched_cpu_us,
    }  # fmt: skip
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in kept.items()}
