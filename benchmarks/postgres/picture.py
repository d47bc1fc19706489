"""The results on PostgreSQL as one picture: a panel for each part that finished.

What lives here: drawing. What must not: arithmetic that the table does not show too. Neighbour: `told`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.postgres.told import database_us, middle

_INK, _PALE, _OURS, _PEER, _BASE = "#1f2933", "#9aa5b1", "#0b6e4f", "#52606d", "#b7791f"


def draw(told: dict[str, Any], file: Path) -> bool:
    """Draw what there is; False when there is nothing."""
    import matplotlib as mpl  # noqa: PLC0415 - only here: measuring does without it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    whole = {name: part for name, part in told["parts"].items() if "failed" not in part}
    panels = [
        (draw_one, part)
        for name, part in whole.items() for draw_one in _PANELS[name]
    ]  # fmt: skip
    if not panels:
        return False
    plt.rcParams.update({"font.size": 9, "text.color": _INK, "axes.labelcolor": _INK, "ytick.color": _INK})
    rows = (len(panels) + 2) // 3
    figure, axes = plt.subplots(rows, 3, figsize=(13.5, 3.1 * rows + 0.8), squeeze=False)
    for place, axis in enumerate(axes.flat):
        if place < len(panels):
            draw_one, part = panels[place]
            draw_one(axis, part)
            axis.spines[["top", "right"]].set_visible(False)
        else:
            axis.set_axis_off()
    figure.suptitle("Refreshes on PostgreSQL: server on one core, database and load on the other", fontweight="bold")
    figure.text(0.5, 0.01, f"{told['machine']['date']} · {told['machine']['cpu']} · PostgreSQL "
                f"{told['machine']['postgresql']}", ha="center", fontsize=7, color=_PEER)  # fmt: skip
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(file, dpi=130)
    plt.close(figure)
    return True


def _rates(axis: Any, part: dict[str, Any]) -> None:
    names = list(part["rounds"])[::-1]
    values = [middle(part["rounds"][name], "per_second") for name in names]
    bars = axis.barh(names, values, color=[_OURS if name.startswith("evergrant") else _PEER for name in names])
    axis.bar_label(bars, [f"{value:,.0f}" for value in values], padding=3)
    axis.set_xlim(right=max(values) * 1.25)
    axis.set_title("refreshes per second", fontsize=9)


def _costs(axis: Any, part: dict[str, Any]) -> None:
    names = list(part["rounds"])[::-1]
    server = [middle(part["rounds"][name], "server_cpu_us") for name in names]
    database = [database_us(part["rounds"][name]) for name in names]
    axis.barh(names, server, color=_OURS, label="server")
    bars = axis.barh(names, database, left=server, color=_BASE, label="database")
    axis.bar_label(bars, [f"{a:,.0f} + {b:,.0f}" for a, b in zip(server, database, strict=True)], padding=3)
    axis.set_xlim(right=max(a + b for a, b in zip(server, database, strict=True)) * 1.4)
    axis.set_title("CPU µs per refresh", fontsize=9)
    axis.legend(fontsize=7, frameon=False, loc="lower right")


def _flat(axis: Any, part: dict[str, Any]) -> None:
    families = [each["families"] for each in part["stages"]]
    for name, style in (("p50", "-"), ("p99", "--")):
        axis.plot(
            families, [each["refresh"][name] for each in part["stages"]], style, marker="o", color=_OURS, label=name
        )
    axis.axhline(1.5 * part["stages"][0]["refresh"]["p99"], color=_PALE, linestyle=":", label="1.5 times the first p99")
    axis.set_xscale("log")
    axis.set_ylim(0, axis.get_ylim()[1] * 1.1)
    axis.set_title("ms per refresh, by families", fontsize=9)
    axis.legend(fontsize=7, frameon=False)


def _bytes(axis: Any, part: dict[str, Any]) -> None:
    families = [each["families"] for each in part["stages"]]
    axis.plot(families, [each["bytes_per_family"] for each in part["stages"]], marker="o", color=_BASE)
    axis.set_xscale("log")
    axis.set_ylim(0, axis.get_ylim()[1] * 1.1)
    axis.set_title("bytes per family, indexes included", fontsize=9)


def _ending(axis: Any, part: dict[str, Any]) -> None:
    ends = part["ends"]
    names = {"family_idle_ms": "family", "family_busy_ms": "family, busy", "user_idle_ms": "user",
             "user_busy_ms": "user, busy"}  # fmt: skip
    shown = {words: ends[name]["p99"] for name, words in names.items() if name in ends}
    if "client" in ends:
        shown[f"client, {ends['client']['families']:,}"] = ends["client"]["seconds"] * 1e3
    bars = axis.barh(list(shown)[::-1], list(shown.values())[::-1], color=_OURS, log=True)
    axis.bar_label(bars, [f"{value:,.1f}" for value in list(shown.values())[::-1]], padding=3)
    axis.set_xlim(right=max(shown.values()) * 12)
    axis.set_title("ms to end it, p99 (log)", fontsize=9)


def _growth(axis: Any, part: dict[str, Any]) -> None:
    done = [each["rotations"] for each in part["sizes"]]
    for name, colour in (("table", _OURS), ("indexes", _BASE)):
        axis.plot(done, [each[name] / 1e6 for each in part["sizes"]], marker="o", color=colour, label=name)
    axis.set_ylim(0, axis.get_ylim()[1] * 1.1)
    axis.set_title(f"MB after rotations ({part['in_place']:.1%} in place)", fontsize=9)
    axis.legend(fontsize=7, frameon=False)


def _replays(axis: Any, part: dict[str, Any]) -> None:
    names = {"alone": "no replays", "beside": "50 a second"}
    for place, name in enumerate(names):
        values = [each["p99"] for each in part[name]]
        axis.bar(place, sorted(values)[len(values) // 2], color=_PEER if name == "alone" else _OURS)
        axis.plot([place] * len(values), values, "o", color=_INK, markersize=3)
    axis.set_xticks(range(2), list(names.values()))
    axis.set_title("p99 ms beside replays of dead families", fontsize=9)


def _nodes(axis: Any, part: dict[str, Any]) -> None:
    names = list(part["rounds"])[::-1]
    values = [middle(part["rounds"][name], "per_second") for name in names]
    bars = axis.barh(names, values, color=_OURS)
    axis.bar_label(bars, [f"{value:,.0f}" for value in values], padding=3)
    axis.set_xlim(right=max(values) * 1.3)
    axis.set_title("refreshes per second, nodes on two cores", fontsize=9)


_PANELS: dict[str, tuple[Callable[[Any, dict[str, Any]], None], ...]] = {
    "refreshing": (_rates, _costs), "sizes": (_flat, _bytes, _ending), "rotations": (_growth,),
    "replaying": (_replays,), "nodes": (_nodes,),
}  # fmt: skip
