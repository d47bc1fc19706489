"""Looking for connections in SQL, asked alike in every vault: by what is due, by what is to be done, by their columns.

What lives here: questions over many connections. What must not: what is asked of one connection, which each vault does
in its own number of journeys; a write; a driver.
"""

from typing import Final, LiteralString, Protocol

from evergrant.keeper.connection import Connection, Health
from evergrant.keeper.vault.port import Wanted
from evergrant.keeper.vault.rows import Row, decode

_HOLDERS: Final = (
    "SELECT c.tenant, c.id, r.name FROM record r JOIN connection c ON c.id = r.connection_id"
    " WHERE r.fingerprint = %s AND r.fingerprint <> '' ORDER BY c.id, r.name"
)
_REVOKING: Final = (
    "SELECT tenant, id FROM connection WHERE health = %s AND retry_at <= %s ORDER BY retry_at, id LIMIT %s"
)
_COLUMNS: Final[dict[str, LiteralString]] = {
    "client": "client = %s", "provider": "provider = %s", "account": "account = %s", "user": "user_ = %s",
    "health": "health = %s",
}  # fmt: skip
_TAGGED: Final[LiteralString] = "id IN (SELECT connection_id FROM tag WHERE name = %s AND value = %s)"


class Asks(Protocol):
    """What asks one database."""

    def rows(self, sql: LiteralString, values: Row = ()) -> list[Row]: ...

    def now(self) -> float: ...


class Looking:
    """The tables `connection`, `tag` and `record`, read.

    *due* is the vault's own question for what falls due, *mark* what stands for a value in its statements.
    """

    def __init__(self, ask: Asks, due: LiteralString, mark: LiteralString = "%s") -> None:
        self._asks, self._due, self._mark = ask, due, mark

    def _rows(self, sql: LiteralString, values: Row = ()) -> list[Row]:
        return self._asks.rows(sql.replace("%s", self._mark), values)

    def search(self, wanted: Wanted, after: str, limit: int) -> list[Connection]:
        given = {part: str(value) for name, part in _COLUMNS.items() if (value := getattr(wanted, name))}
        tags = [text for tag in wanted.tags.items() for text in tag]
        parts: list[LiteralString] = ["tenant = %s", "id > %s", *given, *[_TAGGED] * len(wanted.tags)]
        sql: LiteralString = f"SELECT document FROM connection WHERE {' AND '.join(parts)} ORDER BY id LIMIT %s"  # noqa: S608 - own names
        rows = self._rows(sql, (wanted.tenant, after, *given.values(), *tags, limit))
        return [decode(row[0], Connection) for row in rows]

    def due(self, before: int, limit: int) -> list[tuple[str, str, str]]:
        return [(row[0], row[1], row[2]) for row in self._rows(self._due, (before, int(self._asks.now()), limit))]

    def holders(self, fingerprint: str) -> list[tuple[str, str, str]]:
        return [(row[0], row[1], row[2]) for row in self._rows(_HOLDERS, (fingerprint,))]

    def revoking(self, before: int, limit: int) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self._rows(_REVOKING, (Health.REVOKING.value, before, limit))]

    def counts(self) -> dict[Health, int]:
        return {Health(row[0]): row[1] for row in self._rows("SELECT health, count(*) FROM connection GROUP BY 1")}
