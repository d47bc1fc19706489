"""Connections and their records in SQL: how they are changed."""

from collections.abc import Sequence
from typing import Final

import apsw

from evergrant.keeper.connection import Connection, Health
from evergrant.keeper.event import Event
from evergrant.keeper.vault import comparing, rows
from evergrant.keeper.vault.port import Change, Fenced, Taken
from evergrant.keeper.vault.sqlite.asking import ROWS, Asking
from evergrant.keeper.vault.sqlite.outgoing import Outgoing
from evergrant.keeper.vault.sqlite.spending import Spending
from evergrant.keeper.vault.sqlite.trail import Trail

_SEALED: Final = "access_token, refresh_token, previous"
_PUT_RECORD: Final = (
    "INSERT INTO record (connection_id, name, version, due_at, asleep, used_at, previous_until, fingerprint,"  # noqa: S608
    f" {_SEALED}, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (connection_id, name) DO UPDATE SET version = excluded.version, due_at = excluded.due_at,"
    " asleep = excluded.asleep, used_at = max(used_at, excluded.used_at), previous_until = excluded.previous_until,"
    " fingerprint = excluded.fingerprint, access_token = excluded.access_token,"
    " refresh_token = excluded.refresh_token, previous = excluded.previous, document = excluded.document"
)
_PARTS: Final = ("tag", "record", "claim", "intent", "pending")


class Connections:
    """The tables `connection`, `tag` and `record` through one connection."""

    def __init__(self, ask: Asking, spending: Spending, trail: Trail, outgoing: Outgoing) -> None:
        self._ask, self._spending, self._trail, self._outgoing = ask, spending, trail, outgoing
        self.shredded = False
        """Whether tokens were taken away that may still lie in the write-ahead log."""

    def add(self, connection: Connection, events: Sequence[Event]) -> None:
        try:
            self._ask.run(
                "INSERT INTO connection (tenant, client, provider, account, user_, health, version, retry_at, tags,"
                " document, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ROWS.connection(connection),
            )
        except apsw.ConstraintError as error:
            if self._ask.row("SELECT 1 FROM connection WHERE id = ?", (connection.id,)):
                msg = f"there is a connection {connection.id} already"
                raise Taken(msg) from error
            raise rows.taken(connection) from error
        self._tag(connection)
        self._trail.add(events)

    def change(self, change: Change) -> None:
        connection = change.connection
        health, tags = self._compared(connection, change.expected)
        if change.claim is not None:
            self._spending.held(change.claim)
        try:
            self._ask.run(
                "UPDATE connection SET tenant = ?, client = ?, provider = ?, account = ?, user_ = ?, health = ?,"
                " version = ?, retry_at = ?, tags = ?, document = ? WHERE id = ?",
                ROWS.connection(connection),
            )
        except apsw.ConstraintError as error:
            raise rows.taken(connection) from error
        if tags != rows.tags(connection):
            self._ask.run("DELETE FROM tag WHERE connection_id = ?", (connection.id,))
            self._tag(connection)
        asleep = connection.health not in comparing.REFRESHED
        if asleep is not (health not in comparing.REFRESHED):
            self._ask.run("UPDATE record SET asleep = ? WHERE connection_id = ?", (asleep, connection.id))
        for record in change.records:
            self._ask.run(_PUT_RECORD, ROWS.record(record, asleep=asleep))
            if not (record.access_token or record.refresh_token):
                self.shredded = True
        self._spending.note(change)
        if change.claim is not None and change.release:
            self._spending.release(change.claim)
        self._trail.add(change.events)
        self._outgoing.put(change.letters)

    def _compared(self, connection: Connection, expected: int) -> tuple[str, str]:
        """The stored health and tags. Raises `Missing`, `Fenced`."""
        found = self._ask.row(
            "SELECT version, health, tags FROM connection WHERE id = ? AND tenant = ?",
            (connection.id, connection.tenant),
        )
        if found is None:
            raise rows.missing(connection.id)
        if found[0] != expected:
            msg = f"connection {connection.id} has moved on"
            raise Fenced(msg)
        return found[1], found[2]

    def remove(self, tenant: str, connection_id: str, events: Sequence[Event]) -> None:
        self._ask.run("DELETE FROM connection WHERE id = ? AND tenant = ?", (connection_id, tenant))
        if not self._ask.changed():
            raise rows.missing(connection_id)
        for table in _PARTS:
            self._ask.run(f"DELETE FROM {table} WHERE connection_id = ?", (connection_id,))  # noqa: S608 - own names
        self._trail.add(events)
        self.shredded = True

    def touch(self, connection_id: str, name: str, used_at: int) -> None:
        self._ask.run(
            "UPDATE record SET used_at = ? WHERE connection_id = ? AND name = ? AND used_at < ?",
            (used_at, connection_id, name, used_at),
        )

    def forget_abandoned(self, before: int, limit: int) -> int:
        """Take away what was begun before *before* and never came to anything; how many."""
        found = self._ask.rows(
            "SELECT document FROM connection WHERE health = ? AND version = 0"
            " AND NOT EXISTS (SELECT 1 FROM pending WHERE connection_id = connection.id)"
            " AND NOT EXISTS (SELECT 1 FROM record WHERE connection_id = connection.id)"
            " AND NOT EXISTS (SELECT 1 FROM intent WHERE connection_id = connection.id AND step <> 'closed')"
            " ORDER BY rowid LIMIT ?",
            (Health.PENDING_CONSENT.value, limit),
        )
        begun = [rows.decode(row[0], Connection) for row in found]
        over = [one for one in begun if comparing.abandoned(one, before)]
        for one in over:
            self.remove(one.tenant, one.id, ())
        return len(over)

    def forget_previous(self, now: int, limit: int) -> int:
        """Drop previous tokens whose window is over; how many."""
        self._ask.run(
            "UPDATE record SET previous = x'', previous_until = 0 WHERE rowid IN"
            " (SELECT rowid FROM record WHERE previous_until > 0 AND previous_until < ? AND previous <> x''"
            " ORDER BY previous_until, connection_id, name LIMIT ?)",
            (now, limit),
        )
        forgotten = self._ask.changed()
        self.shredded = self.shredded or forgotten > 0
        return forgotten

    def _tag(self, connection: Connection) -> None:
        self._ask.run_many(
            "INSERT INTO tag VALUES (?, ?, ?)", [(connection.id, name, tag) for name, tag in connection.tags.items()]
        )
