"""Whole vaults on the command line: named by a file, its directory or an address; opened and watched.

What moves, backs up and restores is `evergrant.keeper.moving`; what a command says is in its own file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from evergrant.cli.output import Exit, Failure
from evergrant.cli.whole import SCHEMES
from evergrant.keeping.places import FILE, vault_path

if TYPE_CHECKING:
    from evergrant.config import Config
    from evergrant.keeper.moving import WholeVault

SHOWN: Final = {"connection": "connections", "record": "records", "letter": "letters", "event": "events"}


class Place(NamedTuple):
    """Where a vault is: *url* is empty for the file *path*."""

    path: Path
    url: str = ""

    @property
    def shown(self) -> str:
        """For people: the file, or the address without its password. Raises `VaultUnusable`."""
        if not self.url:
            return str(self.path)
        from evergrant.keeper.vault.postgres import shown

        return shown(self.url)

    def exists(self) -> bool:
        """Whether there is a vault. Raises `VaultUnusable`."""
        if not self.url:
            return self.path.exists()
        from evergrant.keeper.vault.postgres import is_there

        return is_there(self.url)

    def pending(self) -> list[str]:
        """What opening it would change, by name. Raises `StoreUnusable`."""
        if not self.url:
            from evergrant.keeper.vault.sqlite import whole as file

            return file.pending(self.path)
        from evergrant.keeper.vault.postgres import whole as database

        return database.pending(self.url)

    def in_use(self) -> bool:
        """Whether a keeper has it open. Raises `StoreUnusable`, `StoreUnavailable`."""
        if not self.url:
            from evergrant.keeper.vault.sqlite import whole as file

            return self.path.exists() and file.in_use(self.path)
        from evergrant.keeper.vault.postgres import whole as database

        return database.in_use(self.url)

    def reopen(self) -> None:
        """Give it back what was left for another one. Raises `StoreUnusable`, also when it was not left."""
        if not self.url:
            from evergrant.keeper.vault.sqlite import whole as file

            return file.reopen(self.path)
        from evergrant.keeper.vault.postgres import whole as database

        return database.reopen(self.url)

    def open(self) -> WholeVault:
        """Open it, made where there is none. Raises `VaultUnusable`."""
        import os

        from evergrant.clock import clock_from_environment

        asked = clock_from_environment(os.environ)
        clock = asked if asked.simulated else None  # a vault's own is the one that hosts agree on
        if not self.url:
            from evergrant.keeper.vault.sqlite.whole import WholeFile

            return WholeFile.open(self.path, clock)
        from evergrant.keeper.vault.postgres.whole import WholeDatabase

        return WholeDatabase.open(self.url, clock)


def named(text: str) -> Place:
    """What somebody wrote to name a vault: its file, the directory it is in, or a postgresql:// address.

    A new place is a directory when its name has no ending.
    """
    if text.startswith(SCHEMES):
        return Place(Path(), text)
    path = Path(text)
    return Place(path / FILE if path.is_dir() or not (path.exists() or path.suffix) else path)


def configured(config: Config) -> Place:
    """The vault of a configuration."""
    return Place(vault_path(config), config.keeper.vault_url)


def there(place: Place) -> Place:
    """The same, when there is a vault and it is of this release: a running keeper of another must not have it changed.

    Raises `Failure`.
    """
    if not place.exists():
        raise Failure(f"{place.shown}: there is no vault here", code=Exit.NOT_FOUND)
    if place.pending():
        raise Failure(
            f"{place.shown}: made by an earlier release",
            hint="stop its keepers, make a copy, and let this release open it once: evergrant keeper list",
            code=Exit.CONFLICT,
        )
    return place


@contextmanager
def trouble() -> Iterator[None]:
    """Tell what kept a vault from being moved in its own words."""
    from evergrant.keeper.vault.port import VaultUnavailable

    try:
        yield
    except VaultUnavailable as error:
        raise Failure(str(error), hint="nothing has moved; try again", code=Exit.STORE_UNAVAILABLE) from error


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[WholeVault]:
    """The vault for as long as the block runs. Raises `VaultUnusable`, `Failure`."""
    if not place.url:
        try:
            place.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Failure(
                f"{place.path.parent}: the directory cannot be made: {error.strerror}", code=Exit.STORE_UNAVAILABLE
            ) from error
    vault = place.open()
    try:
        yield vault
    finally:
        await vault.close()
