"""Finding connections in SQL: by name, by what is due, by what is to be done about them. Nothing here writes."""

from typing import Final

from evergrant.keeper.connection import Connection
from evergrant.keeper.vault import rows
from evergrant.keeper.vault.looking import Looking
from evergrant.keeper.vault.port import Found
from evergrant.keeper.vault.sqlite.asking import Asking
from evergrant.keeper.vault.sqlite.spending import Spending

_RECORDS: Final = f"SELECT {rows.RECORD} FROM record WHERE connection_id = ? ORDER BY name"  # noqa: S608 - own names
# CROSS keeps the order: by the index of what can fall due. The planner would go over every connection.
_DUE: Final = (
    "SELECT tenant, id, name FROM record CROSS JOIN connection ON id = connection_id"
    " WHERE due_at > 0 AND asleep = 0 AND due_at < %s AND retry_at <= %s"
    " ORDER BY due_at, connection_id, name LIMIT %s"
)


class Finding(Looking):
    """The tables `connection`, `tag` and `record` through one connection."""

    def __init__(self, ask: Asking, spending: Spending) -> None:
        super().__init__(ask, _DUE, "?")
        self._ask, self._spending = ask, spending

    def load(self, tenant: str, connection_id: str) -> Found | None:
        found = self._ask.row("SELECT document FROM connection WHERE id = ? AND tenant = ?", (connection_id, tenant))
        return self._found(found) if found else None

    def look_up(self, tenant: str, client: str, account: str) -> Found | None:
        found = self._ask.row(
            "SELECT document FROM connection WHERE tenant = ? AND client = ? AND account = ?", (tenant, client, account)
        )
        return self._found(found) if found else None

    def _found(self, row: rows.Row) -> Found:
        connection = rows.decode(row[0], Connection)
        records = self._ask.rows(_RECORDS, (connection.id,))
        held, intents = self._spending.claims(connection.id), self._spending.intents(connection.id)
        return rows.found(connection, records, intents, held, self._ask.now())
