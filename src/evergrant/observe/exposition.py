"""
How counts are spelled for Prometheus: the text format, version 0.0.4.

Names and labels are ours and known, so nothing needs escaping. Counters and buckets are sums over all workers, also
over those that have died; a gauge is told by the living alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from evergrant.observe.cells import Row
from evergrant.observe.instruments import Instrument


@dataclass(frozen=True, slots=True)
class Sample:
    """One instrument and everybody's numbers."""

    instrument: Instrument
    rows: tuple[Row, ...]


def spell(samples: Iterable[Sample]) -> bytes:
    """Return the page."""
    lines: list[str] = []
    for sample in samples:
        declared = sample.instrument.declared
        lines.append(f"# HELP {declared.name} {declared.doc}")
        lines.append(f"# TYPE {declared.name} {declared.kind}")
        lines.extend(_histogram(sample) if declared.kind == "histogram" else _numbers(sample))
    return ("\n".join(lines) + "\n").encode("ascii")


def _numbers(sample: Sample) -> Iterator[str]:
    declared = sample.instrument.declared
    for member, at in sample.instrument.places():
        value = _gauge(sample, at) if declared.kind == "gauge" else _sum(sample, at)
        yield f"{declared.name}{_labels(declared.label, member)} {_number(value)}"


def _histogram(sample: Sample) -> Iterator[str]:
    declared = sample.instrument.declared
    for member, at in sample.instrument.places():
        buckets = [_sum(sample, at + index) for index in range(len(declared.bounds) + 1)]
        total = list(accumulate(buckets))
        for bound, below in zip((*map(_number, declared.bounds), "+Inf"), total, strict=True):
            yield f"{declared.name}_bucket{_labels(declared.label, member, bound)} {_number(below)}"
        yield f"{declared.name}_sum{_labels(declared.label, member)} {_number(_sum(sample, at + len(buckets)))}"
        yield f"{declared.name}_count{_labels(declared.label, member)} {_number(total[-1])}"


def _sum(sample: Sample, at: int) -> float:
    return sum(row.numbers[at] for row in sample.rows)


def _gauge(sample: Sample, at: int) -> float:
    """Add up what adds up; of what all workers look at, tell the value that is farthest from 0."""
    living = [row.numbers[at] for row in sample.rows if row.alive]
    if sample.instrument.declared.adds_up:
        return sum(living)
    return max(living, key=abs, default=0.0)


def _labels(label: str, member: str, bound: str = "") -> str:
    pairs = [f'{label}="{member}"'] if label else []
    if bound:
        pairs.append(f'le="{bound}"')
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
