"""Letters on their way, authorizations under way, API keys, and what was kept once: small tables in SQL."""

from collections.abc import Sequence
from dataclasses import replace

import apsw

from evergrant.keeper.connection import Pending
from evergrant.keeper.event import Letter
from evergrant.keeper.vault import rows
from evergrant.keeper.vault.port import ApiKey, Missing, Taken
from evergrant.keeper.vault.rows import decode
from evergrant.keeper.vault.sqlite.asking import ROWS, Asking, encode
from evergrant.keeper.vault.sqlite.leaving import Leaving


class Outgoing:
    """The tables `letter`, `pending`, `api_key` and `kept` through one connection."""

    def __init__(self, ask: Asking, leaving: Leaving) -> None:
        self._ask, self._leaving = ask, leaving

    # ---- letters

    def put(self, letters: Sequence[Letter]) -> None:
        if letters:
            self._ask.run_many(
                "INSERT OR REPLACE INTO letter VALUES (?, ?, ?)",
                [(each.id, each.due, encode(each)) for each in letters],
            )

    def letters(self, due: int, limit: int) -> list[Letter]:
        found = self._ask.rows("SELECT document FROM letter WHERE due <= ? ORDER BY due, id LIMIT ?", (due, limit))
        return [decode(row[0], Letter) for row in found]

    def post(self, sent: Sequence[str], again: Sequence[Letter]) -> None:
        rows = [(each.due, encode(each), each.id) for each in again]
        self._ask.run_many("UPDATE letter SET due = ?, document = ? WHERE id = ?", rows)
        self._ask.run_many("DELETE FROM letter WHERE id = ?", [(letter_id,) for letter_id in sent])

    # ---- authorizations under way

    def await_callback(self, pending: Pending) -> None:
        try:
            self._ask.run("INSERT INTO pending VALUES (?, ?, ?, ?, ?)", ROWS.pending(pending))
        except apsw.ConstraintError as error:
            msg = "this state is awaited already"
            raise Taken(msg) from error

    def take_callback(self, state_digest: bytes, now: int) -> Pending | None:
        self._leaving.refuse(self._ask.now())
        found = self._ask.row("DELETE FROM pending WHERE state_digest = ? RETURNING sealed, document", (state_digest,))
        return rows.pending(found, now) if found is not None else None

    def forget_expired(self, now: int, limit: int) -> int:
        """Drop pendings that have expired; how many."""
        self._ask.run(
            "DELETE FROM pending WHERE rowid IN"
            " (SELECT rowid FROM pending WHERE until <= ? ORDER BY until, state_digest LIMIT ?)",
            (now, limit),
        )
        return self._ask.changed()

    # ---- API keys

    def add_api_key(self, key: ApiKey) -> None:
        try:
            self._ask.run("INSERT INTO api_key VALUES (?, ?, ?)", (key.id, key.tenant, encode(key)))
        except apsw.ConstraintError as error:
            msg = f"there is an API key {key.id} already"
            raise Taken(msg) from error

    def api_keys(self, tenant: str) -> list[ApiKey]:
        found = self._ask.rows("SELECT document FROM api_key WHERE tenant = ? OR ? = '' ORDER BY id", (tenant, tenant))
        return [decode(row[0], ApiKey) for row in found]

    def end_api_key(self, key_id: str, at: int) -> None:
        found = self._ask.row("SELECT document FROM api_key WHERE id = ?", (key_id,))
        if found is None:
            msg = f"there is no API key {key_id}"
            raise Missing(msg)
        key = decode(found[0], ApiKey)
        ended = encode(replace(key, ended_at=key.ended_at or at))
        self._ask.run("UPDATE api_key SET document = ? WHERE id = ?", (ended, key_id))

    def use_api_key(self, key_id: str, at: int) -> None:
        found = self._ask.row("SELECT document FROM api_key WHERE id = ?", (key_id,))
        key = decode(found[0], ApiKey) if found is not None else None
        if key is not None and key.used_at < at:
            used = encode(replace(key, used_at=at))
            self._ask.run("UPDATE api_key SET document = ? WHERE id = ?", (used, key_id))

    # ---- what was kept once

    def keep_once(self, name: str, sealed: bytes) -> bytes:
        self._ask.run("INSERT OR IGNORE INTO kept VALUES (?, ?)", (name, sealed))
        return bytes(self._ask.rows("SELECT sealed FROM kept WHERE name = ?", (name,))[0][0])
