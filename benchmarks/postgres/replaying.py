"""Fifty replays a second against dead families while ordinary load runs: what does everybody else feel?

What lives here: the comparison, interleaved. Neighbour: `benchmarks.replays` presents the dead tokens.
"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.postgres.ends import revoke
from benchmarks.postgres.ground import Ground, fleet, say, short
from benchmarks.report import NOISE

NAME = "replaying"
PER_SECOND = 50.0
DEAD = 20
FELT = 1.2


def run(ground: Ground, told: dict[str, Any]) -> None:
    """Fill *told*: pairs of measurements, without and with replays."""
    plan = ground.plan
    with fleet(ground, NAME, families=plan.connections, spare=DEAD) as driven:
        for token in driven.spare:
            revoke(driven, token)
        told["alone"], told["beside"], told["replayed"] = [], [], {}
        driven.drive(0.5, warmup=plan.warmup)
        for _ in range(plan.rounds):
            told["alone"].append(short(driven.drive(plan.duration)))
            measured = driven.drive(plan.duration, replays=driven.spare, replays_per_second=PER_SECOND)
            told["beside"].append(short(measured))
            for status, count in measured.replayed.items():
                told["replayed"][status] = told["replayed"].get(status, 0) + count
            ground.keep()
    ratio = statistics.median(
        mine["p99"] / theirs["p99"] for mine, theirs in zip(told["beside"], told["alone"], strict=True)
    )
    told["p99_times"] = ratio
    say(f"replays {told['replayed']}: p99 {ratio:.2f} times")
    if set(told["replayed"]) != {"400"}:
        raise RuntimeError(f"a replay of a dead family was answered {told['replayed']}")
    if not plan.smoke:
        what = f"p99 of a refresh beside {PER_SECOND:g} replays a second, times without"
        calm = all(one["foreign_share"] <= NOISE for one in (*told["alone"], *told["beside"]))
        met = ratio <= FELT if calm else None
        told["reach"] = [{"what": what, "measured": ratio, "wanted": f"≤ {FELT:g}", "met": met}]
