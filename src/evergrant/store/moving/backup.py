"""A store into a file, and a file into a store; both stores write and read the same file.

A backup is one consistent snapshot of a store that goes on working meanwhile. A restore is one transaction: whatever
interrupts it leaves the target as it was. It is read back and compared before it is committed, and it begins an epoch,
because a restored store has forgotten what came after its backup (`evergrant.domain.epoch`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from evergrant.domain.epoch import Epoch
from evergrant.domain.event import Event, What
from evergrant.store.bulk import Whole
from evergrant.store.moving import file
from evergrant.store.moving.file import Backup, BadBackup, Head
from evergrant.store.moving.rows import Progress, Sums, differing, pages, summed
from evergrant.store.port import Store

FORGOTTEN: Final = 1 << 32
"""More than any store has told between a backup and its loss."""


class NotEmpty(Exception):
    """The target holds something, which would be lost."""


class Made(NamedTuple):
    """When and by what a backup is made; *source* names the store for people."""

    at: int
    release: str
    source: str


def _epoch(tx: Any) -> int:
    number: int = tx.epoch().number
    return number


async def back_up(
    store: Whole, path: Path, made: Made, progress: Progress, *, replace: bool = False,
    epoch: Callable[[Any], int] = _epoch,
) -> Backup:  # fmt: skip
    """Write a backup of *store* to *path*. *epoch* asks for the one that is in force.

    Raises `StoreUnavailable`, `FileExistsError`, `OSError`; no half file is left.
    """

    def work(tx: Any) -> Backup:
        with file.written(path, replace=replace) as out:
            layout = tx.bulk.layout
            writing, sums = file.Writing(out, layout), Sums(layout)
            head = Head(made.at, made.release, made.source, epoch(tx), tx.bulk.numbers(), file.columns(layout))
            writing.head(head)
            for page in pages(tx.bulk):
                writing.page(page.table, page.rows)
                sums.add(page.table, page.rows)
                progress(page.table.name, len(page.rows))
            result = sums.result()
            checksum = writing.end(result)
            return Backup(path, head, result, writing.size, checksum)

    return await store.read(work)


async def restore(store: Store, backup: Backup, now: int, progress: Progress, *, replace: bool = False) -> Epoch:
    """Fill *store* from a file that was found whole; the epoch that begins with it.

    Raises `NotEmpty` unless *replace*, `BadBackup`, `StoreUnavailable`; then nothing has changed.
    """

    def work(tx: Any) -> Epoch:
        tx.bulk.freeze()
        before: Epoch = Epoch() if is_empty(tx) else tx.epoch()
        fill(tx, backup, progress, replace=replace)
        # An epoch later than any that either of the two has known: no token of before may seem to be of after.
        newest = max(before.number, tx.epoch().number)
        epoch = Epoch(newest, newest).following(heads_trusted=False)
        begin(tx, epoch, now, f"backup of {backup.head.made_at}", backup.head.numbers)
        return epoch

    return await store.write(work)


def fill(tx: Any, backup: Backup, progress: Progress, *, replace: bool) -> None:
    """Put the rows of a backup into a frozen store, and read them back.

    Raises `NotEmpty` unless *replace*, `BadBackup`.
    """
    if not is_empty(tx) and not replace:
        raise NotEmpty
    tx.bulk.clear()
    for table, rows in file.read(backup, tx.bulk.layout):
        tx.bulk.load(table, rows)
        progress(table.name, len(rows))
    wrong = differing(backup.sums, summed(tx.bulk, lambda *_: None))
    if wrong:
        raise BadBackup(f"{backup.path}: what was restored is not what was backed up: {'; '.join(wrong)}")


async def declare(store: Store, now: int, *, heads_trusted: bool) -> Epoch:
    """Begin an epoch, because a store was restored by other means, or lost its last commits in a failover."""

    def work(tx: Any) -> Epoch:
        epoch: Epoch = tx.epoch().following(heads_trusted=heads_trusted)
        begin(tx, epoch, now, "failover" if heads_trusted else "restored by other means", tx.bulk.numbers())
        return epoch

    return await store.write(work)


def begin(tx: Any, epoch: Epoch, now: int, detail: str, numbers: Mapping[str, int]) -> None:
    """Put an epoch in force, and tell it. *numbers* are the last that the store still knows of."""
    tx.begin(epoch)
    for name in tx.bulk.layout.numbered:
        # What was lost had numbers too, and whoever follows has seen them: they are not given again.
        tx.bulk.number_after(name, numbers[name] + FORGOTTEN)
    tx.events.add([Event(now, What.STORE_RESTORED, detail=f"epoch {epoch.number}: {detail}")])


def is_empty(tx: Any) -> bool:
    """Whether there is nothing in a store but what every new one has."""
    counts: dict[str, int] = tx.bulk.counts()
    return not any(count for name, count in counts.items() if name not in tx.bulk.layout.furniture)
