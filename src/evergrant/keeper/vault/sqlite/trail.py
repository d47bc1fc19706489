"""The audit trail in SQL: appended to, read, and shortened from its beginning; never changed."""

from collections.abc import Sequence

from evergrant.keeper.event import Event, Stored
from evergrant.keeper.vault.chain import chained, over
from evergrant.keeper.vault.port import TrailEnds
from evergrant.keeper.vault.rows import decode
from evergrant.keeper.vault.sqlite.asking import Asking, encode


class Trail:
    """The tables `event` and `trail` through one connection."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def ends(self) -> TrailEnds:
        return TrailEnds(*self._ask.rows("SELECT swept, swept_chain, last, last_chain FROM trail")[0])

    def add(self, events: Sequence[Event]) -> None:
        if not events:
            return
        ends = self.ends()
        stored = chained(ends.last_chain, ends.last, events)
        self._ask.run_many(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)",
            [(s.number, s.event.at, s.event.tenant, s.event.connection_id, s.chain, encode(s.event)) for s in stored],
        )
        self._ask.run("UPDATE trail SET last = ?, last_chain = ?", (stored[-1].number, stored[-1].chain))

    def find(self, tenant: str, connection_id: str, after: int, limit: int) -> list[Stored]:
        parts, values = ["number > ?"], [after]
        wanted = {"tenant": tenant, "connection_id": connection_id}
        given = {name: value for name, value in wanted.items() if value}
        parts += [f"{name} = ? AND {name} <> ''" for name in given]
        sql = f"SELECT number, document, chain FROM event WHERE {' AND '.join(parts)} ORDER BY number LIMIT ?"  # noqa: S608
        found = self._ask.rows(sql, (*values, *given.values(), limit))
        return [Stored(row[0], decode(row[1], Event), row[2]) for row in found]

    def forget(self, before: int, limit: int) -> int:
        """Of the *limit* oldest events, drop those up to the first that was told at or after an instant; how many."""
        oldest = self._ask.rows("SELECT number, at, chain FROM event ORDER BY number LIMIT ?", (limit,))
        gone = over(oldest, before)
        if gone:
            number, _, chain = oldest[gone - 1]
            self._ask.run("DELETE FROM event WHERE number <= ?", (number,))
            self._ask.run("UPDATE trail SET swept = ?, swept_chain = ?", (number, chain))
        return gone
