"""Write docs/reference/metrics.md from the instruments declared in the code: `python docs/generate/metrics.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from evergrant.observe.instruments import Declared
from evergrant.observe.metrics import TABLE

PAGE: Final = Path(__file__).parent.parent / "reference" / "metrics.md"

_INTRODUCTION: Final = """\
<!-- Made by docs/generate/metrics.py from src/evergrant/observe/metrics.py; edit there, not here. -->

# Metrics

`/metrics` speaks the Prometheus text format and answers only to `server.metrics_networks`. With several workers, any of
them tells the sum of all; counts of a worker that died are kept, and its successor counts on.

Every label has a closed vocabulary, so every series exists from the start at 0. What fits none of the values counts as
`other`. No label carries a token, a user, a client or anything a client sent.
"""


def render() -> str:
    """Return the whole page."""
    return "\n".join([_INTRODUCTION, *(_section(declared) for declared in TABLE)])


def _section(declared: Declared) -> str:
    lines = [f"## `{declared.name}`", "", f"{declared.doc} A {declared.kind}."]
    if declared.members:
        values = ", ".join(f"`{value}`" for value in declared.series)
        lines += ["", f"`{declared.label}`: {values}."]
    elif declared.label:
        lines += ["", f"`{declared.label}`: the names of the server's routes."]
    if declared.bounds:
        lines += ["", f"Buckets: {', '.join(f'{bound:g}' for bound in declared.bounds)}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)
