"""The audit trail's chain: every event stores a digest of itself and of the one before it.

A row that was changed, taken out or put in between breaks the chain from there on. Whoever can write the whole vault
can also write a new chain: that shows only against a digest that was noted elsewhere.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from hashlib import sha256
from json import dumps
from typing import Any

from evergrant.keeper.event import Event, Stored
from evergrant.keeper.vault.port import TrailEnds, Vault


def link(before: bytes, number: int, event: Event) -> bytes:
    """The 32-byte digest that is stored with event *number*; *before* is that of the event before it."""
    # Members without a value are left out, so that a member added later leaves every older digest as it is.
    members = {name: value for name, value in asdict(event).items() if value}
    text = dumps([number, members], sort_keys=True, separators=(",", ":"))
    return sha256(before + text.encode()).digest()


def chained(before: bytes, last: int, events: Iterable[Event]) -> list[Stored]:
    """The events with their numbers after *last*, each linked to the one before."""
    stored = []
    for number, event in enumerate(events, last + 1):
        before = link(before, number, event)
        stored.append(Stored(number, event, before))
    return stored


def over(oldest: Sequence[tuple[Any, ...]], before: int) -> int:
    """How many of the *oldest* events (number, time, chain) come before the first told at *before* or later."""
    return next((place for place, row in enumerate(oldest) if row[1] >= before), len(oldest))


def first_broken(trail: Iterable[Stored], number: int = 0, chain: bytes = b"") -> int:
    """The number of the first event whose link does not hold, or 0. *number* and *chain* are of the event before."""
    for stored in trail:
        if stored.number != number + 1:
            return number + 1
        if link(chain, stored.number, stored.event) != stored.chain:
            return stored.number
        number, chain = stored.number, stored.chain
    return 0


async def verify(vault: Vault, *, page: int = 500) -> int:
    """The number of the first event of the whole trail that is missing or changed, or 0. Raises `VaultUnavailable`.

    May run while others write and sweep.
    """
    number, chain = 0, b""
    while True:
        before = await vault.trail_ends()
        trail = await vault.events(after=number, limit=page)
        after = await vault.trail_ends()
        if after.swept > number:
            number, chain = after.swept, after.swept_chain
            continue
        broken = first_broken(trail, number, chain)
        if broken:
            return broken
        if not trail:
            return _missing_end(before, number, chain)
        number, chain = trail[-1].number, trail[-1].chain


def _missing_end(ends: TrailEnds, number: int, chain: bytes) -> int:
    """Nothing came after *number*: that must be the end that the vault remembers."""
    if ends.last > number:
        return number + 1
    return 0 if (ends.last, ends.last_chain) == (number, chain) else number
