"""The reference store: dictionaries, one lock, an undo list. For tests and for reading; nothing here is durable.

Every other store must answer as this one does; the property tests drive both side by side.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Generic, TypeVar

from evergrant.domain.ending import End
from evergrant.domain.epoch import Epoch
from evergrant.domain.event import Event
from evergrant.domain.family import Ended, Family, Head
from evergrant.domain.reason import Reason
from evergrant.domain.rotation import Settlement
from evergrant.store import shape as shapes
from evergrant.store.applying import apply
from evergrant.store.port import EventQuery, Finish, Key, StoreUnavailable, Swept, Which, whole

R = TypeVar("R")
T = TypeVar("T")
Undo = list[Callable[[], None]]


class _Table(dict[Any, Any]):
    """A dictionary that can take its last changes back."""

    def change(self, undo: Undo, key: Any, value: Any | None) -> None:
        old = self.get(key)
        undo.append(lambda: self._set(key, old))
        self._set(key, value)

    def _set(self, key: Any, value: Any | None) -> None:
        if value is None:
            self.pop(key, None)
        else:
            self[key] = value


class _Records(Generic[R]):
    def __init__(self, shape: shapes.Shape[R], table: _Table, undo: Undo) -> None:
        self._shape, self._table, self._undo = shape, table, undo

    def get(self, key: Key) -> R | None:
        found: R | None = self._table.get(key)
        return found

    def put(self, record: R) -> None:
        key = getattr(record, self._shape.key)
        for name in self._shape.unique:
            for other, held in self._table.items():
                if other != key and getattr(held, name) == getattr(record, name):
                    msg = f"{self._shape.table}.{name} is taken"
                    raise ValueError(msg)
        self._table.change(self._undo, key, record)

    def delete(self, key: Key) -> bool:
        there = key in self._table
        self._table.change(self._undo, key, None)
        return there

    def find(self, limit: int = 1000, after: Key | None = None, **equal: Key) -> list[R]:
        self._shape.refuse_unknown(equal)
        keys = sorted(key for key in self._table if after is None or key > after)
        records = (self._table[key] for key in keys)
        return [r for r in records if all(getattr(r, name) == value for name, value in equal.items())][:limit]

    def clear(self, limit: int, **equal: Key) -> int:
        self._shape.refuse_everything(equal)
        gone = self.find(limit, **equal)
        for record in gone:
            self.delete(getattr(record, self._shape.key))
        return len(gone)

    def sweep(self, before: int, limit: int) -> int:
        self._shape.refuse_endless()
        old = [key for key in sorted(self._table) if getattr(self._table[key], self._shape.end) < before][:limit]
        for key in old:
            self.delete(key)
        return len(old)


class _Families:
    def __init__(self, table: _Table, undo: Undo) -> None:
        self._table, self._undo = table, undo

    def get(self, family_id: bytes) -> Family | None:
        return self._table.get(family_id)

    def add(self, family: Family) -> None:
        if family.id in self._table:
            msg = "family id is taken"
            raise ValueError(msg)
        self._table.change(self._undo, family.id, family)

    def settle(self, family_id: bytes, head: Head, ended: Ended | None) -> None:
        old: Family = self._table[family_id]
        if ended is not None:
            head = head._replace(sealed=None)
        self._table.change(self._undo, family_id, old._replace(head=head, ended=ended or old.ended))

    def end(self, which: Which, ended: Ended) -> int:
        which.refuse_empty()
        return self.end_these(self.ids(which), ended)

    def find(self, which: Which, limit: int = 1000, after: bytes = b"") -> list[Family]:
        wanted = which.wanted()
        families = (self._table[key] for key in sorted(self._table) if key > after)
        return [
            family
            for family in families
            if not (which.live and family.ended) and all(getattr(family, k) == v for k, v in wanted.items())
        ][:limit]

    def ids(self, which: Which) -> list[bytes]:
        return [family.id for family in self.find(which, len(self._table))]

    def end_these(self, ids: Sequence[bytes], ended: Ended) -> int:
        live = [family for family in map(self._table.get, ids) if family is not None and family.ended is None]
        for family in live:
            closed = family._replace(ended=ended, head=family.head._replace(sealed=None))
            self._table.change(self._undo, family.id, closed)
        return len(live)

    def sweep(self, after: bytes, now: int, limit: int, keep: int) -> Swept:
        walked = [self._table[key] for key in sorted(self._table) if key > after][:limit]
        erased = expired = deleted = 0
        over: list[Family] = []
        for family in walked:
            head = family.head
            if family.absolute_end + keep < now:
                self._table.change(self._undo, family.id, None)
                deleted += 1
                over += [] if family.ended else [family]
                continue
            ended = family.ended
            if ended is None and now >= min(family.absolute_end, head.idle_end):
                ended = Ended(now, Reason.ABSOLUTE if now >= family.absolute_end else Reason.IDLE)
                expired += 1
                over.append(family)
            stale = head.sealed is not None and (ended is not None or now > head.overlap_end)
            if stale:
                erased += 1
            if stale or ended is not family.ended:
                self.settle(family.id, head._replace(sealed=None) if stale else head, ended)
        last = walked[-1].id if len(walked) == limit else b""
        return Swept(last, erased, expired, deleted, tuple(over))


class _Events:
    def __init__(self, table: _Table, meta: _Table, undo: Undo) -> None:
        self._table, self._meta, self._undo = table, meta, undo

    def add(self, events: Sequence[Event]) -> None:
        for event in events:
            number = self._meta.get("last event", 0) + 1
            self._meta.change(self._undo, "last event", number)
            self._table.change(self._undo, number, event)

    def find(self, query: EventQuery) -> list[tuple[int, Event]]:
        wanted = {k: getattr(query, k) for k in ("family_id", "account_id", "client_id", "what") if getattr(query, k)}
        found = [
            (number, event)
            for number, event in sorted(self._table.items(), reverse=query.newest)
            if number > query.after and all(getattr(event, k) == v for k, v in wanted.items())
        ]
        return found[: query.limit]

    def arrange(self, now: int, before: int) -> int:  # noqa: ARG002 - this trail is in one piece
        return 0

    def sweep(self, before: int, limit: int) -> int:
        old = [number for number, event in sorted(self._table.items())[:limit] if event.at < before]
        for number in old:
            self._table.change(self._undo, number, None)
        return len(old)


class _Endings:
    def __init__(self, table: _Table, meta: _Table, undo: Undo) -> None:
        self._table, self._meta, self._undo = table, meta, undo

    def add(self, ends: Sequence[End]) -> None:
        for end in ends:
            number = self.newest() + 1
            self._meta.change(self._undo, "last ending", number)
            self._table.change(self._undo, number, end)

    def find(self, after: int = 0, limit: int = 1000) -> list[tuple[int, End]]:
        return [(number, end) for number, end in sorted(self._table.items()) if number > after][:limit]

    def newest(self) -> int:
        return int(self._meta.get("last ending", 0))

    def sweep(self, before: int, limit: int) -> int:
        old = [number for number, end in sorted(self._table.items())[:limit] if end.at < before]
        for number in old:
            self._table.change(self._undo, number, None)
        return len(old)


class _Tx:
    def __init__(self, tables: dict[str, _Table], undo: Undo) -> None:
        self._tables, self._undo = tables, undo
        for shape in shapes.SHAPES:
            setattr(self, shapes.attribute(shape), _Records(shape, tables[shape.table], undo))

    @cached_property
    def families(self) -> _Families:
        return _Families(self._tables["family"], self._undo)

    @cached_property
    def events(self) -> _Events:
        return _Events(self._tables["event"], self._tables["meta"], self._undo)

    @cached_property
    def endings(self) -> _Endings:
        return _Endings(self._tables["ending"], self._tables["meta"], self._undo)

    def revision(self) -> int:
        return int(self._tables["meta"].get("revision", 0))

    def turn(self) -> None:
        self._tables["meta"].change(self._undo, "revision", self.revision() + 1)

    def epoch(self) -> Epoch:
        found: Epoch | None = self._tables["meta"].get("epoch")
        return found or Epoch()

    def begin(self, epoch: Epoch) -> None:
        self._tables["meta"].change(self._undo, "epoch", epoch)
        self.turn()

    def now(self, own: int) -> int:
        return own


class MemoryStore:
    """Everything in this process, gone with it."""

    def __init__(self) -> None:
        names = [shape.table for shape in shapes.SHAPES] + ["family", "event", "ending", "meta"]
        self._tables = {name: _Table() for name in names}
        self._lock = threading.Lock()
        self._closed = False

    @property
    def seen_revision(self) -> int:
        return int(self._tables["meta"].get("revision", 0))

    @contextmanager
    def _transaction(self) -> Iterator[tuple[Any, Undo]]:
        undo: Undo = []
        with self._lock:
            if self._closed:
                msg = "the store is closed"
                raise StoreUnavailable(msg)
            try:
                yield _Tx(self._tables, undo), undo
            except BaseException:
                for step in reversed(undo):
                    step()
                raise

    async def settle(self, family_id: bytes, decide: Callable[[Family | None], Settlement]) -> Settlement:
        with self._transaction() as (tx, _):
            settlement = decide(tx.families.get(family_id))
            apply(tx, settlement)
            return settlement

    async def settle_then(
        self, family_id: bytes, decide: Callable[[Family | None], Settlement], finish: Finish[T]
    ) -> T:
        return whole(finish(await self.settle(family_id, decide)))

    async def write(self, work: Callable[[Any], T]) -> T:
        with self._transaction() as (tx, _):
            return work(tx)

    async def read(self, work: Callable[[Any], T]) -> T:
        with self._transaction() as (tx, undo):
            result = work(tx)
            if undo:
                msg = "a read cannot write"
                raise StoreUnavailable(msg)
            return result

    async def close(self) -> None:
        """Say so to whoever asks later; there is nothing to close, for nothing was kept."""
        self._closed = True
