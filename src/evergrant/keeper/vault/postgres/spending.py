"""Claims and intents in SQL: who may spend, and what is known of a spend.

Every method that writes is called with the connection's row locked, or locks it first: `lock` goes ahead of the reads
on the same journey, and those see what was committed before the lock was got.
"""

from dataclasses import replace
from typing import Final, LiteralString

from evergrant.keeper.connection import Claim, Intent
from evergrant.keeper.vault import comparing, rows
from evergrant.keeper.vault.comparing import Held
from evergrant.keeper.vault.port import Change, Fenced, Missing, Taken
from evergrant.keeper.vault.postgres.asking import ROWS, Asking, Sent
from evergrant.keeper.vault.postgres.leaving import Leaving

LOCK: Final = (
    "SELECT version, health, tags, tenant, client, account FROM connection WHERE id = %s FOR NO KEY UPDATE"
)  # fmt: skip
_CLAIM: Final = "SELECT owner, fence, until, length FROM claim WHERE connection_id = %s AND name = %s"
_OPEN: Final = "SELECT document, reply FROM intent WHERE connection_id = %s AND name = %s AND step <> 'closed'"
_NOTED: Final = "SELECT document, reply, noted_by FROM intent WHERE connection_id = %s AND id = %s FOR UPDATE"
_VERSION: Final = "SELECT version FROM record WHERE connection_id = %s AND name = %s"
_PUT_CLAIM: Final = (
    "INSERT INTO claim (connection_id, name, owner, fence, until, length) VALUES (%s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (connection_id, name) DO UPDATE SET owner = excluded.owner, fence = excluded.fence,"
    " until = excluded.until, length = excluded.length"
)
# Never below the fence before it, also where the sequence was lost behind its table (a moved or restored database).
_NEW_CLAIM: Final = (
    "INSERT INTO claim AS held (connection_id, name, owner, fence, until, length)"
    " VALUES (%s, %s, %s, nextval('fence'), %s, %s)"
    " ON CONFLICT (connection_id, name) DO UPDATE SET owner = excluded.owner,"
    " fence = greatest(excluded.fence, held.fence + 1), until = excluded.until, length = excluded.length"
    " RETURNING fence"
)
_PUT_INTENT: Final = (
    "INSERT INTO intent (id, connection_id, name, step, deadline, noted_by, reply, document)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (connection_id, id) DO UPDATE SET name = excluded.name,"
    " step = excluded.step, deadline = excluded.deadline, noted_by = excluded.noted_by, reply = excluded.reply,"
    " document = excluded.document"
)
_CLOSED: Final[LiteralString] = (
    "SELECT connection_id, id FROM intent WHERE step = 'closed' AND deadline < %s ORDER BY deadline, id LIMIT %s"
)
_FORGET: Final[LiteralString] = "DELETE FROM intent WHERE (connection_id, id)"


class Spending:
    """The tables `claim` and `intent` in one transaction."""

    def __init__(self, ask: Asking, leaving: Leaving) -> None:
        self._ask, self._leaving = ask, leaving

    # ---- claims

    def ask_claims(self, connection_id: str) -> Sent:
        """Ask for every claim of a connection, live or not."""
        return self._ask.send(
            "SELECT name, owner, fence, until, length FROM claim WHERE connection_id = %s ORDER BY name",
            (connection_id,),
        )

    def claims(self, asked: Sent) -> list[tuple[str, Held]]:
        """What was asked for, by record name, as a rival should see it."""
        return [
            (row[0], comparing.after_outage(Held._make(row[1:]), self._ask.back_at)) for row in self._ask.read(asked)
        ]

    def claim(self, connection_id: str, name: str, owner: str, seconds: float) -> Claim | None:
        locked = self._ask.send(LOCK, (connection_id,))
        asked, leaving = self._ask.send(_CLAIM, (connection_id, name)), self._leaving.ask()
        clock = self._ask.ask_time()
        if not self._ask.read(locked):
            msg = f"there is no connection {connection_id}"
            raise Missing(msg)
        stored, now = self._held(asked), self._ask.time(clock)
        self._leaving.refuse(leaving, now)
        if stored is not None and stored.owner != owner:
            if stored.live(now):
                capped = comparing.capped(stored, now)
                if capped != stored:
                    self._put(connection_id, name, capped)
                return None
            if comparing.after_outage(stored, self._ask.back_at).live(now):
                return None
        held = comparing.held(owner, 0, now, seconds)
        row = self._ask.rows(_NEW_CLAIM, (connection_id, name, owner, held.until, held.length))[0]
        return Claim(connection_id, name, owner, row[0], held.until)

    def renew(self, claim: Claim, seconds: float) -> Claim:
        self._ask.run(LOCK, (claim.connection_id,))
        asked, clock = self.ask_held(claim), self._ask.ask_time()
        held = comparing.prolonged(self.held(claim, asked), self._ask.time(clock), seconds)
        self._put(claim.connection_id, claim.name, held)
        return replace(claim, until=held.until)

    def release(self, claim: Claim) -> None:
        self._ask.run(LOCK, (claim.connection_id,))
        stored = self._held(self.ask_held(claim))
        if stored is not None and stored.is_of(claim):
            self._put(claim.connection_id, claim.name, comparing.released(stored))

    def ask_held(self, claim: Claim) -> Sent:
        """Ask for the claim of this claim's record."""
        return self._ask.send(_CLAIM, (claim.connection_id, claim.name))

    def held(self, claim: Claim, asked: Sent) -> Held:
        """The claim as stored. Raises `Fenced` when it is not ours any more."""
        stored = self._held(asked)
        if stored is None or not stored.is_of(claim):
            msg = f"the claim {claim.fence} on {claim.connection_id} is not ours any more"
            raise Fenced(msg)
        return stored

    def give_up(self, claim: Claim, stored: Held) -> None:
        """Release a claim that was found to be ours."""
        self._put(claim.connection_id, claim.name, comparing.released(stored))

    def _held(self, asked: Sent) -> Held | None:
        found = self._ask.read(asked)
        return Held._make(found[0]) if found else None

    def _put(self, connection_id: str, name: str, held: Held) -> None:
        self._ask.run(_PUT_CLAIM, (connection_id, name, *held))

    # ---- intents

    def ask_intents(self, connection_id: str) -> Sent:
        """Ask for those of a connection that are not closed."""
        return self._ask.send(
            "SELECT document, reply FROM intent WHERE connection_id = %s AND step <> 'closed' ORDER BY name",
            (connection_id,),
        )

    def intents(self, asked: Sent) -> list[Intent]:
        """What was asked for."""
        return [rows.intent(row) for row in self._ask.read(asked)]

    def open_intents(self, limit: int) -> list[tuple[str, Intent]]:
        now = self._ask.now()
        found = self._ask.rows(
            "SELECT i.document, i.reply, c.tenant FROM intent i JOIN connection c ON c.id = i.connection_id"
            " LEFT JOIN claim h ON h.connection_id = i.connection_id AND h.name = i.name"
            " WHERE i.step <> 'closed' AND (h.owner IS NULL OR h.owner = '' OR h.until <= %s"
            " AND (h.until - h.length >= %s OR %s + h.length <= %s))"
            " ORDER BY i.connection_id, i.name LIMIT %s",
            (now, self._ask.back_at, self._ask.back_at + comparing.RETURN, now, limit),
        )
        return [(row[2], rows.intent(row)) for row in found]

    def intend(self, claim: Claim, intent: Intent, expected: int) -> None:
        place = (claim.connection_id, claim.name)
        self._ask.run(LOCK, (claim.connection_id,))
        held, version, open_ = self.ask_held(claim), self._ask.send(_VERSION, place), self._ask.send(_OPEN, place)
        noted, clock = self._ask.send(_NOTED, (claim.connection_id, intent.id)), self._ask.ask_time()
        if not self.held(claim, held).live(self._ask.time(clock)):
            msg = f"the claim on {claim.connection_id} has run out"
            raise Fenced(msg)
        if self._number(version) != expected:
            msg = f"record {claim.name} of {claim.connection_id} has moved on"
            raise Fenced(msg)
        standing = self._standing(open_)
        if standing == intent:
            return
        if standing is not None:
            msg = f"record {claim.name} of {claim.connection_id} has an open intent"
            raise Fenced(msg)
        if self._ask.read(noted):
            msg = f"intent {intent.id} is there already"
            raise Taken(msg)
        self._ask.run(_PUT_INTENT, ROWS.intent(intent, claim.fence))

    def ask_noted(self, intent: Intent) -> tuple[Sent, Sent]:
        """Ask for the intent as it is stored, and for the open one of its record."""
        noted = self._ask.send(_NOTED, (intent.connection_id, intent.id))
        return noted, self._ask.send(_OPEN, (intent.connection_id, intent.name))

    def refuse(self, change: Change, noted: Sent, open_: Sent) -> None:
        """Raise `Fenced` when the intent of *change* may not be written."""
        intent = change.intent
        if intent is None:
            return
        for row in self._ask.read(noted):
            comparing.refuse_unseen(rows.intent(row), row[2], change)
        standing = self._standing(open_)
        if standing is not None and standing.id != intent.id and intent.step is not intent.step.CLOSED:
            msg = f"record {intent.name} of {intent.connection_id} has another open intent"
            raise Fenced(msg)

    def note(self, change: Change) -> None:
        """Write the intent of a change that was not refused."""
        if change.intent is not None:
            noted_by = change.claim.fence if change.claim is not None else change.intent.fence
            self._ask.run(_PUT_INTENT, ROWS.intent(change.intent, noted_by))

    def journal(self, intent_id: str, connection_id: str, reply: bytes, at: int) -> None:
        """Keep the reply. *connection_id*: where the intent is; empty when that is not known."""
        if not connection_id:
            found = self._ask.row("SELECT connection_id FROM intent WHERE id = %s", (intent_id,))
            connection_id = found[0] if found else ""
        self._ask.run(LOCK, (connection_id,))
        noted = self._ask.read(self._ask.send(_NOTED, (connection_id, intent_id)))
        if not noted:
            msg = f"there is no intent {intent_id}"
            raise Missing(msg)
        stored = rows.intent(noted[0])
        place = (stored.connection_id, stored.name)
        version, open_ = self._ask.send(_VERSION, place), self._ask.send(_OPEN, place)
        standing = self._number(version) == stored.record_version and self._standing(open_) is None
        answered = comparing.answered(stored, reply, at, standing=standing)
        self._ask.run(_PUT_INTENT, ROWS.intent(answered, noted[0][2]))

    def forget_closed(self, before: int, limit: int) -> int:
        """Drop closed intents with a deadline before an instant; how many."""
        if not self._ask.distributed:
            return len(self._ask.rows(f"{_FORGET} IN ({_CLOSED} FOR UPDATE SKIP LOCKED) RETURNING id", (before, limit)))
        found = self._ask.rows(_CLOSED, (before, limit))
        gone = [self._ask.send(f"{_FORGET} = (%s, %s) AND step = 'closed' RETURNING 1", row) for row in found]
        return sum(len(self._ask.read(sent)) for sent in gone)

    def _number(self, asked: Sent) -> int:
        found = self._ask.read(asked)
        return int(found[0][0]) if found else 0

    def _standing(self, asked: Sent) -> Intent | None:
        found = self._ask.read(asked)
        return rows.intent(found[0]) if found else None
