"""Connections and their records in SQL."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import apsw

from evergrant.keeper.connection import Claim, Connection, Health, Record
from evergrant.keeper.event import Event
from evergrant.keeper.vault import comparing
from evergrant.keeper.vault.port import Change, Fenced, Found, Missing, Taken, Wanted
from evergrant.keeper.vault.sqlite.asking import Asking, Row, decode, encode
from evergrant.keeper.vault.sqlite.outgoing import Outgoing
from evergrant.keeper.vault.sqlite.spending import Spending
from evergrant.keeper.vault.sqlite.trail import Trail

_SEALED: Final = "access_token, refresh_token, previous"
_READ: Final = f"SELECT document, used_at, previous_until, {_SEALED} FROM record"  # noqa: S608 - constants
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

    # ---- reading

    def load(self, tenant: str, connection_id: str) -> Found | None:
        found = self._ask.row("SELECT document FROM connection WHERE id = ? AND tenant = ?", (connection_id, tenant))
        return self._found(found) if found else None

    def look_up(self, tenant: str, client: str, account: str) -> Found | None:
        found = self._ask.row(
            "SELECT document FROM connection WHERE tenant = ? AND client = ? AND account = ?", (tenant, client, account)
        )
        return self._found(found) if found else None

    def _found(self, row: Row) -> Found:
        connection = decode(row[0], Connection)
        records = [
            _record(found)
            for found in self._ask.rows(f"{_READ} WHERE connection_id = ? ORDER BY name", (connection.id,))
        ]
        now = self._ask.now()
        claims = {name: held for name, held in self._spending.claims(connection.id) if held.live(now)}
        return Found(
            connection,
            {record.name: record for record in records},
            {intent.name: intent for intent in self._spending.intents(connection.id)},
            {name: Claim(connection.id, name, held.owner, held.fence, held.until) for name, held in claims.items()},
        )

    def search(self, wanted: Wanted, after: str, limit: int) -> list[Connection]:
        columns = {"client": wanted.client, "provider": wanted.provider, "account": wanted.account,
                   "user_": wanted.user, "health": wanted.health}  # fmt: skip
        given = {name: str(value) for name, value in columns.items() if value}
        parts = ["tenant = ?", "id > ?", *(f"{name} = ?" for name in given)]
        values: list[str | int] = [wanted.tenant, after, *given.values()]
        for tag in wanted.tags.items():
            parts.append("id IN (SELECT connection_id FROM tag WHERE name = ? AND value = ?)")
            values.extend(tag)
        sql = f"SELECT document FROM connection WHERE {' AND '.join(parts)} ORDER BY id LIMIT ?"  # noqa: S608 - own names
        return [decode(row[0], Connection) for row in self._ask.rows(sql, (*values, limit))]

    def due(self, before: int, limit: int) -> list[tuple[str, str, str]]:
        found = self._ask.rows(
            # CROSS keeps the order: by the index of what can fall due. The planner would go over every connection.
            "SELECT tenant, id, name FROM record CROSS JOIN connection ON id = connection_id"
            " WHERE due_at > 0 AND asleep = 0 AND due_at < ? AND retry_at <= ?"
            " ORDER BY due_at, connection_id, name LIMIT ?",
            (before, int(self._ask.now()), limit),
        )
        return [(row[0], row[1], row[2]) for row in found]

    def holders(self, fingerprint: str) -> list[tuple[str, str, str]]:
        found = self._ask.rows(
            "SELECT tenant, id, name FROM record JOIN connection ON id = connection_id"
            " WHERE fingerprint = ? AND fingerprint <> '' ORDER BY id, name",
            (fingerprint,),
        )
        return [(row[0], row[1], row[2]) for row in found]

    def revoking(self, before: int, limit: int) -> list[tuple[str, str]]:
        found = self._ask.rows(
            "SELECT tenant, id FROM connection WHERE health = ? AND retry_at <= ? ORDER BY retry_at, id LIMIT ?",
            (Health.REVOKING.value, before, limit),
        )
        return [(row[0], row[1]) for row in found]

    def counts(self) -> dict[Health, int]:
        return {Health(row[0]): row[1] for row in self._ask.rows("SELECT health, count(*) FROM connection GROUP BY 1")}

    # ---- writing

    def add(self, connection: Connection, events: Sequence[Event]) -> None:
        try:
            self._ask.run(
                "INSERT INTO connection (tenant, client, provider, account, user_, health, version, retry_at, tags,"
                " document, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                _row(connection),
            )
        except apsw.ConstraintError as error:
            if self._ask.row("SELECT 1 FROM connection WHERE id = ?", (connection.id,)):
                msg = f"there is a connection {connection.id} already"
                raise Taken(msg) from error
            raise _taken(connection) from error
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
                _row(connection),
            )
        except apsw.ConstraintError as error:
            raise _taken(connection) from error
        if tags != _tags(connection):
            self._ask.run("DELETE FROM tag WHERE connection_id = ?", (connection.id,))
            self._tag(connection)
        asleep = connection.health not in comparing.REFRESHED
        if asleep is not (health not in comparing.REFRESHED):
            self._ask.run("UPDATE record SET asleep = ? WHERE connection_id = ?", (asleep, connection.id))
        for record in change.records:
            self._ask.run(_PUT_RECORD, _record_row(record, asleep=asleep))
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
            raise _missing(connection.id)
        if found[0] != expected:
            msg = f"connection {connection.id} has moved on"
            raise Fenced(msg)
        return found[1], found[2]

    def remove(self, tenant: str, connection_id: str, events: Sequence[Event]) -> None:
        self._ask.run("DELETE FROM connection WHERE id = ? AND tenant = ?", (connection_id, tenant))
        if not self._ask.changed():
            raise _missing(connection_id)
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
        rows = self._ask.rows(
            "SELECT document FROM connection WHERE health = ? AND version = 0"
            " AND NOT EXISTS (SELECT 1 FROM pending WHERE connection_id = connection.id)"
            " AND NOT EXISTS (SELECT 1 FROM record WHERE connection_id = connection.id)"
            " AND NOT EXISTS (SELECT 1 FROM intent WHERE connection_id = connection.id AND step <> 'closed')"
            " ORDER BY rowid LIMIT ?",
            (Health.PENDING_CONSENT.value, limit),
        )
        begun = [decode(row[0], Connection) for row in rows]
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


def _row(connection: Connection) -> Row:
    return (
        connection.tenant, connection.client, connection.provider, connection.account, connection.user,
        connection.health.value, connection.version, connection.retry_at, _tags(connection), encode(connection),
        connection.id,
    )  # fmt: skip


def _tags(connection: Connection) -> str:
    return encode(sorted(connection.tags.items())).decode()


def _record(row: Row) -> Record:
    document, used_at, previous_until, access_token, refresh_token, previous = row
    return replace(
        decode(document, Record), used_at=used_at, previous_until=previous_until, access_token=access_token,
        refresh_token=refresh_token, previous=previous,
    )  # fmt: skip


def _record_row(record: Record, *, asleep: bool) -> Row:
    document = encode(replace(record, access_token=b"", refresh_token=b"", previous=b""))
    return (
        record.connection_id, record.name, record.version, comparing.due_at(record), asleep,
        record.used_at, record.previous_until, record.fingerprint, record.access_token, record.refresh_token,
        record.previous, document,
    )  # fmt: skip


def _missing(connection_id: str) -> Missing:
    return Missing(f"there is no connection {connection_id}")


def _taken(connection: Connection) -> Taken:
    return Taken(f"{connection.client} has a connection of account {connection.account} already")
