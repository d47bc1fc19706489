"""A store into a file, and a file into a store; both stores write and read the same file.

A backup is one consistent snapshot of a store that goes on working meanwhile. A restore is one transaction: whatever
interrupts it leaves the target as it was. It is read back and compared before it is committed, and it begins an epoch,
because a restored store has forgotten what came after its backup (`evergrant.domain.epoch`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from evergrant.domain.epoch import Epoch
from evergrant.domain.event import Event, What
from evergrant.store.bulk import NUMBERED, TABLES
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


async def back_up(store: Store, path: Path, made: Made, progress: Progress, *, replace: bool = False) -> Backup:
    """Write a backup of *store* to *path*.

    Raises `StoreUnavailable`, `FileExistsError`, `OSError`; no half file is left.
    """

    def work(tx: Any) -> Backup:
        with file.written(path, replace=replace) as out:
            writing, sums = file.Writing(out), Sums()
            columns = {table.name: list(table.columns) for table in TABLES}
            head = Head(made.at, made.release, made.source, tx.epoch().number, tx.bulk.numbers(), columns)
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
        if not is_empty(tx):
            if not replace:
                raise NotEmpty
            before: Epoch = tx.epoch()
        else:
            before = Epoch()
        tx.bulk.clear()
        for table, rows in file.read(backup):
            tx.bulk.load(table, rows)
            progress(table.name, len(rows))
        wrong = differing(backup.sums, summed(tx.bulk, lambda *_: None))
        if wrong:
            raise BadBackup(f"{backup.path}: what was restored is not what was backed up: {'; '.join(wrong)}")
        # An epoch later than any that either of the two has known: no token of before may seem to be of after.
        newest = max(before.number, tx.epoch().number)
        epoch = Epoch(newest, newest).following(heads_trusted=False)
        begin(tx, epoch, now, f"backup of {backup.head.made_at}", backup.head.numbers)
        return epoch

    return await store.write(work)


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
    for table in NUMBERED:
        # What was lost had numbers too, and whoever follows has seen them: they are not given again.
        tx.bulk.number_after(table, numbers[table.name] + FORGOTTEN)
    tx.events.add([Event(now, What.STORE_RESTORED, detail=f"epoch {epoch.number}: {detail}")])


def is_empty(tx: Any) -> bool:
    """Whether there is nothing in a store but what every new one has."""
    counts: dict[str, int] = tx.bulk.counts()
    return not any(count for name, count in counts.items() if name not in {"meta", "key_", "event", "ending"})
