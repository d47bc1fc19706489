"""One refresh on PostgreSQL, beside the peers: refreshes per second, waiting, CPU of server and database, and counts.

What lives here: the order of things in one comparison. What must not: how a server is started.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import django_peer, evergrant_server, node_peer
from benchmarks.load import Measured
from benchmarks.postgres.counters import counted, statements
from benchmarks.postgres.ground import Ground, say, short
from benchmarks.report import DJANGO, NODE, NOISE, OURS
from benchmarks.rounds import measure
from benchmarks.servers import Target

WANTED = {NODE: 2.5, DJANGO: 20.0}


class Contender(NamedTuple):
    """*database*: whether it stands on PostgreSQL; the other one keeps everything in memory."""

    name: str
    serving: Callable[[Path, int, str], AbstractContextManager[Target]]
    missing: Callable[[], str | None]
    database: bool = True


CONTENDERS = (
    Contender(NODE, lambda d, n, _: node_peer.serving(d, families=n), node_peer.missing, database=False),
    Contender(DJANGO, lambda d, n, url: django_peer.serving(d, families=n, store_url=url), django_peer.missing),
    Contender(OURS, lambda d, n, url: evergrant_server.serving(d, families=n, store_url=url), evergrant_server.missing),
)


def run(ground: Ground, told: dict[str, Any]) -> None:
    """Fill *told* round by round."""
    rounds: dict[str, list[dict[str, Any]]] = told.setdefault("rounds", {})
    told["absent"] = {each.name: why for each in CONTENDERS if (why := each.missing()) is not None}
    told["setups"], told["per_refresh"], told["statements"] = {}, {}, {}
    for number in range(ground.plan.rounds):
        for each in CONTENDERS:
            if each.name in told["absent"]:
                continue
            measured = _one(ground, each, told)
            rounds.setdefault(each.name, []).append(short(measured))
            say(
                f"round {number + 1}/{ground.plan.rounds} {each.name}: {measured.per_second:,.0f}/s, p99 "
                f"{measured.p99:.1f} ms, CPU {measured.server_cpu_us:,.0f} + "
                f"{measured.watched_cpu_us.get('postgres', 0):,.0f} µs"
            )
            ground.keep()
    told["reach"] = reach(rounds, smoke=ground.plan.smoke)


def _one(ground: Ground, contender: Contender, told: dict[str, Any]) -> Measured:
    plan, name = ground.plan, "refreshing"
    url = ground.cluster.database(name)
    watched = {"postgres": ground.cluster.pid} if contender.database else {}
    with contender.serving(ground.workdir, plan.connections, url) as target:
        told["setups"][contender.name] = target.setup
        before = counted(ground.cluster, name)
        measured = measure(target, ground.workdir, warmup=plan.warmup, duration=plan.duration, watched=watched)
        if contender.database:
            after = counted(ground.cluster, name)
            told["per_refresh"][contender.name] = after.since(before, measured.answered)
            told["statements"][contender.name] = statements(ground.cluster, name)
    return measured


def reach(rounds: dict[str, list[dict[str, Any]]], *, smoke: bool) -> list[dict[str, Any]]:
    """Each promise with what was measured: ratios are taken within a round, then their median."""
    found = []
    for peer, wanted in WANTED.items():
        pairs = list(zip(rounds.get(OURS, []), rounds.get(peer, []), strict=False))
        if not pairs or smoke:
            continue
        ratio = statistics.median(mine["per_second"] / theirs["per_second"] for mine, theirs in pairs)
        calm = all(statistics.median(one["foreign_share"] for one in rounds[name]) <= NOISE for name in (peer, OURS))
        found.append({
            "what": f"refreshes per second on PostgreSQL, times {peer}", "measured": ratio, "wanted": f"≥ {wanted:g}",
            "met": ratio >= wanted if calm else None,
        })  # fmt: skip
    return found
