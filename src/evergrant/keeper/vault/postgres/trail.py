"""The audit trail in SQL: told in the transaction of what it tells of, chained after it, shortened from its beginning.

A chain has one end, and whoever appends to it holds that end until the commit. Were that done where events are told,
every commit of every host would wait for the one before. So an event is first only told, beside its connection, and
moved on to the chain within the second by whichever process comes first, and always before anybody reads the trail.
"""

from collections.abc import Sequence
from typing import Final, LiteralString

from evergrant.keeper.event import Event, Stored
from evergrant.keeper.vault.chain import chained, over
from evergrant.keeper.vault.port import TrailEnds
from evergrant.keeper.vault.postgres.asking import Asking, encode
from evergrant.keeper.vault.rows import Row, decode

_ENDS: Final = "SELECT swept, swept_chain, last, last_chain FROM trail"
_TAKE: Final = (
    "DELETE FROM told WHERE number IN (SELECT number FROM told ORDER BY number LIMIT %s) RETURNING number, document"
)
_FIND: Final[LiteralString] = (
    "SELECT number, document, chain FROM event WHERE number > %s AND (%s = '' OR (tenant = %s AND tenant <> ''))"
    " AND (%s = '' OR (connection_id = %s AND connection_id <> '')) ORDER BY number LIMIT %s"
)


class Trail:
    """The tables `told`, `event` and `trail` in one transaction."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def ends(self) -> TrailEnds:
        return TrailEnds(*self._ask.rows(_ENDS)[0])

    def add(self, events: Sequence[Event]) -> None:
        for event in events:
            self._ask.run(
                "INSERT INTO told (connection_id, document) VALUES (%s, %s)", (event.connection_id, encode(event))
            )

    def untold(self) -> bool:
        """Whether anything waits to be chained."""
        return bool(self._ask.rows("SELECT 1 FROM told LIMIT 1"))

    def chain(self, limit: int, *, wait: bool = True) -> int:
        """Move at most *limit* events on to the chain; how many. Without *wait*: none while somebody else is at it."""
        locked = self._ask.rows(f"{_ENDS} FOR UPDATE{'' if wait else ' SKIP LOCKED'}")
        if not locked:
            return 0
        ends = TrailEnds(*locked[0])
        told = sorted(self._spread(limit) if self._ask.distributed else self._ask.rows(_TAKE, (limit,)))
        stored = chained(ends.last_chain, ends.last, [decode(row[1], Event) for row in told])
        for each in stored:
            event = each.event
            self._ask.run(
                "INSERT INTO event VALUES (%s, %s, %s, %s, %s, %s)",
                (each.number, event.at, event.tenant, event.connection_id, each.chain, encode(event)),
            )
        if stored:
            self._ask.run("UPDATE trail SET last = %s, last_chain = %s", (stored[-1].number, stored[-1].chain))
        return len(stored)

    def _spread(self, limit: int) -> list[Row]:
        """What `_TAKE` takes, from all shards, and taken away on each by its own key: nobody else is at it."""
        found = self._ask.rows("SELECT number, document, connection_id FROM told ORDER BY number LIMIT %s", (limit,))
        for number, _, connection_id in found:
            self._ask.run("DELETE FROM told WHERE connection_id = %s AND number = %s", (connection_id, number))
        return [row[:2] for row in found]

    def find(self, tenant: str, connection_id: str, after: int, limit: int) -> list[Stored]:
        values = (after, tenant, tenant, connection_id, connection_id, limit)
        return [Stored(row[0], decode(row[1], Event), row[2]) for row in self._ask.rows(_FIND, values)]

    def forget(self, before: int, limit: int) -> int:
        """Of the *limit* oldest events, drop those up to the first that was told at or after an instant; how many."""
        if not self._ask.rows("SELECT 1 FROM trail FOR UPDATE SKIP LOCKED"):
            return 0
        oldest = self._ask.rows("SELECT number, at, chain FROM event ORDER BY number LIMIT %s", (limit,))
        gone = over(oldest, before)
        if gone:
            number, _, chain = oldest[gone - 1]
            self._ask.run("DELETE FROM event WHERE number <= %s", (number,))
            self._ask.run("UPDATE trail SET swept = %s, swept_chain = %s", (number, chain))
        return gone
