"""Whole stores on the command line: named by a directory, a file or an address; opened, watched and told about.

What backs up, restores and moves is `evergrant.store.moving`; what a command says is in its own file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from evergrant.cli.output import Exit, Failure, counting

if TYPE_CHECKING:
    from evergrant.store.moving.rows import Progress, Sum
    from evergrant.store.port import Store
    from evergrant.store.whereabouts import Whereabouts

T = TypeVar("T")
SCHEMES: Final = ("postgresql://", "postgres://")
SHOWN: Final = ("family", "account", "session", "client", "event")
_MANY: Final = {
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

        return shared.in_use(where.url)
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


async def watched(store: Store, label: str, work: Callable[[Progress], Awaitable[T]], times: int = 1) -> T:
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


def summary(sums: Mapping[str, Sum]) -> str:
    """What somebody wants to know was in it."""
    return ", ".join(f"{sums[name].rows} {name if sums[name].rows == 1 else _MANY[name]}" for name in SHOWN)


def now() -> int:
    """The time, as the servers of this environment see it."""
    import os

    from evergrant.clock import clock_from_environment

    return clock_from_environment(os.environ).now()
