"""Whole stores on the command line: named by a directory, a file or an address; opened, watched and told about.

What backs up, restores and moves is `evergrant.store.moving`; what a command says is in its own file.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from evergrant.cli.output import Exit, Failure, counting, emit_line, note, plural

if TYPE_CHECKING:
    from evergrant.store.bulk import Whole
    from evergrant.store.moving.copying import Copied
    from evergrant.store.moving.file import Backup
    from evergrant.store.moving.rows import Progress, Sum
    from evergrant.store.port import Store
    from evergrant.store.whereabouts import Whereabouts

T = TypeVar("T")
SCHEMES: Final = ("postgresql://", "postgres://")
SHOWN: Final = {
    "family": "families", "account": "accounts", "session": "sessions", "client": "clients", "event": "events",
}  # fmt: skip


def named(text: str) -> Whereabouts:
    """What somebody wrote to name a store: a data directory, the database in it, or a postgresql:// address."""
    from evergrant.store.sqlite import FILE_NAME
    from evergrant.store.whereabouts import Whereabouts

    if text.startswith(SCHEMES):
        return Whereabouts(Path(), text)
    path = Path(text)
    return Whereabouts(path.parent if path.name == FILE_NAME else path)


def there(where: Whereabouts) -> Whereabouts:
    """The same, of an issuer that has one."""
    if not where.exists():
        raise Failure(f"{where.shown}: there is no issuer here", code=Exit.NOT_FOUND)
    return where


def in_use(where: Whereabouts) -> bool:
    """Whether a server, or anybody else, has the store open."""
    if where.file is None:
        from evergrant.store.postgres import alone as shared
        from evergrant.store.postgres.connection import address

        return shared.in_use(address(where.url))
    from evergrant.store.sqlite import alone

    return where.file.exists() and alone.in_use(where.file)


@asynccontextmanager
async def opened(where: Whereabouts) -> AsyncIterator[Store]:
    """The store, made where there is none, for as long as the block runs. Raises `StoreUnusable`."""
    store = where.open()
    try:
        yield store
    finally:
        await store.close()


async def watched(store: Whole, label: str, work: Callable[[Progress], Awaitable[T]], times: int = 1) -> T:
    """Do *work* with a bar that counts its rows, *times* over."""
    counts: dict[str, int] = await store.read(_counts)
    with counting(label, times * sum(counts.values())) as done:
        return await work(lambda _, rows: done(rows))


def _counts(tx: Any) -> dict[str, int]:
    counts: dict[str, int] = tx.bulk.counts()
    return counts


def rows(sums: Mapping[str, Sum]) -> dict[str, int]:
    """Rows by table."""
    return {name: one.rows for name, one in sums.items()}


def summary(sums: Mapping[str, Sum], shown: Mapping[str, str] = SHOWN) -> str:
    """What somebody wants to know was in it: tables, with the word for several of their rows."""
    return ", ".join(f"{sums[name].rows} {name if sums[name].rows == 1 else many}" for name, many in shown.items())


def told(copied: Copied, begin: str, end: str, shown: Mapping[str, str], *, as_json: bool) -> None:
    """Say what was moved."""
    if as_json:
        emit_line({
            "from": begin, "to": end, "rows": rows(copied.sums),
            "sums": {name: one.checksum for name, one in copied.sums.items()}, "again": copied.again,
            "stopped": round(copied.stopped, 3),
        })  # fmt: skip
    note(f"moved {summary(copied.sums, shown)} to {end}")
    if copied.again:
        note(f"{plural(copied.again, 'row was', 'rows were')} copied again, having changed meanwhile")
    note(f"nobody could write for {copied.stopped:.1f} s; {begin} is not used any more")


@contextmanager
def moving(target: str, reopen: str = "") -> Iterator[None]:
    """Tell what kept a move or a restore from being done: a sentence, and the exit code of its kind.

    *reopen* is the command that takes a move back which may have been committed or not.
    """
    from evergrant.store.moving.backup import NotEmpty
    from evergrant.store.moving.copying import NotTheSame
    from evergrant.store.moving.file import BadBackup
    from evergrant.store.port import OutcomeUnknown

    try:
        yield
    except OutcomeUnknown as error:
        if not reopen:
            raise
        raise Failure(
            f"{error}: whether everything has arrived nobody knows; FROM was left",
            hint=f"look into TO; when it is empty, use FROM again: {reopen}", code=Exit.STORE_UNAVAILABLE,
        ) from error  # fmt: skip
    except NotEmpty as error:
        raise Failure(
            f"{target}: there is something in it", hint="name another place, or give it up with --replace",
            code=Exit.CONFLICT,
        ) from error  # fmt: skip
    except NotTheSame as error:
        raise Failure(
            f"what arrived is not what was sent: {error}", hint="nothing has moved; this should be reported",
            code=Exit.STORE_UNAVAILABLE,
        ) from error  # fmt: skip
    except BadBackup as error:
        raise Failure(str(error), code=Exit.STORE_UNAVAILABLE) from error


def refuse_used(shown: str, hint: str) -> NoReturn:
    """Say that a store is not to be touched now."""
    raise Failure(f"{shown}: somebody has it open", hint=hint, code=Exit.CONFLICT)


def refuse_overwriting(file: Path, *, replace: bool) -> None:
    """Raise `Failure` when there is a file that is not to be replaced."""
    if file.exists() and not replace:
        raise Failure(
            f"{file}: there is such a file already", hint="name another, or say --replace", code=Exit.CONFLICT
        )


def refuse_crowded(folder: Path, backup: Backup) -> None:
    """Refuse before it is begun what a disk has no room for: a restore needs it twice, in the log and in the file."""
    if not folder.exists():
        return
    free = shutil.disk_usage(folder).free
    if free < 2 * backup.size:
        raise Failure(
            f"{folder}: {free} bytes are free, and this takes about {2 * backup.size}",
            hint="make room, or restore to another disk", code=Exit.STORE_UNAVAILABLE,
        )  # fmt: skip


def said(backup: Backup, *, as_json: bool, **more: Any) -> None:
    """Say what is in a backup, for programs."""
    if not as_json:
        return
    head = backup.head
    emit_line({
        "file": str(backup.path), "made_at": head.made_at, "release": head.release, "source": head.source,
        "size": backup.size, "sha256": backup.checksum, "rows": rows(backup.sums), **more,
    })  # fmt: skip


def now() -> int:
    """The time, as the servers of this environment see it."""
    import os

    from evergrant.clock import clock_from_environment

    return clock_from_environment(os.environ).now()
