"""A vault in a database as a whole, for moving it, backing it up and filling it.

One transaction on a session of its own, for as long as it takes; nothing is tried twice.
"""

from asyncio import get_running_loop
from collections.abc import Callable
from typing import Final, TypeVar

import psycopg

from evergrant.clock import Clock
from evergrant.keeper.vault.port import VaultUnavailable, VaultUnusable
from evergrant.keeper.vault.postgres.asking import Asking
from evergrant.keeper.vault.postgres.bulk import SCHEMA, VaultBulk
from evergrant.keeper.vault.postgres.leaving import Leaving
from evergrant.keeper.vault.postgres.tables import Tables
from evergrant.keeper.vault.postgres.transactions import ROOM, trouble
from evergrant.keeper.vault.postgres.vault import NAME
from evergrant.store.port import StoreUnusable
from evergrant.store.postgres import alone, migrate
from evergrant.store.postgres.asking import Asking as Plain
from evergrant.store.postgres.connection import (
    Address,
    Connection,
    address,
    committing,
    connect,
)

T = TypeVar("T")
# A move waits for refreshes to end, and for the other side: no limit of the server's may break it off.
_SETTINGS: Final = (
    f"SELECT set_config('search_path', '{SCHEMA}', true), set_config('statement_timeout', '0', true),"
    " set_config('lock_timeout', '10s', true), set_config('idle_in_transaction_session_timeout', '0', true)"
)
_WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class WholeTables(Tables):
    """The rooms of the vault, and its tables as plain rows."""

    def __init__(self, connection: Connection, place: Address, clock: Clock | None) -> None:
        super().__init__(Asking(connection, clock))
        self.bulk = VaultBulk(Plain(connection), place, self.leaving)


class WholeDatabase:
    """See `evergrant.store.bulk.Whole`; what work is given is `WholeTables`.

    Raises `VaultUnavailable`, and `OutcomeUnknown` when nobody knows whether it was committed.
    """

    def __init__(self, place: Address, clock: Clock | None) -> None:
        self._place, self._clock = place, clock

    @classmethod
    def open(cls, url: str, clock: Clock | None = None) -> "WholeDatabase":
        """Make or migrate the vault's tables as needed. Raises `VaultUnusable`."""
        try:
            place = address(url, NAME)
            migrate.migrate(place, ROOM)
        except StoreUnusable as error:
            raise VaultUnusable(str(error)) from error
        return cls(place, clock)

    async def read(self, work: Callable[[WholeTables], T]) -> T:
        return await get_running_loop().run_in_executor(None, self._do, _READ, work)

    async def write(self, work: Callable[[WholeTables], T]) -> T:
        return await get_running_loop().run_in_executor(None, self._do, _WRITE, work)

    def _do(self, begin: str, work: Callable[[WholeTables], T]) -> T:
        try:
            connection = connect(self._place)
        except StoreUnusable as error:
            raise VaultUnavailable(str(error)) from error
        try:
            connection.execute(begin.encode())
            connection.execute(_SETTINGS.encode())
            result = work(WholeTables(connection, self._place, self._clock))
            with committing(self._place, connection):
                connection.execute("COMMIT")
        except psycopg.Error as error:
            raise trouble(self._place, error) from error
        finally:
            connection.close()  # what was not committed is undone
        return result

    async def close(self) -> None:
        """Nothing is open between two transactions."""


def pending(url: str) -> list[str]:
    """What opening it would change, by name. Raises `StoreUnusable`."""
    return migrate.pending(address(url), ROOM)


def in_use(url: str) -> bool:
    """Whether any other session of a keeper is connected. Raises `StoreUnusable`, `StoreUnavailable`."""
    return alone.in_use(address(url, NAME))


def reopen(url: str) -> None:
    """Give a vault back what was left for another one. Raises `StoreUnusable`, also when it was not left."""
    place = address(url)
    alone.reopen(place, lambda plain: VaultBulk(plain, place, Leaving(Asking(plain.connection, None))))
