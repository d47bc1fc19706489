"""
The three instruments, and how they count: an addition under a lock, into a cell known when the process started.

Labels come from closed vocabularies alone, so every series exists from the first moment, no client can invent one, and
nothing is looked up by text that came over the wire. A value outside the vocabulary counts as `other`. Which
instruments there are is said in `metrics`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

from evergrant.observe.cells import Numbers

OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Declared:
    """
    What an instrument is called, what it counts, and by what.

    `members` are the values of its one label; `adds_up` says that a gauge of all workers is their sum.
    """

    name: str
    doc: str
    label: str = ""
    members: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    kind: str = "counter"
    adds_up: bool = False

    @property
    def series(self) -> tuple[str, ...]:
        """List the label's values; one empty value stands for no label at all."""
        return (*dict.fromkeys((*self.members, OTHER)),) if self.label else ("",)

    @property
    def width(self) -> int:
        """Return how many cells one series takes: a histogram has its buckets, the one without a bound, and the sum."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1

    @property
    def cells(self) -> int:
        """Return how many cells the instrument takes."""
        return len(self.series) * self.width


class Instrument:
    """A declared instrument that has its place among the cells."""

    __slots__ = ("_at", "_cells", "_lock", "_other", "declared", "first")

    def __init__(self, declared: Declared, first: int, cells: Numbers, lock: Lock) -> None:
        """Take the cells from `first` on."""
        self.declared = declared
        self.first = first
        self._cells = cells
        self._lock = lock
        self._at = {member: first + index * declared.width for index, member in enumerate(declared.series)}
        self._other = self._at.get(OTHER, first)

    def places(self) -> Iterator[tuple[str, int]]:
        """Yield each value of the label with its first cell."""
        yield from self._at.items()


class Counter(Instrument):
    """Something that only grows."""

    __slots__ = ()

    def add(self, member: str = "", amount: float = 1) -> None:
        """Count `amount` more of `member`."""
        at = self._at.get(member, self._other)
        # Two threads count: the one that serves and the one that commits. Without the lock an addition could be lost.
        with self._lock:
            self._cells[at] += amount


class Gauge(Instrument):
    """Something that is as large as it is."""

    __slots__ = ()

    def set(self, value: float, member: str = "") -> None:
        """Say how large it is."""
        with self._lock:
            self._cells[self._at.get(member, self._other)] = value


class Histogram(Instrument):
    """How large things are, by bucket."""

    __slots__ = ("_bounds", "_sum")

    def __init__(self, declared: Declared, first: int, cells: Numbers, lock: Lock) -> None:
        """Take the cells from `first` on."""
        super().__init__(declared, first, cells, lock)
        self._bounds: Sequence[float] = declared.bounds
        self._sum = declared.width - 1

    def observe(self, value: float, member: str = "") -> None:
        """Count one of this size."""
        at = self._at.get(member, self._other)
        bucket = at + bisect_left(self._bounds, value)
        with self._lock:
            self._cells[bucket] += 1
            self._cells[at + self._sum] += value
