"""Finding connections in SQL: by name, by what is due, by what is to be done about them. Nothing here writes."""

from dataclasses import replace
from typing import Final, LiteralString

from evergrant.keeper.connection import Claim, Connection, Health, Record
from evergrant.keeper.vault.port import Found, Wanted
from evergrant.keeper.vault.postgres.asking import Asking, Row, decode
from evergrant.keeper.vault.postgres.spending import Spending

_RECORDS: Final = (
    "SELECT document, used_at, previous_until, access_token, refresh_token, previous FROM record"
    " WHERE connection_id = %s ORDER BY name"
)
_BY_PLACE: Final = "SELECT connection_id FROM place WHERE tenant = %s AND client = %s AND account = %s"
_TAGGED: Final[LiteralString] = "id IN (SELECT connection_id FROM tag WHERE name = %s AND value = %s)"


class Finding:
    """The tables `connection`, `place`, `tag` and `record` in one transaction that only reads."""

    def __init__(self, ask: Asking, spending: Spending) -> None:
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
        kept = [_record(row) for row in self._ask.read(records)]
        held = self._spending.claims(claims)
        noted = self._spending.intents(intents)
        now = self._ask.time(clock)
        return Found(
            decode(found[0][0], Connection),
            {record.name: record for record in kept},
            {intent.name: intent for intent in noted},
            {name: Claim(connection_id, name, one.owner, one.fence, one.until) for name, one in held if one.live(now)},
        )

    def look_up(self, tenant: str, client: str, account: str) -> Found | None:
        found = self._ask.row(_BY_PLACE, (tenant, client, account))
        return self.load(tenant, found[0]) if found else None

    def search(self, wanted: Wanted, after: str, limit: int) -> list[Connection]:
        columns: dict[LiteralString, str] = {
            "client = %s": wanted.client, "provider = %s": wanted.provider, "account = %s": wanted.account,
            "user_ = %s": wanted.user, "health = %s": str(wanted.health),
        }  # fmt: skip
        given = {part: value for part, value in columns.items() if value}
        tags = [text for tag in wanted.tags.items() for text in tag]
        parts: list[LiteralString] = ["tenant = %s", "id > %s", *given, *[_TAGGED] * len(wanted.tags)]
        sql: LiteralString = f"SELECT document FROM connection WHERE {' AND '.join(parts)} ORDER BY id LIMIT %s"  # noqa: S608 - own names
        values = (wanted.tenant, after, *given.values(), *tags, limit)
        return [decode(row[0], Connection) for row in self._ask.rows(sql, values)]

    def due(self, before: int, limit: int) -> list[tuple[str, str, str]]:
        found = self._ask.rows(
            "SELECT c.tenant, c.id, r.name FROM record r JOIN connection c ON c.id = r.connection_id"
            " WHERE r.due_at > 0 AND NOT r.asleep AND r.due_at < %s AND c.retry_at <= %s"
            " ORDER BY r.due_at, r.connection_id, r.name LIMIT %s",
            (before, int(self._ask.now()), limit),
        )
        return [(row[0], row[1], row[2]) for row in found]

    def holders(self, fingerprint: str) -> list[tuple[str, str, str]]:
        found = self._ask.rows(
            "SELECT c.tenant, c.id, r.name FROM record r JOIN connection c ON c.id = r.connection_id"
            " WHERE r.fingerprint = %s AND r.fingerprint <> '' ORDER BY c.id, r.name",
            (fingerprint,),
        )
        return [(row[0], row[1], row[2]) for row in found]

    def revoking(self, before: int, limit: int) -> list[tuple[str, str]]:
        found = self._ask.rows(
            "SELECT tenant, id FROM connection WHERE health = %s AND retry_at <= %s ORDER BY retry_at, id LIMIT %s",
            (Health.REVOKING.value, before, limit),
        )
        return [(row[0], row[1]) for row in found]

    def counts(self) -> dict[Health, int]:
        return {Health(row[0]): row[1] for row in self._ask.rows("SELECT health, count(*) FROM connection GROUP BY 1")}


def _record(row: Row) -> Record:
    document, used_at, previous_until, access_token, refresh_token, previous = row
    return replace(
        decode(document, Record), used_at=used_at, previous_until=previous_until, access_token=access_token,
        refresh_token=refresh_token, previous=previous,
    )  # fmt: skip
