"""A whole vault on the move: into another one, into a file, and out of it.

How rows are copied, compared and written down is `evergrant.store.moving`, the same as for the issuer's store. What is
a vault's own: it is left only when every refresh that has begun has come to its end, because a reply that comes after
that could be written down nowhere; and a vault out of a backup says of its tokens that they are. Sealed values move as
they are; nobody here has a key.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from msgspec import json

from evergrant.clock import Clock
from evergrant.keeper.connection import Record
from evergrant.keeper.event import Event, What
from evergrant.keeper.vault.layout import DOCUMENT, FENCE, RECORD, VAULT
from evergrant.keeper.vault.port import VaultUnavailable
from evergrant.store.bulk import Row, Whole
from evergrant.store.moving import backup as backups
from evergrant.store.moving import copying
from evergrant.store.moving.backup import FORGOTTEN, Made
from evergrant.store.moving.file import Backup
from evergrant.store.moving.rows import PAGE, Progress

LOOK: Final = 0.1
"""Seconds between two looks whether something is still under way."""
ANNOUNCED: Final = 5
"""Seconds for which no new claim is given out by a vault whose mover has died."""
PATIENCE: Final = 300
"""Seconds in which every claim must have come to its end; a dead keeper's run out long before."""
_AT: Final = RECORD.columns.index(DOCUMENT)
_TOKEN: Final = RECORD.columns.index("refresh_token")


class WholeVault(Whole, Protocol):
    """A vault that can be moved: what its work is given has `bulk`, `leaving` and `trail`."""

    async def close(self) -> None: ...


class Moving(NamedTuple):
    """How a vault is moved: by which clock, and how long one waits. *pause* waits for seconds."""

    clock: Clock
    patience: float = PATIENCE
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


async def copy(
    source: Whole, target: Whole, whither: str, how: Moving, progress: Progress, *, replace: bool = False
) -> copying.Copied:
    """Move everything from *source* to *target*. *whither* is what keepers of the source are told.

    Raises `NotEmpty` unless *replace*, `NotTheSame`, `VaultUnavailable`; then the source is as it was, but for
    `OutcomeUnknown`: then it is left, and the target holds everything or nothing.
    """

    async def calm() -> None:
        await _calm(source, how)

    try:
        return await copying.copy(source, target, whither, how.clock.monotonic, progress, replace=replace, calm=calm)
    except BaseException:
        with suppress(VaultUnavailable):  # then it ends by itself
            await source.write(lambda tx: tx.leaving.announce(0))
        raise


async def _calm(source: Whole, how: Moving) -> None:
    """Let nothing new begin, and wait until nothing is under way any more. Raises `VaultUnavailable`."""
    end = how.clock.monotonic() + how.patience
    while True:
        await source.write(lambda tx: tx.leaving.announce(ANNOUNCED))
        left: int = await source.read(lambda tx: tx.leaving.under_way())
        if not left:
            return
        if how.clock.monotonic() >= end:
            msg = f"{left} refreshes have been under way for {how.patience:g} seconds; the vault was not left"
            raise VaultUnavailable(msg)
        await how.pause(LOOK)


async def back_up(vault: Whole, path: Path, made: Made, progress: Progress, *, replace: bool = False) -> Backup:
    """Write a backup of *vault* to *path*, as it was at one moment.

    Raises `VaultUnavailable`, `FileExistsError`, `OSError`; no half file is left.
    """
    return await backups.back_up(vault, path, made, progress, replace=replace, epoch=lambda _: 0)


async def restore(vault: Whole, backup: Backup, now: int, progress: Progress, *, replace: bool = False) -> int:
    """Fill *vault* from a file that was found whole; how many of its records may hold a token that was spent since.

    Raises `NotEmpty` unless *replace*, `BadBackup`, `VaultUnavailable`; then nothing has changed.
    """

    def work(tx: Any) -> int:
        tx.bulk.freeze()
        backups.fill(tx, backup, progress, replace=replace)
        # Claims were given out after the backup too: their numbers are not given again.
        tx.bulk.number_after(FENCE, backup.head.numbers[FENCE] + FORGOTTEN)
        marked = _mark(tx.bulk, backup.head.made_at)
        tx.trail.add([Event(now, What.VAULT_RESTORED, detail=f"backup of {backup.head.made_at}")])
        return marked

    return await vault.write(work)


def _mark(bulk: Any, made_at: int) -> int:
    """Let every record with a refresh token say that it came out of a backup; how many do."""
    marked, after = 0, None
    while rows := bulk.page(RECORD, after, None, PAGE):
        upto = rows[-1][0]
        bulk.cut(RECORD, after, upto)
        bulk.load(RECORD, [_marked(row, made_at) if row[_TOKEN] else row for row in rows])
        marked += sum(bool(row[_TOKEN]) for row in rows)
        after = upto
    return marked


def _marked(row: Row, made_at: int) -> Row:
    stored: Any = row[_AT]
    document = json.encode(replace(json.decode(stored, type=Record), restored_from=made_at))
    return (*row[:_AT], document, *row[_AT + 1 :])


__all__ = ["VAULT", "Moving", "WholeVault", "back_up", "copy", "restore"]
