"""Whole stores on the command line: named by a directory, a file or an address; opened, watched and told about.

What backs up, restores and moves is `evergrant.store.moving`; what a command says is in its own file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from evergrant.cli.output import Exit, Failure, counting
from evergrant.cli.place import current

if TYPE_CHECKING:
    from evergrant.config import Config
    from evergrant.store.moving.rows import Progress, Sum
    from evergrant.store.port import Store

T = TypeVar("T")
SCHEMES: Final = ("postgresql://", "postgres://")
SHOWN: Final = ("family", "account", "session", "client", "event")
_MANY: Final = {
    "family": "families", "account": "accounts", "session": "sessions", "client": "clients", "event": "events",
}  # fmt: skip


class Named(NamedTuple):
    """Where a store is: a file, or an address. *shown* never holds a password."""

    file: Path | None
    address: str
    shown: str


def named(text: str) -> Named:
    """What somebody wrote to name a store: a data directory, the database in it, or a postgresql:// address."""
    if text.startswith(SCHEMES):
        from evergrant.store.postgres.connection import address

        return Named(None, text, address(text).shown)
    from evergrant.store.sqlite import FILE_NAME

    path = Path(text)
    file = path if path.suffix or path.is_file() else path / FILE_NAME
    return Named(file, "", str(file))


def configured(config: Config) -> Named:
    """The store that the configuration names."""
    from evergrant.store.sqlite import FILE_NAME

    return named(config.store.url or str(config.store.data / FILE_NAME))


def there(place: Named, hint: str = "") -> None:
    """Refuse a file that does not exist."""
    if place.file is not None and not place.file.exists():
        raise Failure(f"{place.shown}: there is no store here", hint=hint, code=Exit.NOT_FOUND)


def ready(place: Named, hint: str = "") -> None:
    """Refuse a file that does not exist, or that only its own server may bring up to this release."""
    there(place, hint)
    if place.file is not None:
        current(place.file)


def in_use(place: Named) -> bool:
    """Whether a server, or anybody else, has the store open."""
    if place.file is None:
        from evergrant.store.postgres import alone as shared

        return shared.in_use(place.address)
    from evergrant.store.sqlite import alone

    return place.file.exists() and alone.in_use(place.file)


@asynccontextmanager
async def opened(place: Named) -> AsyncIterator[Store]:
    """The store, made where there is none, for as long as the block runs. Raises `StoreUnusable`."""
    store: Store
    if place.file is None:
        from evergrant.store.postgres import PostgresStore

        store = PostgresStore.open(place.address)
    else:
        from evergrant.store.sqlite import SqliteStore

        place.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = SqliteStore.open(place.file)
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
