"""Finding connections in SQL: by name, by what is due, by what is to be done about them. Nothing here writes."""

from typing import Final

from evergrant.keeper.connection import Connection
from evergrant.keeper.vault import rows
from evergrant.keeper.vault.looking import Looking
from evergrant.keeper.vault.port import Found
from evergrant.keeper.vault.postgres.asking import Asking
from evergrant.keeper.vault.postgres.spending import Spending

_RECORDS: Final = f"SELECT {rows.RECORD} FROM record WHERE connection_id = %s ORDER BY name"  # noqa: S608 - own names
_BY_PLACE: Final = "SELECT connection_id FROM place WHERE tenant = %s AND client = %s AND account = %s"
_DUE: Final = (
    "SELECT c.tenant, c.id, r.name FROM record r JOIN connection c ON c.id = r.connection_id"
    " WHERE r.due_at > 0 AND NOT r.asleep AND r.due_at < %s AND c.retry_at <= %s"
    " ORDER BY r.due_at, r.connection_id, r.name LIMIT %s"
)


class Finding(Looking):
    """The tables `connection`, `place`, `tag` and `record` in one transaction that only reads."""

    def __init__(self, ask: Asking, spending: Spending) -> None:
        super().__init__(ask, _DUE)
        self._ask, self._spending = ask, spending

    def load(self, tenant: str, connection_id: str) -> Found | None:
        """One journey: all that is asked travels together."""
        asked = self._ask.send("SELECT document FROM connection WHERE id = %s AND tenant = %s", (connection_id, tenant))
        records = self._ask.send(_RECORDS, (connection_id,))
        claims, intents = self._spending.ask_claims(connection_id), self._spending.ask_intents(connection_id)
        clock = self._ask.ask_time()
        found = self._ask.read(asked)
        if not found:
            return None
        kept, held, noted = self._ask.read(records), self._spending.claims(claims), self._spending.intents(intents)
        return rows.found(rows.decode(found[0][0], Connection), kept, noted, held, self._ask.time(clock))

    def look_up(self, tenant: str, client: str, account: str) -> Found | None:
        found = self._ask.row(_BY_PLACE, (tenant, client, account))
        return self.load(tenant, found[0]) if found else None
