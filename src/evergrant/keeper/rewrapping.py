"""Turning the key of a whole vault while refreshes run: a few connections a step, told as it goes.

What lives here: the walk over a vault and what is counted on the way. What must not: how a value is wrapped anew
(`sealing`), how a row is (`vault`), where keys come from (`keyring`).
The order that never leaves a value unreadable: add the new key where the keys are, then re-wrap, and retire the old key
when `key_ids` finds nothing sealed under it any more.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from evergrant.clock import Clock
from evergrant.keeper.event import Event, What
from evergrant.keeper.sealing import Sealer, Unreadable, key_id_of
from evergrant.keeper.vault.port import Vault

STEP: Final = 50
"""Connections a step: a millisecond or two in which nobody else writes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it has come. *total* is how many connections there were at the beginning; *done* of them are through."""

    total: int
    done: int = 0
    changed: int = 0
    """Sealed values that are now under the current key."""
    unreadable: int = 0
    """Values whose key is not in the keyring, or that were damaged; left as they are."""
    over: bool = False


async def rewrap_all(
    vault: Vault, sealer: Sealer, clock: Clock, told: Callable[[Progress], None] = lambda _: None, *, step: int = STEP
) -> Progress:
    """Wrap every value's data key with the current key; *told* hears of every step. Safe to stop and begin again.

    Raises `VaultUnavailable`.
    """
    progress = Progress(sum((await vault.counts()).values()))
    skipped = 0

    def turn(sealed: bytes) -> bytes:
        nonlocal skipped
        try:
            return sealer.rewrap(sealed)
        except Unreadable:
            # One damaged value must not keep all others under an old key; reading it will say what is wrong with it.
            skipped += 1
            return sealed

    after, steps = "", 0
    while not progress.over:
        skipped = 0
        after, changed = await vault.rewrap(turn, after=after, limit=step)
        progress = replace(
            progress,
            done=min(progress.total, steps * step),
            changed=progress.changed + changed,
            unreadable=progress.unreadable + skipped,
            over=not after,
        )
        steps += 1
        told(replace(progress, done=progress.total) if progress.over else progress)
    progress = replace(progress, done=progress.total)
    detail = f"key {sealer.key_id}, {progress.changed} values, {progress.unreadable} unreadable"
    await vault.note([Event(clock.now(), What.KEY_REWRAPPED, detail=detail)])
    return progress


async def key_ids(vault: Vault, *, step: int = STEP) -> Counter[str]:
    """How many sealed values there are under which key; damaged ones count under the empty id. Changes nothing."""
    found: Counter[str] = Counter()
    batch: Counter[str] = Counter()

    def look(sealed: bytes) -> bytes:
        try:
            batch[key_id_of(sealed)] += 1
        except Unreadable:
            batch[""] += 1
        return sealed

    after = ""
    while True:
        batch.clear()
        after, _ = await vault.rewrap(look, after=after, limit=step)
        found.update(batch)
        if not after:
            return found
