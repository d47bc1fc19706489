"""The vault's tables as plain rows, for moving all of it."""

from evergrant.keeper.vault.layout import FENCE, VAULT
from evergrant.keeper.vault.sqlite.asking import Asking
from evergrant.keeper.vault.sqlite.leaving import Leaving
from evergrant.store.bulk import Busy
from evergrant.store.sqlite.bulk import SqliteBulk
from evergrant.store.sqlite.connection import Connection


class VaultBulk(SqliteBulk):
    """See `evergrant.store.bulk.Bulk`."""

    def __init__(self, connection: Connection, ask: Asking) -> None:
        super().__init__(connection, VAULT)
        self._ask = ask

    def clear(self) -> None:
        super().clear()
        self._ask.run("UPDATE moving SET until = 0 WHERE id = 1")

    def numbers(self) -> dict[str, int]:
        return {FENCE: int(self._ask.rows("SELECT value FROM counter WHERE name = ?", (FENCE,))[0][0])}

    def number_after(self, name: str, number: int) -> None:
        self._ask.run("UPDATE counter SET value = ? WHERE name = ?", (number, name))

    def refuse_busy(self) -> None:
        if Leaving(self._ask).under_way():
            raise Busy
