"""Two stores moved side by side: whatever is asked of one is asked of the other, and the answers must be equal."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from evergrant.domain.event import Event
from evergrant.domain.family import Family
from evergrant.entropy import Entropy, SeededEntropy
from evergrant.store.memory import MemoryStore
from evergrant.store.port import EventQuery, Store, Tx, Which
from evergrant.store.sqlite import SqliteStore
from evergrant.testing.presenting import Presenter, ring

T = TypeVar("T")
KEYS = ring("side by side")


class Side:
    """One store with its presenter. Both sides draw the same randomness, so that even their tokens are equal.

    *orderly*: what is asked at once is done in that order, whether it settles or writes.
    """

    def __init__(self, store: Store, entropy: Entropy | None = None, *, orderly: bool = True) -> None:
        self.entropy, self.orderly = entropy or SeededEntropy("side by side"), orderly
        self.turn_to(store)

    def turn_to(self, store: Store) -> None:
        self.store = store
        self.presenter = Presenter(store, self.entropy, KEYS)


class Kept(Protocol):
    """A side that outlives its process."""

    @property
    def side(self) -> Side:
        """Where the next question goes."""
        ...

    async def restart(self, *, killed: bool) -> None:
        """Close and open again; or, *killed*, go on from what is kept at this moment."""
        ...

    def files(self) -> bytes:
        """Everything that lies on the disk."""
        ...

    async def close(self) -> None: ...


class SqliteFile:
    """A file of its own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="evergrant-sides-")
        self.path = Path(self._folder.name) / "evergrant.sqlite"
        self.side = Side(SqliteStore.open(self.path))
        self.restarts = 0

    async def restart(self, *, killed: bool) -> None:
        self.restarts += 1
        if killed:
            folder = self.path.parent / str(self.restarts)
            folder.mkdir()
            for name in (self.path.name, f"{self.path.name}-wal"):
                shutil.copy(self.path.parent / name, folder / name)
            self.path = folder / self.path.name
        await self.side.store.close()
        self.side.turn_to(SqliteStore.open(self.path))

    def files(self) -> bytes:
        folder = Path(self._folder.name)
        return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())

    async def close(self) -> None:
        await self.side.store.close()
        self._folder.cleanup()


class BothSides:
    """The memory store and one that is kept, moved together."""

    def __init__(self, kept: Kept) -> None:
        self._loop = asyncio.new_event_loop()
        self._memory = Side(MemoryStore())
        self._kept = kept

    def do(self, ask: Callable[[Side], Awaitable[T]]) -> T:
        """Ask both sides; their one answer."""
        memory = self._loop.run_until_complete(_awaited(ask(self._memory)))
        kept = self._loop.run_until_complete(_awaited(ask(self._kept.side)))
        assert memory == kept, f"the memory store answers {memory}, the other {kept}"
        return memory

    def write(self, work: Callable[[Tx], T]) -> T:
        return self.do(lambda side: side.store.write(work))

    def rows(self) -> dict[bytes, Family]:
        return {family.id: family for family in self.do(lambda side: side.store.read(_families))}

    def events(self) -> list[Event]:
        """The whole trail, oldest first."""
        query = EventQuery(limit=1_000_000)
        return self.do(lambda side: side.store.read(lambda tx: [event for _, event in tx.events.find(query)]))

    def restart(self, *, killed: bool) -> None:
        self._loop.run_until_complete(self._kept.restart(killed=killed))

    def files(self) -> bytes:
        return self._kept.files()

    def close(self) -> None:
        self._loop.run_until_complete(self._kept.close())
        self._loop.close()


def _families(tx: Tx) -> list[Family]:
    return tx.families.find(Which(live=False), 10_000)


async def _awaited(thing: Awaitable[Any]) -> Any:
    return await thing
