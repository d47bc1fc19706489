"""Pages of rows, and what a table adds up to: independent of the store, of page sizes and of the file."""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from msgspec import msgpack

from evergrant.store.bulk import Bulk, Layout, Row, Table, Value

PAGE: Final = 1_000
Progress = Callable[[str, int], None]
"""Told the name of a table and how many more of its rows are done."""

_ENCODER: Final = msgpack.Encoder()
# Not every store's text holds NUL; where it does not, this noncharacter stands for it.
_NUL: Final = "\uffff"
_MODULUS: Final = 1 << 256


def mark(rows: Sequence[Row]) -> bytes:
    """What tells a page from every other one."""
    return sha256(_ENCODER.encode(rows)).digest()


class Sum(NamedTuple):
    """What a table adds up to: its number of rows, and their SHA-256s added up.

    Added, because stores do not agree on the order of texts. It finds what was lost or damaged, and proves nothing
    against somebody who means to deceive.
    """

    rows: int
    checksum: str


def _digest(row: Row) -> bytes:
    """The SHA-256 of a row, the same in whichever store it lies."""
    if any(type(value) is str and "\0" in value for value in row):
        row = tuple(value.replace("\0", _NUL) if isinstance(value, str) else value for value in row)
    return sha256(_ENCODER.encode(row)).digest()


class Sums:
    """Adds up tables while their rows pass by."""

    def __init__(self, layout: Layout) -> None:
        self._rows = {table.name: 0 for table in layout.tables}
        self._totals = {table.name: 0 for table in layout.tables}

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Add a page."""
        self._rows[table.name] += len(rows)
        self._totals[table.name] += sum(int.from_bytes(_digest(row), "big") for row in rows)

    def result(self) -> dict[str, Sum]:
        return {name: Sum(count, f"{self._totals[name] % _MODULUS:064x}") for name, count in self._rows.items()}


class Page(NamedTuple):
    """A page of one table: the key it began after, and its rows."""

    table: Table
    after: Value
    rows: list[Row]

    @property
    def upto(self) -> Value:
        """The last key in it."""
        return self.rows[-1][0]


def pages(bulk: Bulk, size: int = PAGE) -> Iterator[Page]:
    """Every row of every table, a page at a time."""
    for table in bulk.layout.tables:
        yield from rest(bulk, table, None, size)


def rest(bulk: Bulk, table: Table, after: Value, size: int = PAGE) -> Iterator[Page]:
    """The rows of one table after a key, a page at a time."""
    while rows := bulk.page(table, after, None, size):
        yield Page(table, after, rows)
        after = rows[-1][0]
        if len(rows) < size:
            return


def summed(bulk: Bulk, progress: Progress) -> dict[str, Sum]:
    """What a store adds up to, by reading all of it."""
    sums = Sums(bulk.layout)
    for page in pages(bulk):
        sums.add(page.table, page.rows)
        progress(page.table.name, len(page.rows))
    return sums.result()


def differing(ours: dict[str, Sum], theirs: dict[str, Sum]) -> list[str]:
    """The tables that do not add up to the same, with both numbers of rows."""
    return [
        f"{name}: {ours[name].rows} rows against {theirs[name].rows if name in theirs else 'none'}"
        for name in ours
        if ours[name] != theirs.get(name)
    ]
