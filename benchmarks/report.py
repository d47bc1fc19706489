"""From rounds to one table: medians, ratios against the reach, and a file to quote from.

What lives here: arithmetic over results and how it is worded. What must not: measuring. Neighbours: `rounds` below,
`plot` draws the same `Results`.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.evergrant_server import Idle
from benchmarks.floor import Floor
from benchmarks.load import Measured
from benchmarks.rounds import median

OURS = "evergrant (public)"
NODE = "node-oidc-provider"
DJANGO = "django-oauth-toolkit"

NOISE = 0.05
_MET = {True: "yes", False: "NO", None: "disturbed"}
_TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(slots=True)
class Results:
    """Everything one run of the benchmark found."""

    machine: dict[str, str]
    method: str
    ceiling: Measured | None = None
    floors: list[Floor] = field(default_factory=list)
    rounds: dict[str, list[Measured]] = field(default_factory=dict)
    setups: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    idle: Idle | None = None
    smoke: bool = False
    """Too short to be fair: a peer that compiles while it runs has not warmed up, so nothing is judged."""


@dataclass(frozen=True, slots=True)
class Reach:
    """One promise of the design with what was measured for it."""

    what: str
    measured: float
    limit: float
    unit: str
    at_least: bool
    disturbed: bool = False
    """Somebody else was on the server's core: the figure is told and not judged."""

    @property
    def met(self) -> bool | None:
        if self.disturbed:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def reaches(results: Results) -> list[Reach]:
    """Every reach that this run can speak about. Ratios are taken round by round, then their median."""
    if results.smoke:
        return []
    found = [
        Reach(
            f"refreshes per second, times {peer}",
            ratio,
            limit,
            _TIMES,
            at_least=True,
            disturbed=_disturbed(results, peer, OURS),
        )
        for peer, limit in ((NODE, 3.0), (DJANGO, 20.0))
        if (ratio := _times(results, peer)) is not None
    ]
    ours = results.rounds.get(OURS, [])
    if ours and results.floors:
        ratio = statistics.median(
            mine.server_cpu_us / floor.cpu_us for mine, floor in zip(ours, results.floors, strict=False)
        )
        found.append(Reach("CPU per refresh, times the floor", ratio, 2.5, _TIMES, at_least=False))
    if results.idle is not None:
        found.append(Reach("idle memory (RSS), one worker", results.idle.rss_mb, 90.0, " MB", at_least=False))
        found.append(Reach("restart to first answer, median", results.idle.restart_s, 1.0, " s", at_least=False))
        found.append(Reach("very first start to first answer", results.idle.first_start_s, 1.0, " s", at_least=False))
    return found


def _times(results: Results, peer: str) -> float | None:
    pairs = zip(results.rounds.get(OURS, []), results.rounds.get(peer, []), strict=False)
    ratios = [mine.per_second / theirs.per_second for mine, theirs in pairs]
    return statistics.median(ratios) if ratios else None


def _disturbed(results: Results, *names: str) -> bool:
    return any(median(results.rounds[name]).foreign_share > NOISE for name in names)


def text(results: Results) -> str:
    """The whole report as Markdown that also reads well in a terminal."""
    lines = ["# One refresh, side by side", "", results.method, ""]
    lines += [f"- {name}: {value}" for name, value in results.machine.items()]
    lines += [f"- {name}: {value}" for name, value in results.setups.items()]
    lines += ["", *table(_servers(results)), ""]
    if results.smoke:
        lines += ["A smoke run: it shows that everything works. Too short to compare anything."]
    else:
        lines += [*table(_reaches(results)), *_remarks(results)]
    return "\n".join(lines) + "\n"


def _servers(results: Results) -> list[list[str]]:
    rows = [
        [
            "server",
            "refreshes/s",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "longest ms",
            "CPU µs/refresh",
            "core used",
            "by others",
        ]
    ]
    for name, rounds in results.rounds.items():
        rows.append([name, *_figures(median(rounds))])
    rows += [[name, f"not measured: {why}", *[""] * 7] for name, why in results.absent.items()]
    if results.floors:
        floor = statistics.median(each.cpu_us for each in results.floors)
        rows.append(["floor (a bare loop)", f"{1e6 / floor:,.0f}", *[""] * 4, f"{floor:,.1f}", "", ""])
    if results.ceiling is not None:
        rows.append(["ceiling (what the driver can drive)", *_figures(results.ceiling)])
    return rows


def _figures(measured: Measured) -> list[str]:
    times = (measured.p50, measured.p90, measured.p99, measured.longest)
    shares = (measured.server_cpu_share, measured.foreign_share)
    return [
        f"{measured.per_second:,.0f}",
        *(f"{each:,.1f}" for each in times),
        f"{measured.server_cpu_us:,.1f}",
        *(f"{share:.0%}" for share in shares),
    ]


def _reaches(results: Results) -> list[list[str]]:
    rows = [["reach", "measured", "wanted", "met"]]
    for each in reaches(results):
        wanted = f"{'≥' if each.at_least else '≤'} {each.limit:g}{each.unit}"
        rows.append([each.what, f"{each.measured:.2f}{each.unit}", wanted, _MET[each.met]])
    return rows


def _remarks(results: Results) -> list[str]:
    said = []
    if results.floors:
        parts = {name: statistics.median(getattr(f, name) for f in results.floors) for name in Floor.__slots__}
        said.append(
            f"Floor: signatures {parts['signatures_us']:.1f} µs, row and commit {parts['update_us']:.1f} µs; one "
            f"durable batch of 64 takes {parts['commit_ms']:.2f} ms by the clock."
        )
    if results.idle is not None:
        idle = results.idle
        said.append(
            f"Idle: {idle.rss_mb:.1f} MB RSS, {idle.pss_mb:.1f} MB PSS; first start {idle.first_start_s:.2f} s, "
            f"restart {idle.restart_s:.2f} s (median of {idle.starts}), best {idle.restart_best_s:.2f} s."
        )
    if OURS in results.rounds:
        ours = median(results.rounds[OURS]).server_cpu_us
        spent = {name: median(rounds).server_cpu_us / ours for name, rounds in results.rounds.items() if name != OURS}
        told = ", ".join(f"{name} {ratio:.2f}{_TIMES}" for name, ratio in spent.items())
        said.append(f"CPU per refresh, with {OURS} as 1: {told}.")
    noisy = [name for name in results.rounds if _disturbed(results, name)]
    if noisy:
        said.append(
            f"The server's core was shared with other work (over {NOISE:.0%}) while measuring: {', '.join(noisy)}."
        )
    busy = [name for name, rounds in results.rounds.items() if median(rounds).driver_cpu_share > 1 / 3]
    if busy:
        said.append(f"The driver used over a third of its core, so its limit may show, for: {', '.join(busy)}.")
    return ["", *said] if said else []


def table(rows: list[list[str]]) -> list[str]:
    widths = [
        max(len(row[column]) for row in rows if not row[1].startswith("not measured")) for column in range(len(rows[0]))
    ]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [lines[0], rule, *lines[1:]]


def write(results: Results, folder: Path) -> None:
    """`latest.json` to quote from, `latest.md` to read."""
    folder.mkdir(parents=True, exist_ok=True)
    stored: dict[str, Any] = asdict(results)
    stored["medians"] = {name: asdict(median(rounds)) for name, rounds in results.rounds.items()}
    stored["reach"] = [asdict(each) | {"met": each.met} for each in reaches(results)]
    for measured in (*stored["medians"].values(), *(m for rounds in stored["rounds"].values() for m in rounds)):
        del measured["last_answers"]  # usable tokens, even if only of a server that is gone
    if stored["ceiling"]:
        del stored["ceiling"]["last_answers"]
    (folder / "latest.json").write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n")
    (folder / "latest.md").write_text(text(results))
