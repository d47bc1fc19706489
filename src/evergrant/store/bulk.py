"""What moving a whole store needs beyond the port: its tables as plain rows, read and written a page at a time.

Every store that can be moved has the same tables with the same columns in the same order, so that rows of one are rows
of another. Values are integers, texts, bytes and None; whatever a store keeps differently it translates here. All of it
works inside one transaction, through `bulk` of what work is given.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from evergrant.domain.event import Event
from evergrant.domain.family import Family, Head
from evergrant.store.shape import SHAPES

Value = int | str | bytes | None
Row = tuple[Value, ...]


class Table(NamedTuple):
    """One table. Its first column is its key; pages are in the key's order."""

    name: str
    columns: tuple[str, ...]

    @property
    def key(self) -> str:
        """The column that identifies a row."""
        return self.columns[0]

    @property
    def ordered(self) -> bool:
        """Whether every store has its rows in the same order: keys are bytes or numbers."""
        return self in {FAMILY, EVENT, ENDING}


FAMILY: Final = Table("family", (*Family._fields[:-2], *Head._fields, "ended_at", "reason"))
EVENT: Final = Table("event", ("number", *Event._fields))
ENDING: Final = Table("ending", ("number", "at", "document"))
META: Final = Table("meta", ("name", "value"))
RECORDS: Final = tuple(Table(shape.table, (shape.key, *shape.found_by, "ends", "document")) for shape in SHAPES)
# The leases are the old place's: who keeps house there has no say in the new one.
TABLES: Final = (META, *(table for table in RECORDS if table.name != "lease"), FAMILY, EVENT, ENDING)
# Those whose rows have numbers that are never given twice.
NUMBERED: Final = (EVENT, ENDING)


class Bulk(Protocol):
    """A store's tables inside one transaction."""

    def counts(self) -> dict[str, int]:
        """How many rows each of `TABLES` has."""
        ...

    def page(self, table: Table, after: Value = None, upto: Value = None, limit: int = -1) -> list[Row]:
        """Rows in key order: those after a key, up to and with another, at most so many."""
        ...

    def load(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows that are not there."""
        ...

    def cut(self, table: Table, after: Value, upto: Value) -> None:
        """Delete the rows of a page. Only of an `ordered` table: stores do not agree on the order of texts."""
        ...

    def drop(self, table: Table, keys: Sequence[Value]) -> None:
        """Delete rows by their keys."""
        ...

    def clear(self) -> None:
        """Delete everything."""
        ...

    def numbers(self) -> dict[str, int]:
        """The last number that was given, swept or not, in each of `NUMBERED`."""
        ...

    def number_after(self, table: Table, number: int) -> None:
        """Let the next row of one of `NUMBERED` have a number after this one."""
        ...

    def freeze(self) -> None:
        """Keep everybody else from writing until this transaction ends. First of all that is asked."""
        ...

    def leave(self, whither: str) -> None:
        """Take the tables out of everybody's reach: servers answer 503, and a new one is told *whither* they went."""
        ...

    def come_back(self) -> None:
        """Undo `leave`."""
        ...


class Movable(Protocol):
    """What work is given by a store that can be moved, besides `store.port.Tx`."""

    @property
    def bulk(self) -> Bulk: ...
