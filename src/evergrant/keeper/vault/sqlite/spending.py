"""Claims and intents in SQL: who may spend, and what is known of a spend."""

from dataclasses import replace

import apsw

from evergrant.keeper.connection import Claim, Intent
from evergrant.keeper.vault import comparing, rows
from evergrant.keeper.vault.comparing import Held
from evergrant.keeper.vault.port import Change, Fenced, Missing, Taken
from evergrant.keeper.vault.sqlite.asking import ROWS, Asking
from evergrant.keeper.vault.sqlite.leaving import Leaving


class Spending:
    """The tables `claim` and `intent` through one connection."""

    def __init__(self, ask: Asking, leaving: Leaving) -> None:
        self._ask, self._leaving = ask, leaving

    # ---- claims

    def claims(self, connection_id: str) -> list[tuple[str, Held]]:
        """Every claim of a connection, live or not, by record name."""
        found = self._ask.rows(
            "SELECT name, owner, fence, until, length FROM claim WHERE connection_id = ? ORDER BY name",
            (connection_id,),
        )
        return [(row[0], Held._make(row[1:])) for row in found]

    def claim(self, connection_id: str, name: str, owner: str, seconds: float) -> Claim | None:
        if self._ask.row("SELECT 1 FROM connection WHERE id = ?", (connection_id,)) is None:
            msg = f"there is no connection {connection_id}"
            raise Missing(msg)
        now, stored = self._ask.now(), self._stored(connection_id, name)
        self._leaving.refuse(now)
        if stored is not None and stored.live(now) and stored.owner != owner:
            capped = comparing.capped(stored, now)
            if capped != stored:
                self._put(connection_id, name, capped)
            return None
        fence = self._ask.rows("UPDATE counter SET value = value + 1 WHERE name = 'fence' RETURNING value")[0][0]
        held = comparing.held(owner, fence, now, seconds)
        self._put(connection_id, name, held)
        return Claim(connection_id, name, owner, held.fence, held.until)

    def renew(self, claim: Claim, seconds: float) -> Claim:
        held = comparing.prolonged(self.held(claim), self._ask.now(), seconds)
        self._put(claim.connection_id, claim.name, held)
        return replace(claim, until=held.until)

    def release(self, claim: Claim) -> None:
        stored = self._stored(claim.connection_id, claim.name)
        if stored is not None and stored.is_of(claim):
            self._put(claim.connection_id, claim.name, comparing.released(stored))

    def held(self, claim: Claim) -> Held:
        """The claim as stored. Raises `Fenced` when it is not ours any more."""
        stored = self._stored(claim.connection_id, claim.name)
        if stored is None or not stored.is_of(claim):
            msg = f"the claim {claim.fence} on {claim.connection_id} is not ours any more"
            raise Fenced(msg)
        return stored

    def _stored(self, connection_id: str, name: str) -> Held | None:
        found = self._ask.row(
            "SELECT owner, fence, until, length FROM claim WHERE connection_id = ? AND name = ?", (connection_id, name)
        )
        return Held._make(found) if found else None

    def _put(self, connection_id: str, name: str, held: Held) -> None:
        self._ask.run("INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?, ?)", (connection_id, name, *held))

    # ---- intents

    def intents(self, connection_id: str) -> list[Intent]:
        """Those of a connection that are not closed."""
        found = self._ask.rows(
            "SELECT document, reply FROM intent WHERE connection_id = ? AND step <> 'closed' ORDER BY name",
            (connection_id,),
        )
        return [rows.intent(row) for row in found]

    def open_intents(self, limit: int) -> list[tuple[str, Intent]]:
        found = self._ask.rows(
            "SELECT i.document, i.reply, c.tenant FROM intent i INDEXED BY intent_open"
            " JOIN connection c ON c.id = i.connection_id"
            " LEFT JOIN claim h ON h.connection_id = i.connection_id AND h.name = i.name"
            " WHERE i.step <> 'closed' AND (h.owner IS NULL OR h.owner = '' OR h.until <= ?)"
            " ORDER BY i.connection_id, i.name LIMIT ?",
            (self._ask.now(), limit),
        )
        return [(row[2], rows.intent(row)) for row in found]

    def intend(self, claim: Claim, intent: Intent, expected: int) -> None:
        if not self.held(claim).live(self._ask.now()):
            msg = f"the claim on {claim.connection_id} has run out"
            raise Fenced(msg)
        if self._version(claim.connection_id, claim.name) != expected:
            msg = f"record {claim.name} of {claim.connection_id} has moved on"
            raise Fenced(msg)
        standing = self._open(claim.connection_id, claim.name)
        if standing == intent:
            return
        if standing is not None:
            msg = f"record {claim.name} of {claim.connection_id} has an open intent"
            raise Fenced(msg)
        try:
            self._ask.run("INSERT INTO intent VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ROWS.intent(intent, claim.fence))
        except apsw.ConstraintError as error:
            msg = f"intent {intent.id} is there already"
            raise Taken(msg) from error

    def note(self, change: Change) -> None:
        """Write the intent of a change. Raises `Fenced`."""
        intent = change.intent
        if intent is None:
            return
        stored = self._ask.row("SELECT document, reply, noted_by FROM intent WHERE id = ?", (intent.id,))
        if stored is not None:
            comparing.refuse_unseen(rows.intent(stored), stored[2], change)
        noted_by = change.claim.fence if change.claim is not None else intent.fence
        try:
            self._replace(intent, noted_by)
        except apsw.ConstraintError as error:
            msg = f"record {intent.name} of {intent.connection_id} has another open intent"
            raise Fenced(msg) from error

    def journal(self, intent_id: str, reply: bytes, at: int) -> None:
        found = self._ask.row("SELECT document, reply, noted_by FROM intent WHERE id = ?", (intent_id,))
        if found is None:
            msg = f"there is no intent {intent_id}"
            raise Missing(msg)
        stored = rows.intent(found)
        standing = (
            self._version(stored.connection_id, stored.name) == stored.record_version
            and self._open(stored.connection_id, stored.name) is None
        )
        self._replace(comparing.answered(stored, reply, at, standing=standing), found[2])

    def forget_closed(self, before: int, limit: int) -> int:
        """Drop closed intents with a deadline before an instant; how many."""
        self._ask.run(
            "DELETE FROM intent WHERE rowid IN"
            " (SELECT rowid FROM intent WHERE step = 'closed' AND deadline < ? ORDER BY deadline, id LIMIT ?)",
            (before, limit),
        )
        return self._ask.changed()

    def _version(self, connection_id: str, name: str) -> int:
        found = self._ask.row("SELECT version FROM record WHERE connection_id = ? AND name = ?", (connection_id, name))
        return int(found[0]) if found else 0

    def _open(self, connection_id: str, name: str) -> Intent | None:
        found = self._ask.row(
            "SELECT document, reply FROM intent WHERE connection_id = ? AND name = ? AND step <> 'closed'",
            (connection_id, name),
        )
        return rows.intent(found) if found else None

    def _replace(self, intent: Intent, noted_by: int) -> None:
        self._ask.run(
            "INSERT INTO intent VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " connection_id = excluded.connection_id, name = excluded.name, step = excluded.step,"
            " deadline = excluded.deadline, noted_by = excluded.noted_by, reply = excluded.reply,"
            " document = excluded.document",
            ROWS.intent(intent, noted_by),
        )
