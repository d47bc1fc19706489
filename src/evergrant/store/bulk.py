"""What moving a whole store needs beyond the port: its tables as plain rows, read and written a page at a time.

Every store that can be moved has the same tables with the same columns in the same order, so that rows of one are rows
of another. Values are integers, texts, bytes and None; whatever a store keeps differently it translates here. All of it
works inside one transaction, through `bulk` of what work is given.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")
Value = int | str | bytes | None
Row = tuple[Value, ...]


class Table(NamedTuple):
    """One table. Its first column is its key; pages are in the key's order.

    *ordered*: every store has its rows in the same order. *grouped*: several rows may have the same key, and a page
    never parts them.
    """

    name: str
    columns: tuple[str, ...]
    ordered: bool = False
    grouped: bool = False

    @property
    def key(self) -> str:
        """The column that identifies a row, or the few rows of a group."""
        return self.columns[0]


class Layout(NamedTuple):
    """What lies in one kind of store. *tables* are moved, in this order; *behind* stay, and are left empty.

    *numbered* names what is numbered and never twice the same. *furniture* are tables that every new store has rows in.
    *kind* is the command that makes backups of it.
    """

    kind: str
    tables: tuple[Table, ...]
    behind: tuple[Table, ...]
    numbered: tuple[str, ...]
    furniture: frozenset[str]

    @property
    def all(self) -> tuple[Table, ...]:
        """Those that move and those that stay."""
        return (*self.tables, *self.behind)


class Busy(Exception):
    """Something is under way that must come to its end before a store is left; ask again soon."""


class Bulk(Protocol):
    """A store's tables inside one transaction."""

    layout: Layout

    def counts(self) -> dict[str, int]:
        """How many rows each table that moves has; about how many, where counting them would take long."""
        ...

    def page(self, table: Table, after: Value = None, upto: Value = None, limit: int = -1) -> list[Row]:
        """Rows in key order: those after a key, up to and with another, at most so many (and the rest of a group)."""
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
        """The last number that was given, swept or not, of everything that is numbered."""
        ...

    def number_after(self, name: str, number: int) -> None:
        """Let the next one of what is numbered have a number after this one."""
        ...

    def freeze(self) -> None:
        """Keep everybody else from writing until this transaction ends. First of all that is asked."""
        ...

    def refuse_busy(self) -> None:
        """In a frozen store that is to be left: raise `Busy` while something is under way that must end before."""
        ...

    def leave(self, whither: str) -> None:
        """Take the tables out of everybody's reach: servers answer 503, and a new one is told *whither* they went."""
        ...

    def come_back(self) -> None:
        """Undo `leave`."""
        ...


class Whole(Protocol):
    """A store that can be moved: what its work is given has `bulk`."""

    async def read(self, work: Callable[[Any], T]) -> T: ...

    async def write(self, work: Callable[[Any], T]) -> T: ...
