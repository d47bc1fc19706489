"""Letters on their way, authorizations under way, API keys, and what was kept once: small tables in SQL."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from evergrant.keeper.connection import Pending
from evergrant.keeper.event import Letter
from evergrant.keeper.vault import rows
from evergrant.keeper.vault.port import ApiKey, Missing, Taken
from evergrant.keeper.vault.postgres.asking import ROWS, Asking, encode
from evergrant.keeper.vault.postgres.leaving import Leaving
from evergrant.keeper.vault.rows import decode

_PUT_LETTER: Final = (
    "INSERT INTO letter (id, due, document) VALUES (%s, %s, %s)"
    " ON CONFLICT (id) DO UPDATE SET due = excluded.due, document = excluded.document"
)


class Outgoing:
    """The tables `letter`, `pending`, `api_key` and `kept` in one transaction."""

    def __init__(self, ask: Asking, leaving: Leaving) -> None:
        self._ask, self._leaving = ask, leaving

    # ---- letters

    def put(self, letters: Sequence[Letter]) -> None:
        for each in letters:
            self._ask.run(_PUT_LETTER, (each.id, each.due, encode(each)))

    def letters(self, due: int, limit: int) -> list[Letter]:
        found = self._ask.rows("SELECT document FROM letter WHERE due <= %s ORDER BY due, id LIMIT %s", (due, limit))
        return [decode(row[0], Letter) for row in found]

    def post(self, sent: Sequence[str], again: Sequence[Letter]) -> None:
        for each in sorted(again, key=lambda letter: letter.id):
            self._ask.run("UPDATE letter SET due = %s, document = %s WHERE id = %s", (each.due, encode(each), each.id))
        for letter_id in sorted(sent):
            self._ask.run("DELETE FROM letter WHERE id = %s", (letter_id,))

    # ---- authorizations under way

    def await_callback(self, pending: Pending) -> None:
        # A connection that waits for this callback must not be swept away as abandoned in the same moment.
        self._ask.run("SELECT 1 FROM connection WHERE id = %s FOR KEY SHARE", (pending.connection_id,))
        made = self._ask.rows(
            "INSERT INTO pending (state_digest, connection_id, until, sealed, document) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING RETURNING 1",
            ROWS.pending(pending),
        )
        if not made:
            msg = "this state is awaited already"
            raise Taken(msg)

    def take_callback(self, state_digest: bytes, now: int) -> Pending | None:
        leaving, clock = self._leaving.ask(), self._ask.ask_time()
        taken = self._ask.send(
            "DELETE FROM pending WHERE state_digest = %s RETURNING sealed, document", (state_digest,)
        )
        self._leaving.refuse(leaving, self._ask.time(clock))
        found = self._ask.read(taken)
        return rows.pending(found[0], now) if found else None

    def forget_expired(self, now: int, limit: int) -> int:
        """Drop pendings that have expired; how many."""
        found = self._ask.rows(
            "SELECT state_digest FROM pending WHERE until <= %s ORDER BY until, state_digest LIMIT %s"
            " FOR UPDATE SKIP LOCKED",
            (now, limit),
        )
        for (digest,) in found:
            self._ask.run("DELETE FROM pending WHERE state_digest = %s", (digest,))
        return len(found)

    # ---- API keys

    def add_api_key(self, key: ApiKey) -> None:
        made = self._ask.rows(
            "INSERT INTO api_key (id, tenant, document) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1",
            (key.id, key.tenant, encode(key)),
        )
        if not made:
            msg = f"there is an API key {key.id} already"
            raise Taken(msg)

    def api_keys(self, tenant: str) -> list[ApiKey]:
        found = self._ask.rows(
            "SELECT document FROM api_key WHERE tenant = %s OR %s = '' ORDER BY id", (tenant, tenant)
        )
        return [decode(row[0], ApiKey) for row in found]

    def end_api_key(self, key_id: str, at: int) -> None:
        key = self._api_key(key_id)
        if key is None:
            msg = f"there is no API key {key_id}"
            raise Missing(msg)
        self._put_api_key(replace(key, ended_at=key.ended_at or at))

    def use_api_key(self, key_id: str, at: int) -> None:
        key = self._api_key(key_id)
        if key is not None and key.used_at < at:
            self._put_api_key(replace(key, used_at=at))

    def _api_key(self, key_id: str) -> ApiKey | None:
        found = self._ask.row("SELECT document FROM api_key WHERE id = %s FOR UPDATE", (key_id,))
        return decode(found[0], ApiKey) if found else None

    def _put_api_key(self, key: ApiKey) -> None:
        self._ask.run("UPDATE api_key SET document = %s WHERE id = %s", (encode(key), key.id))

    # ---- kept once

    def keep_once(self, name: str, sealed: bytes) -> bytes:
        self._ask.run("INSERT INTO kept (name, sealed) VALUES (%s, %s) ON CONFLICT DO NOTHING", (name, sealed))
        return bytes(self._ask.rows("SELECT sealed FROM kept WHERE name = %s", (name,))[0][0])
