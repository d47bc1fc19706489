"""Two stores moved side by side: whatever is asked of one is asked of the other, and the answers must be equal."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from evergrant.domain.event import Event
from evergrant.domain.family import Family
from evergrant.entropy import SeededEntropy
from evergrant.store.memory import MemoryStore
from evergrant.store.port import EventQuery, Store, Tx, Which
from evergrant.store.sqlite import SqliteStore
from evergrant.testing.presenting import Presenter, ring

T = TypeVar("T")
KEYS = ring("side by side")


class Side:
    """One store with its presenter. Both sides draw the same randomness, so that even their tokens are equal."""

    def __init__(self, store: Store) -> None:
        self.entropy = SeededEntropy("side by side")
        self.turn_to(store)

    def turn_to(self, store: Store) -> None:
        self.store = store
        self.presenter = Presenter(store, self.entropy, KEYS)


class BothSides:
    """The memory store and a SQLite file, moved together."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="evergrant-sides-")
        self.path = Path(self._folder.name) / "evergrant.sqlite"
        self._loop = asyncio.new_event_loop()
        self._memory = Side(MemoryStore())
        self._sqlite = Side(SqliteStore.open(self.path))
        self.restarts = 0

    def do(self, ask: Callable[[Side], Awaitable[T]]) -> T:
        """Ask both sides; their one answer."""
        memory = self._loop.run_until_complete(_awaited(ask(self._memory)))
        sqlite = self._loop.run_until_complete(_awaited(ask(self._sqlite)))
        assert memory == sqlite, f"the memory store answers {memory}, SQLite {sqlite}"
        return memory

    def write(self, work: Callable[[Tx], T]) -> T:
        return self.do(lambda side: side.store.write(work))

    def rows(self) -> dict[bytes, Family]:
        return {family.id: family for family in self.do(lambda side: side.store.read(_families))}

    def events(self, after: int = 0) -> list[tuple[int, Event]]:
        query = EventQuery(after=after, limit=1_000_000)
        return self.do(lambda side: side.store.read(lambda tx: tx.events.find(query)))

    def restart(self, *, killed: bool) -> None:
        """Close the file and open it again; or, *killed*, go on from what lies on the disk at this moment."""
        self.restarts += 1
        if killed:
            folder = self.path.parent / str(self.restarts)
            folder.mkdir()
            for name in (self.path.name, f"{self.path.name}-wal"):
                shutil.copy(self.path.parent / name, folder / name)
            self.path = folder / self.path.name
        self._loop.run_until_complete(self._sqlite.store.close())
        self._sqlite.turn_to(SqliteStore.open(self.path))

    def files(self) -> bytes:
        """Everything that lies on the disk."""
        folder = Path(self._folder.name)
        return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())

    def close(self) -> None:
        self._loop.run_until_complete(self._sqlite.store.close())
        self._loop.close()
        self._folder.cleanup()


def _families(tx: Tx) -> list[Family]:
    return tx.families.find(Which(live=False), 10_000)


async def _awaited(thing: Awaitable[Any]) -> Any:
    return await thing
