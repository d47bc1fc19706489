"""The results as one picture: throughput, waiting, and CPU beside the floor.

What lives here: drawing. What must not: arithmetic that the table does not show too. Neighbour: `report`.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from benchmarks.report import Results
from benchmarks.rounds import median

_INK, _PALE, _OURS, _PEER = "#1f2933", "#9aa5b1", "#0b6e4f", "#52606d"


def draw(results: Results, file: Path) -> None:
    """Three panels of bars with the figure on each; the thin line below a bar spans its rounds."""
    import matplotlib as mpl  # noqa: PLC0415 - only here: a smoke run does without it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    names = list(results.rounds)[::-1]
    middles = {name: median(results.rounds[name]) for name in names}
    plt.rcParams.update({"font.size": 9, "text.color": _INK, "axes.labelcolor": _INK, "ytick.color": _INK})
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 1.6 + 0.5 * len(names)), sharey=True)
    rates = [middles[name].per_second for name in names]
    _bars(left, names, rates, "refreshes per second", "{:,.0f}")
    _spans(left, [[m.per_second for m in results.rounds[name]] for name in names])
    _bars(middle, names, [middles[name].p99 for name in names], "p99, ms (light: p50)", "{:,.1f}")
    middle.barh(names, [middles[name].p50 for name in names], height=0.6, color="white", alpha=0.55)
    _bars(
        right, names, [middles[name].server_cpu_us for name in names], "CPU per refresh, µs (log)", "{:,.0f}", log=True
    )
    if results.floors:
        floor = statistics.median(each.cpu_us for each in results.floors)
        right.axvline(floor, color=_PALE, linestyle="--", linewidth=1)
        right.axvline(2.5 * floor, color=_PALE, linestyle=":", linewidth=1)
        right.set_xlim(left=floor / 2)
        right.set_xlabel(f"dashed: floor {floor:.0f} µs, dotted: 2.5 times", color=_PEER)
    figure.suptitle("One refresh with rotation: server and load on a core each", fontweight="bold")
    figure.text(0.5, 0.02, f"{results.machine['date']} · {results.machine['cpu']} · {results.method}", ha="center",
                fontsize=7, color=_PEER, wrap=True)  # fmt: skip
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(file, dpi=140)
    plt.close(figure)


def _bars(axes: Any, names: list[str], values: list[float], title: str, shown: str, *, log: bool = False) -> None:
    colours = [_OURS if name.startswith("evergrant") else _PEER for name in names]
    bars = axes.barh(names, values, height=0.6, color=colours, log=log)
    axes.bar_label(bars, [shown.format(value) for value in values], padding=4)
    axes.set_title(title, fontsize=9)
    axes.set_xlim(right=max(values) * (8 if log else 1.25))
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", labelbottom=False, bottom=False, which="both")
    axes.tick_params(axis="y", length=0)


def _spans(axes: Any, values: list[list[float]]) -> None:
    for place, each in enumerate(values):
        axes.plot([min(each), max(each)], [place - 0.38, place - 0.38], color=_INK, linewidth=1)
