"""What a run on PostgreSQL found, as Markdown that also reads well in a terminal.

What lives here: wording. What must not: arithmetic that the JSON does not hold. Neighbour: `picture` draws the same.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks.report import table

_MET = {True: "yes", False: "NO", None: "disturbed"}
Part = dict[str, Any]


def text(told: Part) -> str:
    """The whole page; a part that failed says why, one that was not asked for is left out."""
    lines = ["# Refreshes on PostgreSQL", "", told["method"], ""]
    lines += [f"- {name}: {value}" for name, value in told["machine"].items()]
    if told["smoke"]:
        lines += ["", "A smoke run: it shows that everything works. Too short to compare anything."]
    elif reaches := list(_reaches(told["parts"])):
        lines += ["", *table([["reach", "measured", "wanted", "met"], *reaches])]
    for name, part in told["parts"].items():
        lines += ["", f"## {HEADINGS[name]}", ""]
        try:
            lines += list(SECTIONS[name](part))
        except (KeyError, IndexError, statistics.StatisticsError):
            lines.append("Cut short.")
        if "failed" in part:
            lines += ["", f"Failed: {part['failed'].strip().splitlines()[-1]}"]
    return "\n".join(lines) + "\n"


def _reaches(parts: dict[str, Part]) -> Iterator[list[str]]:
    for part in parts.values():
        for each in [*part.get("reach", []), *part.get("ends", {}).get("reach", [])]:
            yield [each["what"], f"{each['measured']:.2f}", each["wanted"], _MET[each["met"]]]


def middle(rounds: list[Part], name: str) -> float:
    """The median of one figure over rounds."""
    return statistics.median(one[name] for one in rounds)


def database_us(rounds: list[Part]) -> float:
    """CPU of the database per refresh, median over rounds; 0 where there is none."""
    return statistics.median(one["watched_cpu_us"].get("postgres", 0.0) for one in rounds)


def _refreshing(part: Part) -> Iterator[str]:
    head = ["server", "refreshes/s", "p50 ms", "p99 ms", "server CPU µs", "database CPU µs", "core used", "by others"]
    rows = [
        [
            name, f"{middle(rounds, 'per_second'):,.0f}", f"{middle(rounds, 'p50'):.1f}",
            f"{middle(rounds, 'p99'):.1f}", f"{middle(rounds, 'server_cpu_us'):,.0f}",
            f"{database_us(rounds):,.0f}" if database_us(rounds) else "",
            f"{middle(rounds, 'server_cpu_share'):.0%}", f"{middle(rounds, 'foreign_share'):.0%}",
        ]
        for name, rounds in part["rounds"].items()
    ]  # fmt: skip
    yield from table([head, *rows])
    yield ""
    yield from _counts(part["per_refresh"])
    yield ""
    yield from (f"- {name}: {setup}" for name, setup in part["setups"].items())
    yield from (f"- {name}: not measured, {why}" for name, why in part["absent"].items())


def _counts(per_refresh: dict[str, Part]) -> Iterator[str]:
    head = ["per refresh", "statements", "commits", "bytes of WAL", "of them records", "syncs of WAL"]
    rows = [
        [
            name, f"{one['statements']:.2f}", f"{one['commits']:.3f}", f"{one['wal_bytes']:,.0f}",
            f"{one['wal_records']:.1f}", f"{one['wal_syncs']:.3f}",
        ]
        for name, one in per_refresh.items()
    ]  # fmt: skip
    yield from table([head, *rows])


def _sizes(part: Part) -> Iterator[str]:
    head = ["families", "p50 ms", "p99 ms", "refreshes/s", "table", "indexes", "bytes/family", "start s", "filled in s"]
    rows = [
        [
            f"{each['families']:,}", f"{each['refresh']['p50']:.1f}", f"{each['refresh']['p99']:.1f}",
            f"{each['refresh']['per_second']:,.0f}", _mb(each["table"]), _mb(each["indexes"]),
            f"{each['bytes_per_family']:,.0f}", f"{each['start_s']:.2f}", f"{each['filled_s']:.0f}",
        ]
        for each in part["stages"]
    ]  # fmt: skip
    yield from table([head, *rows])
    if "stopped" in part:
        yield ""
        yield f"No larger size: {part['stopped']}."
    yield ""
    yield from _ends(part["ends"])


def _ends(part: Part) -> Iterator[str]:
    names = {
        "commit_idle_ms": "for comparison: one row updated, nothing else to do",
        "family_idle_ms": "a family, nothing else to do", "family_busy_ms": "a family, while refreshes run",
        "user_idle_ms": "a user, nothing else to do", "user_busy_ms": "a user, while refreshes run",
    }  # fmt: skip
    rows = [
        [words, f"{part[name]['p50']:.1f}", f"{part[name]['p99']:.1f}", f"{part[name]['longest']:.1f}",
         str(part[name]["count"])]
        for name, words in names.items() if name in part
    ]  # fmt: skip
    yield from table([["ended, at the largest size", "p50 ms", "p99 ms", "longest ms", "times"], *rows])
    yield ""
    loads = {
        "load_alone": "nothing ends", "load_while_ending": "families and users end, one after another",
        "load_while_client_ends": "a client is deleted",
    }  # fmt: skip
    rows = [
        [words, f"{part[name]['per_second']:,.0f}", f"{part[name]['p50']:.1f}", f"{part[name]['p99']:.1f}",
         f"{part[name]['longest']:.0f}"]
        for name, words in loads.items() if name in part
    ]  # fmt: skip
    yield from table([["what refreshes feel while", "refreshes/s", "p50 ms", "p99 ms", "longest ms"], *rows])
    if "client" in part:
        yield ""
        yield f"The client had {part['client']['families']:,} families; its end took {part['client']['seconds']:.1f} s."


def _rotations(part: Part) -> Iterator[str]:
    head = ["rotations", "rows", "table", "indexes", "updates in place", "vacuums"]
    rows = [
        [f"{each['rotations']:,}", f"{each['rows']:,}", _mb(each["table"]), _mb(each["indexes"]),
         f"{each['in_place']:.1%}", str(each["vacuums"])]
        for each in part["sizes"]
    ]  # fmt: skip
    yield from table([head, *rows])
    yield ""
    yield f"The audit trail takes {part['audit_bytes_per_rotation']:,.0f} bytes for each rotation, until its retention."


def _replaying(part: Part) -> Iterator[str]:
    rows = [
        [words, f"{middle(part[name], 'per_second'):,.0f}", f"{middle(part[name], 'p50'):.1f}",
         f"{middle(part[name], 'p99'):.1f}"]
        for name, words in (("alone", "no replays"), ("beside", "50 replays a second"))
    ]  # fmt: skip
    yield from table([["beside the load", "refreshes/s", "p50 ms", "p99 ms"], *rows])
    yield ""
    yield f"Replays were answered {part['replayed']}."


def _nodes(part: Part) -> Iterator[str]:
    head = ["arrangement", "refreshes/s", "p50 ms", "p99 ms", "first node", "second node", "database", "load"]
    rows = []
    for name, rounds in part["rounds"].items():
        shares = {who: statistics.median(one["shares"].get(who, 0.0) for one in rounds) for who in rounds[0]["shares"]}
        rows.append([
            name, f"{middle(rounds, 'per_second'):,.0f}", f"{middle(rounds, 'p50'):.1f}",
            f"{middle(rounds, 'p99'):.1f}", f"{middle(rounds, 'server_cpu_share'):.0%}",
            f"{shares.get('second node', 0.0):.0%}",
            f"{shares.get('postgres', 0.0):.0%}", f"{middle(rounds, 'driver_cpu_share'):.0%}",
        ])  # fmt: skip
    yield from table([head, *rows])
    yield ""
    yield "Shares are of one core. The first node has core 0; database, load and a second node apart share core 1."
    yield ""
    yield from _counts(part["per_refresh"])


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


HEADINGS = {
    "refreshing": "One refresh, side by side",
    "sizes": "From a thousand families to the largest, and ends there",
    "rotations": "What rotations leave behind",
    "replaying": "Replays against dead families",
    "nodes": "Two nodes over one database",
}
SECTIONS = {
    "refreshing": _refreshing, "sizes": _sizes, "rotations": _rotations, "replaying": _replaying, "nodes": _nodes,
}  # fmt: skip
