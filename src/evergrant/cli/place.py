"""Where a command finds its issuer: the options that every command takes, its configuration, its store.

A command either reads, which needs no key and makes nothing, or changes, which opens the whole house. What a service
refuses becomes a sentence and an exit code here. What a command says is in its own file.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from evergrant.cli.output import Exit, Failure, lowered

if TYPE_CHECKING:
    from evergrant.assembly import House
    from evergrant.clock import Clock
    from evergrant.config import Config
    from evergrant.config.load import Loaded
    from evergrant.store.port import Store, Tx
    from evergrant.store.whereabouts import Whereabouts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """What the command line said about where the issuer is."""

    file: Path | None = None
    folder: str | None = None
    url: str | None = None

    @property
    def overrides(self) -> dict[str, Any]:
        """What it said, by the configuration's names."""
        return {"store.data": self.folder, "store.url": self.url}

    def loaded(self, **more: object) -> Loaded:
        """Load the configuration, with more of what the command line said: `server__listen="127.0.0.1:0"`."""
        from evergrant.config.load import load_with_origins

        said = {name.replace("__", "."): value for name, value in more.items()}
        return load_with_origins(self.file, overrides={**self.overrides, **said})

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.loaded().config


def placed(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command `--config`, `--data` and `--store`; it receives a `Place`."""

    @click.option(
        "--config", "file", type=click.Path(path_type=Path), metavar="FILE",
        help="The configuration, a TOML file.  [env: EVERGRANT_CONFIG]",
    )  # fmt: skip
    @click.option(
        "--data", "folder", metavar="DIR",
        help="The directory with the database and the keys.  [env: EVERGRANT_STORE_DATA; default: ./evergrant-data]",
    )  # fmt: skip
    @click.option(
        "--store", "database", metavar="URL",
        help="A PostgreSQL database instead of the file in that directory: postgresql://USER@HOST/DATABASE. Others on "
        "this machine can read the command line; a password belongs elsewhere.  [env: EVERGRANT_STORE_URL, PGPASSFILE]",
    )  # fmt: skip
    @functools.wraps(command)
    def called(*args: Any, file: Path | None, folder: str | None, database: str | None, **options: Any) -> T:
        return command(*args, place=Place(file, folder, database), **options)

    return called


class Reading(NamedTuple):
    """A store to read in, with the configuration and the clock that go with it."""

    config: Config
    store: Store
    clock: Clock


@asynccontextmanager
async def reading(place: Place) -> AsyncIterator[Reading]:
    """An existing store for as long as the block runs; no key is needed and nothing is made."""
    import os

    from evergrant.clock import clock_from_environment

    config = place.config
    store = _current(config).open()
    try:
        yield Reading(config, store, clock_from_environment(os.environ))
    finally:
        await store.close()


def read(place: Place, work: Callable[[Tx], T]) -> T:
    """What *work* finds on one consistent snapshot of an existing store."""
    return read_at(place, lambda tx, _: work(tx))


def read_at(place: Place, work: Callable[[Tx, int], T]) -> T:
    """What *work* finds on one consistent snapshot of an existing store, given the time."""

    async def once() -> T:
        async with reading(place) as room:
            now = room.clock.now()
            return await room.store.read(lambda tx: work(tx, now))

    return finished(once)


def change(place: Place, work: Callable[[House], Awaitable[T]], *, make: bool = False) -> T:
    """What *work* did in the open house; *make* a new store where there is none."""
    from evergrant.assembly import opened

    async def once() -> T:
        config = place.config
        if not make or whereabouts(config).exists():
            _current(config)
        async with opened(config) as house:
            return await work(house)

    return finished(once)


def finished(work: Callable[[], Awaitable[T]]) -> T:
    """Run *work* to its end; what a service refuses becomes a sentence and an exit code."""
    import asyncio

    async def whole() -> T:
        return await work()

    with _told():
        return asyncio.run(whole())


def whereabouts(config: Config) -> Whereabouts:
    """Where the store is, or will be; as `evergrant.assembly` has it, but without the rooms that serve requests."""
    from evergrant.store.whereabouts import Whereabouts

    return Whereabouts(config.store.data, config.store.url, config.store.connections)


def existing(config: Config) -> Whereabouts:
    """Where the store is, of an issuer that has one."""
    where = whereabouts(config)
    if not where.exists():
        asked = "name its directory with --data or EVERGRANT_STORE_DATA, or its database with --store"
        raise Failure(
            f"{where.shown if where.url else config.store.data}: there is no issuer here",
            hint=f"{asked}; a new one is made by: evergrant serve",
            code=Exit.NOT_FOUND,
        )
    return where


def _current(config: Config) -> Whereabouts:
    """The same, with the schema of this release."""
    return current(existing(config))


def current(where: Whereabouts) -> Whereabouts:
    """The same store if it has this release's schema: a running server of another must not have it changed."""
    if where.pending():
        raise Failure(
            f"{where.shown}: made by an earlier release",
            hint="stop its server, make a copy, and bring it up to this release with: evergrant migrate",
            code=Exit.CONFLICT,
        )
    return where


@contextmanager
def _told() -> Iterator[None]:
    """Tell what a service refused: its own sentence, and the exit code of its kind."""
    try:
        yield
    except (LookupError, ValueError) as error:
        told = _refusal(error)
        if told is None:
            raise
        raise told from error


def _refusal(error: Exception) -> Failure | None:
    # Imported only now: a verb that reads has no use for the services, and should not wait for them.
    from evergrant.domain.account import BadName
    from evergrant.issuer.passwords import PasswordTooWeak
    from evergrant.issuer.service.accounts import NameTaken, NoSuchAccount
    from evergrant.issuer.service.clients import BadRegistration, ClientNameTaken, NoSuchClient
    from evergrant.issuer.service.streams import NoSuchStream

    match error:
        case NoSuchAccount():
            return Failure(str(error), hint="see all of them with: evergrant user list", code=Exit.NOT_FOUND)
        case NoSuchClient():
            return Failure(str(error), hint="see all of them with: evergrant client list", code=Exit.NOT_FOUND)
        case NoSuchStream():
            return Failure(str(error), hint="see all of them with: evergrant stream list", code=Exit.NOT_FOUND)
        case NameTaken() | ClientNameTaken():
            return Failure(str(error), code=Exit.CONFLICT)
        case BadRegistration():
            return Failure("\n".join(error.problems))
        case BadName() | PasswordTooWeak():
            return Failure(lowered(str(error)))
    return None
