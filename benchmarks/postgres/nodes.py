"""Two nodes over one database against one, on two cores: what is gained, and what is full when no more is gained.

What shares what: the first node has core 0 to itself; database, load and the second node share core 1. Both nodes on
core 0 once more says what being two costs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from benchmarks import evergrant_server, processes
from benchmarks.postgres.counters import counted
from benchmarks.postgres.ground import Fleet, Ground, fleet, say, short

NAME = "nodes"
ONE, APART, TOGETHER = "one node", "two nodes, a core each", "two nodes on one core"


def run(ground: Ground, told: dict[str, Any]) -> None:
    """Fill *told*: each arrangement in turn, round after round."""
    plan = ground.plan
    told["rounds"] = {ONE: [], APART: [], TOGETHER: []}
    told["per_refresh"] = {}
    with fleet(ground, NAME, families=plan.connections) as driven:
        driven.drive(0.5, warmup=plan.warmup)
        for _ in range(plan.rounds):
            told["rounds"][ONE].append(_one(driven, told, ONE))
            for name, core in ((APART, processes.LOAD_CORE), (TOGETHER, processes.SERVER_CORE)):
                with _second(driven, core) as (pid, port):
                    told["rounds"][name].append(
                        _one(driven, told, name, more_ports=[port], watched={"second node": pid})
                    )
            ground.keep()
    for name, rounds in told["rounds"].items():
        say(f"{name}: {rounds[-1]['per_second']:,.0f}/s, p99 {rounds[-1]['p99']:.1f} ms")


def _one(driven: Fleet, told: dict[str, Any], name: str, **more: Any) -> dict[str, Any]:
    ground = driven.ground
    before = counted(ground.cluster, NAME)
    load_core = processes.core_busy_seconds(processes.LOAD_CORE)
    measured = driven.drive(ground.plan.duration, warmup=max(2.0, ground.plan.short_warmup), **more)
    busy = processes.core_busy_seconds(processes.LOAD_CORE) - load_core
    told["per_refresh"][name] = counted(ground.cluster, NAME).since(before, measured.answered)
    shares = {who: used * measured.per_second / 1e6 for who, used in measured.watched_cpu_us.items()}
    return {**short(measured), "shares": shares, "load_core_busy_s": busy}


@contextlib.contextmanager
def _second(driven: Fleet, core: int) -> Iterator[tuple[int, int]]:
    ground = driven.ground
    with evergrant_server.started(
        ground.workdir / "evergrant", ground.workdir / "second.log", store_url=ground.cluster.url(NAME),
        issuer=f"http://{driven.target.issuer_authority}", core=core,
    ) as (process, address, _):  # fmt: skip
        yield process.pid, urlsplit(address).port or 0
