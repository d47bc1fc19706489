"""A million rotations of a thousand families: what grows, what does not, and how many updates touched no index.

What lives here: the question. Neighbour: `counters` reads the sizes.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from benchmarks.postgres.counters import SETTLED_SECONDS, Size, size
from benchmarks.postgres.filling import TABLE
from benchmarks.postgres.ground import Ground, fleet, say, short

NAME = "rotations"
LONGEST_SECONDS = 360.0
"""For all rotations together: a machine that is too slow for a million stops with fewer, and says how many."""
VACUUM_SECONDS = 45.0
SAME = 1.10


def run(ground: Ground, told: dict[str, Any]) -> None:
    """Fill *told*: sizes when the families were new, on the way, and after the last rotation and its vacuum.

    Judged against ten rotations of each: a family that was never rotated has no predecessor and nothing sealed yet.
    """
    plan = ground.plan
    with fleet(ground, NAME, families=plan.active) as driven:
        told["sizes"] = [_sized(ground, 0)]
        done, end = 0, time.perf_counter() + LONGEST_SECONDS
        for share in (0.01, 0.1, 0.5, 1.0):
            wanted = int(plan.rotations * share) - done
            left = end - time.perf_counter()
            if left <= 0:
                break
            measured = driven.drive(left, warmup=0.0, most=wanted)
            done += measured.answered
            told["refresh"] = short(measured)
            told["sizes"].append(_sized(ground, done))
            ground.keep()
    told["audit_bytes_per_rotation"] = _audit(ground) / max(done, 1)
    new, first, last = (_bytes(told["sizes"][place]) for place in (0, 1, -1))
    growth, in_place = last / first, told["sizes"][-1]["in_place"]
    told["growth"], told["growth_since_new"], told["in_place"] = growth, last / new, in_place
    say(f"{done:,} rotations: {growth:.2f} times the size, {in_place:.1%} of updates in place")
    if not plan.smoke:
        begun = told["sizes"][1]["rotations"]
        what = f"size of {plan.active:,} families after {done:,} rotations, times that after {begun:,}"
        told["reach"] = [{"what": what, "measured": growth, "wanted": f"≤ {SAME:g}", "met": growth <= SAME}]


def _bytes(sized: dict[str, Any]) -> int:
    return int(sized["table"] + sized["indexes"])


def _sized(ground: Ground, rotations: int) -> dict[str, Any]:
    found = _vacuumed(ground)
    kept = asdict(found)
    return {"rotations": rotations, "in_place": found.in_place, **kept}


def _vacuumed(ground: Ground) -> Size:
    """The sizes once the server's own vacuum has passed, or after a while: it does not come where little is dead."""
    time.sleep(SETTLED_SECONDS)
    before = size(ground.cluster, NAME, TABLE)
    deadline = time.perf_counter() + (5.0 if ground.plan.smoke else VACUUM_SECONDS)
    found = before
    while found.vacuums == before.vacuums and found.dead > found.rows and time.perf_counter() < deadline:
        time.sleep(0.5)
        found = size(ground.cluster, NAME, TABLE)
    return found


def _audit(ground: Ground) -> float:
    """Bytes of the audit trail, all partitions and their indexes."""
    (row,) = ground.cluster.ask(
        "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('evergrant.event') WHERE isleaf", name=NAME
    )
    return float(row[0])
