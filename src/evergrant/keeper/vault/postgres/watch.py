"""Seeing what other processes have committed, without asking at every lease: a number that is looked after beside it.

A snapshot of PostgreSQL names exactly the transactions that are visible. Two that are alike saw the same rows; between
two that differ, the transactions of others that have become visible are counted, our own are left out, because the
number has risen for them already. A session of LISTEN would be told sooner, at a price: NOTIFY makes every commit of
the whole server wait for the one before, and no transaction pooler passes it on.
"""

import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from evergrant.keeper.vault.port import VaultUnavailable

EVERY: Final = 0.25
"""Seconds between two looks."""
BLIND: Final = 30.0
"""So long what was read before goes on being believed while the database does not answer at all."""
MOST: Final = 20_000
FAR_OFF: Final = float(1 << 40)


class Snapshot(NamedTuple):
    """PostgreSQL's own: every transaction below *end* is over and visible, but for those that were *running*."""

    oldest: int
    end: int
    running: frozenset[int]

    @classmethod
    def read(cls, text: str) -> "Snapshot":
        """Read `pg_current_snapshot()`."""
        oldest, end, running = text.split(":")
        return cls(int(oldest), int(end), frozenset(map(int, running.split(","))) if running else frozenset())

    def sees(self, number: int) -> bool:
        """Whether a transaction is over."""
        return number < self.end and number not in self.running


def appeared(before: Snapshot, after: Snapshot, own: set[int]) -> bool:
    """Whether a transaction that is not among *own* is over in *after* and was not in *before*."""
    if before == after:
        return False
    if after.end < before.end or after.end - before.oldest > MOST:
        return True  # another server, or too much has happened to look at each
    numbers = range(before.oldest, after.end)
    return any(after.sees(n) and not before.sees(n) and n not in own for n in numbers)


class Watch:
    """Looks every quarter of a second, on a thread of its own. *look* asks for the snapshot and the time; an empty
    snapshot means: none is to be relied on (a distributed engine), so everything may have changed. *beside* is called
    after every look.
    """

    def __init__(self, look: Callable[[], tuple[str, float]], beside: Callable[[], Any], every: float = EVERY) -> None:
        self._look, self._beside, self._every = look, beside, every
        self._gate = threading.Lock()
        self._number = 0
        self._own: set[int] = set()
        self._blind = 0.0
        self._closed = False
        text, self._back_at = look()
        self._seen = Snapshot.read(text) if text else None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evergrant-vault-watch", daemon=True)
        self._thread.start()

    def stamp(self) -> int:
        """The number. Raises `VaultUnavailable` once closed."""
        if self._closed:
            msg = "the vault is closed"
            raise VaultUnavailable(msg)
        return self._number

    def committed(self, number: int) -> None:
        """A transaction of this process is over; 0 when its number is not known."""
        with self._gate:
            self._number += 1
            if number:
                self._own.add(number)

    def own(self, number: int) -> None:
        """A transaction of this process that changes nothing of what a stamp is asked for."""
        with self._gate:
            self._own.add(number)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self._turn()

    def _turn(self) -> None:
        try:
            text, now = self._look()
        except VaultUnavailable:
            self._blind += self._every
            if self._blind >= BLIND:
                self._rise()
            return
        self._note(Snapshot.read(text) if text else None, now)
        self._beside()

    def _note(self, seen: Snapshot | None, now: float) -> None:
        with self._gate:
            before, self._seen = self._seen, seen
            recovered, self._blind = self._blind > 0, 0.0
            if recovered:
                self._back_at = now
            if recovered or before is None or seen is None or appeared(before, seen, self._own):
                self._number += 1
            if seen is not None:
                self._own = {n for n in self._own if not seen.sees(n)}

    def back_at(self) -> float:
        """When the database was there for the first time, or again, by its clock; far off while it is away."""
        return FAR_OFF if self._blind else self._back_at

    def _rise(self) -> None:
        with self._gate:
            self._number += 1

    def close(self) -> None:
        """Stop looking; a stamp asked for later is unavailable."""
        self._closed = True
        self._stop.set()
        self._thread.join()
