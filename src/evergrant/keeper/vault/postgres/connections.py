"""Connections and their records in SQL: how they are changed."""

from collections.abc import Sequence
from typing import Final, LiteralString

from evergrant.keeper.connection import Connection, Health
from evergrant.keeper.event import Event
from evergrant.keeper.vault import comparing, rows
from evergrant.keeper.vault.port import Change, Fenced, Taken
from evergrant.keeper.vault.postgres.asking import ROWS, Asking, Sent, writable
from evergrant.keeper.vault.postgres.outgoing import Outgoing
from evergrant.keeper.vault.postgres.spending import LOCK, Spending
from evergrant.keeper.vault.postgres.trail import Trail

_ADD: Final = (
    "INSERT INTO connection (tenant, client, provider, account, user_, health, version, retry_at, tags, document, id)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1"
)
_CHANGE: Final = (
    "UPDATE connection SET tenant = %s, client = %s, provider = %s, account = %s, user_ = %s, health = %s,"
    " version = %s, retry_at = %s, tags = %s, document = %s WHERE id = %s"
)
_PLACE: Final = (
    "INSERT INTO place (tenant, client, account, connection_id) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT DO NOTHING RETURNING 1"
)
_LEAVE: Final = "DELETE FROM place WHERE tenant = %s AND client = %s AND account = %s"
_PUT_RECORD: Final = (
    "INSERT INTO record AS held (connection_id, name, version, due_at, asleep, used_at, previous_until, fingerprint,"
    " access_token, refresh_token, previous, document) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (connection_id, name) DO UPDATE SET version = excluded.version, due_at = excluded.due_at,"
    " asleep = excluded.asleep, used_at = greatest(held.used_at, excluded.used_at),"
    " previous_until = excluded.previous_until, fingerprint = excluded.fingerprint,"
    " access_token = excluded.access_token, refresh_token = excluded.refresh_token, previous = excluded.previous,"
    " document = excluded.document"
)
_PARTS: Final[tuple[LiteralString, ...]] = (
    "DELETE FROM tag WHERE connection_id = %s",
    "DELETE FROM record WHERE connection_id = %s",
    "DELETE FROM claim WHERE connection_id = %s",
    "DELETE FROM intent WHERE connection_id = %s",
    "DELETE FROM pending WHERE connection_id = %s",
    "DELETE FROM connection WHERE id = %s",
)
_ABANDONED: Final[LiteralString] = (
    "SELECT document, id FROM connection c WHERE health = %s AND version = 0"
    " AND NOT EXISTS (SELECT 1 FROM pending WHERE connection_id = c.id)"
    " AND NOT EXISTS (SELECT 1 FROM record WHERE connection_id = c.id)"
    " AND NOT EXISTS (SELECT 1 FROM intent WHERE connection_id = c.id AND step <> 'closed')"
)
_SOME: Final[LiteralString] = " ORDER BY id LIMIT %s"
_OVER: Final[LiteralString] = (
    "SELECT connection_id, name FROM record WHERE previous_until > 0 AND previous_until < %s AND previous <> ''"
    " ORDER BY previous_until, connection_id, name LIMIT %s"
)
_FORGET: Final[LiteralString] = "UPDATE record SET previous = '', previous_until = 0 WHERE (connection_id, name)"


class Connections:
    """The tables `connection`, `place`, `tag` and `record` in one transaction."""

    def __init__(self, ask: Asking, spending: Spending, trail: Trail, outgoing: Outgoing) -> None:
        self._ask, self._spending, self._trail, self._outgoing = ask, spending, trail, outgoing

    def add(self, connection: Connection, events: Sequence[Event]) -> None:
        added = self._ask.send(_ADD, ROWS.connection(connection))
        placed = self._ask.send(_PLACE, _place(connection))
        if not self._ask.read(added):
            msg = f"there is a connection {connection.id} already"
            raise Taken(msg)
        if not self._ask.read(placed):
            raise rows.taken(connection)
        self._tag(connection)
        self._trail.add(events)

    def change(self, change: Change) -> None:
        connection = change.connection
        locked = self._ask.send(LOCK, (connection.id,))
        claimed = self._spending.ask_held(change.claim) if change.claim is not None else None
        asked = self._spending.ask_noted(change.intent) if change.intent is not None else None
        health, tags, *place = self._compared(connection, change.expected, locked)
        held = None
        if change.claim is not None and claimed is not None:
            held = self._spending.held(change.claim, claimed)
        if asked is not None:
            self._spending.refuse(change, *asked)
        if _place(connection)[1:3] != tuple(place):
            self._move(connection, place)
        self._ask.run(_CHANGE, ROWS.connection(connection))
        if tags != rows.tags(connection):
            self._ask.run("DELETE FROM tag WHERE connection_id = %s", (connection.id,))
            self._tag(connection)
        asleep = connection.health not in comparing.REFRESHED
        if asleep is not (health not in comparing.REFRESHED):
            self._ask.run("UPDATE record SET asleep = %s WHERE connection_id = %s", (asleep, connection.id))
        for record in change.records:
            self._ask.run(_PUT_RECORD, ROWS.record(record, asleep=asleep))
        self._spending.note(change)
        if change.claim is not None and held is not None and change.release:
            self._spending.give_up(change.claim, held)
        self._trail.add(change.events)
        self._outgoing.put(change.letters)

    def _compared(self, connection: Connection, expected: int, locked: Sent) -> tuple[str, ...]:
        """The stored health, tags, client and account. Raises `Missing`, `Fenced`."""
        found = self._ask.read(locked)
        if not found or found[0][3] != connection.tenant:
            raise rows.missing(connection.id)
        version, health, tags, _, client, account = found[0]
        if version != expected:
            msg = f"connection {connection.id} has moved on"
            raise Fenced(msg)
        return health, tags, client, account

    def _move(self, connection: Connection, place: Sequence[str]) -> None:
        if not self._ask.rows(_PLACE, _place(connection)):
            raise rows.taken(connection)
        self._ask.run(_LEAVE, (connection.tenant, *place))

    def remove(self, tenant: str, connection_id: str, events: Sequence[Event]) -> None:
        found = self._ask.rows(
            "SELECT client, account FROM connection WHERE id = %s AND tenant = %s FOR UPDATE", (connection_id, tenant)
        )
        if not found:
            raise rows.missing(connection_id)
        self._ask.run(_LEAVE, (tenant, *found[0]))
        for part in _PARTS:
            self._ask.run(part, (connection_id,))
        self._trail.add(events)

    def touch(self, connection_id: str, name: str, used_at: int) -> None:
        self._ask.run(
            "UPDATE record SET used_at = %s WHERE connection_id = %s AND name = %s AND used_at < %s",
            (used_at, connection_id, name, used_at),
        )

    def forget_abandoned(self, before: int, limit: int) -> int:
        """Take away what was begun before *before* and never came to anything; how many."""
        begun = Health.PENDING_CONSENT.value
        if self._ask.distributed:
            found = self._ask.rows(_ABANDONED + _SOME, (begun, limit))
            again = f"{_ABANDONED} AND c.id = %s FOR UPDATE OF c SKIP LOCKED"
            still = [row for _, each in found for row in self._ask.rows(again, (begun, each))]
        else:
            still = self._ask.rows(f"{_ABANDONED}{_SOME} FOR UPDATE OF c SKIP LOCKED", (begun, limit))
        over = [one for one in (rows.decode(row[0], Connection) for row in still) if comparing.abandoned(one, before)]
        for one in over:
            self.remove(one.tenant, one.id, ())
        return len(over)

    def forget_previous(self, now: int, limit: int) -> int:
        """Drop previous tokens whose window is over; how many."""
        if not self._ask.distributed:
            return len(self._ask.rows(f"{_FORGET} IN ({_OVER} FOR UPDATE SKIP LOCKED) RETURNING 1", (now, limit)))
        found = self._ask.rows(_OVER, (now, limit))
        gone = [
            self._ask.send(f"{_FORGET} = (%s, %s) AND previous_until < %s RETURNING 1", (*row, now)) for row in found
        ]
        return sum(len(self._ask.read(sent)) for sent in gone)

    def _tag(self, connection: Connection) -> None:
        for name, value in connection.tags.items():
            self._ask.run(
                "INSERT INTO tag (connection_id, name, value) VALUES (%s, %s, %s)", (connection.id, name, value)
            )


def _place(connection: Connection) -> rows.Row:
    return writable((connection.tenant, connection.client, connection.account, connection.id))
