"""One store into another, while servers of the first go on working until the last moment.

First a snapshot is copied. Then nobody may write in the source any more: pages that have changed are copied again,
everything is read back from the target and compared, the source is left for good, and the target is committed. All
that is written in the target is one transaction: whatever interrupts it before its end leaves an empty target, and a
source that is opened again. At no moment can both be served from: when nobody knows whether the target was committed,
the source stays left.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from queue import Queue
from typing import Any, NamedTuple

from evergrant.store.bulk import Busy, Row, Table, Value, Whole
from evergrant.store.moving.backup import NotEmpty, is_empty
from evergrant.store.moving.rows import Progress, Sum, Sums, differing, mark, pages, rest, summed
from evergrant.store.port import OutcomeUnknown, StoreUnavailable

DEEP = 8
"""Pages on the way at most."""


class NotTheSame(Exception):
    """What arrived does not add up to what was sent: the tables, with their numbers of rows."""


class Copied(NamedTuple):
    """What was moved: the sums of every table, how many rows were copied again, and how long nobody could write."""

    sums: dict[str, Sum]
    again: int
    stopped: float


class _Seen(NamedTuple):
    """A page as it was sent first; *keys* where the stores may not agree on the order."""

    table: Table
    after: Value
    upto: Value
    mark: bytes
    keys: tuple[Value, ...]


class _Stopped(Exception):
    """The other side has given up."""


Order = Callable[[Any], object]


class _Target:
    """The target's one transaction, in a thread of its own store, doing what it is sent."""

    def __init__(self, store: Whole, *, replace: bool) -> None:
        self._orders: Queue[Order | None] = Queue(DEEP)
        self._answers: Queue[object] = Queue()
        self._gone = False
        self._begun = self._ending = False
        self._replace = replace
        self.done = asyncio.ensure_future(store.write(self._work))
        self.done.add_done_callback(lambda _: self._answers.put(_Stopped()))

    def _work(self, tx: Any) -> None:
        if self._begun:  # orders that were carried out are gone: this cannot be run again from its beginning
            raise _Stopped
        self._begun = True
        try:
            tx.bulk.freeze()
            if not is_empty(tx) and not self._replace:
                raise NotEmpty
            tx.bulk.clear()
            while (order := self._orders.get()) is not None:
                answer = order(tx)
                if answer is not None:
                    self._answers.put(answer)
        finally:
            self._gone = True
            with suppress(Exception):
                while True:  # whoever waits to send finds room, and then that nobody listens
                    self._orders.get_nowait()

    def send(self, order: Order | None) -> None:
        """Called by the source's thread. Raises `_Stopped` when the target has given up."""
        if self._gone or self.done.done():
            raise _Stopped
        self._orders.put(order)

    def begin_end(self) -> None:
        """Say that the last part begins. Raises `StoreUnavailable` when it had begun: half of it is carried out."""
        if self._ending:
            raise StoreUnavailable("the source was in use and could not be left; try again")
        self._ending = True

    def ask(self, order: Order) -> Any:
        """Send, and wait for the answer."""
        self.send(order)
        answer = self._answers.get()
        if isinstance(answer, _Stopped):
            raise answer
        return answer

    async def commit(self) -> None:
        self.send(None)
        await self.done

    async def give_up(self) -> BaseException | None:
        """Undo everything; what had gone wrong there, if that is why."""

        def fail(_: Any) -> None:
            raise _Stopped

        if not self.done.done():
            with suppress(_Stopped):
                self.send(fail)
        try:
            await self.done
        except Exception as error:  # noqa: BLE001 - the reason, for whoever tells it
            return None if isinstance(error, _Stopped) else error
        return None


async def _at_once() -> None:
    """Wait for nothing."""


async def copy(
    source: Whole, target: Whole, whither: str, monotonic: Callable[[], float], progress: Progress, *,
    replace: bool = False, calm: Callable[[], Awaitable[None]] = _at_once,
) -> Copied:  # fmt: skip
    """Move everything from *source* to *target*. *whither* is what servers of the source are told.

    *calm* is waited for before nobody may write any more, and again as often as the source is `Busy` all the same.

    Raises `NotEmpty` unless *replace*, `NotTheSame`, `StoreUnavailable`; then the source is as it was, but for
    `OutcomeUnknown`: then it is left, and the target holds everything or nothing.
    """
    other = _Target(target, replace=replace)
    left = False
    try:
        seen = await source.read(lambda tx: _first(tx, other, progress))
        copied = await _left(source, lambda tx: _last(tx, other, seen, whither, monotonic, progress), calm)
        left = True
        await other.commit()
    except BaseException as trouble:
        cause = await other.give_up()
        if left and not isinstance(trouble, OutcomeUnknown):
            await source.write(_come_back)
        if isinstance(trouble, _Stopped):
            raise cause or StoreUnavailable("the move was interrupted") from trouble
        raise
    return copied


async def _left(source: Whole, last: Callable[[Any], Copied], calm: Callable[[], Awaitable[None]]) -> Copied:
    while True:
        await calm()
        try:
            return await source.write(last)
        except Busy:
            continue


def _come_back(tx: Any) -> None:
    tx.bulk.come_back()


def _first(tx: Any, other: _Target, progress: Progress) -> list[_Seen]:
    """Send a snapshot, and remember what was sent."""
    seen: list[_Seen] = []
    for page in pages(tx.bulk):
        other.send(_loading(page.table, page.rows))
        keys = () if page.table.ordered else tuple(row[0] for row in page.rows)
        seen.append(_Seen(page.table, page.after, page.upto, mark(page.rows), keys))
        progress(page.table.name, len(page.rows))
    return seen


def _last(
    tx: Any, other: _Target, seen: list[_Seen], whither: str, monotonic: Callable[[], float], progress: Progress
) -> Copied:
    """With nobody else writing: send what has changed, compare, and leave."""
    begun = monotonic()
    tx.bulk.freeze()
    tx.bulk.refuse_busy()
    other.begin_end()
    sums, again = Sums(tx.bulk.layout), 0
    for table in tx.bulk.layout.tables:
        again += _caught_up(tx, other, table, [one for one in seen if one.table == table], sums)
    numbers, ours = tx.bulk.numbers(), sums.result()
    wrong = differing(ours, other.ask(lambda there: _compared(there, numbers, progress)))
    if wrong:
        raise NotTheSame("; ".join(wrong))
    tx.bulk.leave(whither)
    return Copied(ours, again, monotonic() - begun)


def _caught_up(tx: Any, other: _Target, table: Table, seen: list[_Seen], sums: Sums) -> int:
    """Send the pages of one table that are not what they were, and what came after the last; how many rows."""
    after: Value = None
    again, late = 0, []
    for was in seen:
        rows = tx.bulk.page(table, was.after, was.upto)
        sums.add(table, rows)
        if mark(rows) != was.mark:
            other.send(_dropping(was))
            again += len(rows)
            if table.ordered:
                other.send(_loading(table, rows))
            else:
                # Something unique may have gone from one page to another: first all of the old ones go.
                late.append(_loading(table, rows))
        after = was.upto
    for order in late:
        other.send(order)
    for page in rest(tx.bulk, table, after):
        other.send(_loading(table, page.rows))
        sums.add(table, page.rows)
        again += len(page.rows)
    return again


def _compared(there: Any, numbers: Mapping[str, int], progress: Progress) -> dict[str, Sum]:
    for name, number in numbers.items():
        there.bulk.number_after(name, number)
    return summed(there.bulk, progress)


def _loading(table: Table, rows: list[Row]) -> Order:
    def order(there: Any) -> None:
        there.bulk.load(table, rows)

    return order


def _dropping(was: _Seen) -> Order:
    def order(there: Any) -> None:
        if was.table.ordered:
            there.bulk.cut(was.table, was.after, was.upto)
        else:
            there.bulk.drop(was.table, was.keys)

    return order
