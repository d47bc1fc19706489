"""From a thousand families to ten million: what a refresh notices, the bytes of a family, how soon a node starts.

What lives here: the stages. What must not: how rows are made (`filling`) or ended (`ends`).
"""

from __future__ import annotations

from typing import Any

from benchmarks import evergrant_server
from benchmarks.postgres import ends
from benchmarks.postgres.counters import size
from benchmarks.postgres.filling import TABLE, Filler, fill
from benchmarks.postgres.ground import Fleet, Ground, fleet, say, short
from benchmarks.report import NOISE
from benchmarks.servers import REDIRECT_URI

NAME = "sizes"
FLAT = 1.5
REVOKED = 500
STARTS = 3
# The next stage takes ten times as long to fill; one that would take longer than this is left out, and said so.
LONGEST_FILLING = 420.0


def stages(smallest: int, largest: int) -> list[int]:
    """Powers of ten, the last one being *largest* itself."""
    found = [smallest]
    while found[-1] * 10 < largest:
        found.append(found[-1] * 10)
    return [*found, largest] if largest > found[-1] else found


def run(ground: Ground, told: dict[str, Any]) -> None:
    """Fill *told* stage by stage; the ends are timed at the largest size."""
    plan = ground.plan
    spare = 20 if plan.smoke else REVOKED
    with fleet(ground, NAME, families=plan.active, spare=spare) as driven:
        filler = _filler(driven)
        driven.drive(plan.short_warmup, warmup=0.5)  # every row has been rotated: the one that is copied, too
        filled, real = 0, plan.active + spare
        told["stages"] = []
        for wanted in stages(max(1000, real), plan.largest):
            added = max(0, wanted - real)
            seconds = fill(ground.cluster, NAME, filler, filled, added) if added > filled else 0.0
            filled = max(filled, added)
            told["stages"].append(_stage(driven, seconds))
            say("size {families:,}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {bytes_per_family:,.0f} bytes, filled in "
                "{filled_s:.0f} s".format(**told["stages"][-1], **told["stages"][-1]["refresh"]))  # fmt: skip
            ground.keep()
            if seconds * 10 > LONGEST_FILLING and wanted < plan.largest:
                told["stopped"] = f"filling the next size would take about {seconds * 10:,.0f} s on this machine"
                say(f"stopped: {told['stopped']}")
                break
        told["reach"] = _reach(told["stages"], smoke=plan.smoke)
        told["ends"] = {}
        ends.run(driven, filler, told["ends"])
        ground.keep()


def _filler(driven: Fleet) -> Filler:
    """The users and the client to whom most rows belong, registered as anybody would be."""
    plan, directory = driven.ground.plan, driven.ground.workdir / "evergrant"
    url = driven.ground.cluster.url(NAME)
    users = [
        evergrant_server.ask(
            directory, "user", "add", f"many-{number}@example.com", "--password-stdin",
            given=evergrant_server.PASSWORD + "\n", store_url=url,
        )["id"]
        for number in range(plan.users)
    ]  # fmt: skip
    client = evergrant_server.ask(
        directory, "client", "add", "crowd", "--type", "spa", "--redirect-uri", REDIRECT_URI, store_url=url
    )["id"]
    return Filler(tuple(users), plan.per_user, str(client), plan.crowd)


def _stage(driven: Fleet, seconds: float) -> dict[str, Any]:
    ground = driven.ground
    measured = driven.drive(ground.plan.duration)
    found = size(ground.cluster, NAME, TABLE)
    return {
        "families": found.rows, "filled_s": round(seconds, 1), "refresh": short(measured),
        "table": found.table, "indexes": found.indexes,
        "bytes_per_family": (found.table + found.indexes) / max(found.rows, 1), "start_s": min(_starts(driven)),
    }  # fmt: skip


def _starts(driven: Fleet) -> list[float]:
    """Seconds from exec to the first answer of one more node."""
    ground, took = driven.ground, []
    for _ in range(1 if ground.plan.smoke else STARTS):
        with evergrant_server.started(
            ground.workdir / "evergrant", ground.workdir / "second.log", store_url=ground.cluster.url(NAME),
            issuer=f"http://{driven.target.issuer_authority}",
        ) as (_, _, seconds):  # fmt: skip
            took.append(seconds)
    return took


def _reach(found: list[dict[str, Any]], *, smoke: bool) -> list[dict[str, Any]]:
    if smoke or len(found) < 2:
        return []
    first = found[0]["refresh"]
    told = []
    calm = all(each["refresh"]["foreign_share"] <= NOISE for each in found)
    for name in ("p50", "p99"):
        worst = max(each["refresh"][name] for each in found[1:]) / first[name]
        what = (
            f"{name} of a refresh at up to {found[-1]['families']:,} families, times that at {found[0]['families']:,}"
        )
        told.append({"what": what, "measured": worst, "wanted": f"≤ {FLAT:g}", "met": worst <= FLAT if calm else None})
    return told
