"""A vault in a file as a whole, for moving it, backing it up and filling it."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from evergrant.clock import Clock
from evergrant.keeper.vault.sqlite.asking import Asking
from evergrant.keeper.vault.sqlite.bulk import VaultBulk
from evergrant.keeper.vault.sqlite.tables import Tables
from evergrant.keeper.vault.sqlite.vault import SqliteVault, vault_steps
from evergrant.store.sqlite import alone, migrate

T = TypeVar("T")


class WholeFile:
    """See `evergrant.store.bulk.Whole`; what work is given is `Tables`. Raises `VaultUnavailable`."""

    def __init__(self, vault: SqliteVault) -> None:
        self._vault = vault

    @classmethod
    def open(cls, path: Path, clock: Clock | None = None) -> "WholeFile":
        """Open the file, making or migrating it as needed. Raises `VaultUnusable`."""
        return cls(SqliteVault.open(path, clock))

    async def read(self, work: Callable[[Tables], T]) -> T:
        return await self._vault.read(work)

    async def write(self, work: Callable[[Tables], T]) -> T:
        return await self._vault.write(work)

    async def close(self) -> None:
        await self._vault.close()


def pending(path: Path) -> list[str]:
    """What opening it would change, by name. Raises `StoreUnusable`."""
    return migrate.pending(path, vault_steps())


def in_use(path: Path) -> bool:
    """Whether anybody else has the file open. Raises `StoreUnusable`."""
    return alone.in_use(path)


def reopen(path: Path) -> None:
    """Give a vault back what was left for another one. Raises `StoreUnusable`, also when it was not left."""
    alone.reopen(path, lambda connection: VaultBulk(connection, Asking(connection, None)))
