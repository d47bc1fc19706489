"""Turning sealed fields in place, a few connections a step; nothing but sealed bytes is touched."""

from typing import Any

from evergrant.keeper.connection import Intent
from evergrant.keeper.vault.rows import Row, decode
from evergrant.keeper.vault.sqlite.asking import Asking, encode
from evergrant.keeper.vault.turning import KEPT, PENDING, Turn, turned_intent


class Rewrap:
    """One step of a re-wrap through one connection, inside one transaction: nothing changes between read and write."""

    def __init__(self, ask: Asking, turn: Turn) -> None:
        self._ask, self._turn = ask, turn

    def step(self, after: str, limit: int) -> str:
        """Go on after *after*; where to go on next, empty at the end."""
        if after == "":
            self._blobs("kept", "name", "SELECT name, sealed FROM kept", ())
            return KEPT
        if after.startswith(PENDING):
            return self._pendings(after.removeprefix(PENDING), limit)
        return self._connections(after.removeprefix(KEPT), limit)

    def _connections(self, last: str, limit: int) -> str:
        found = self._ask.rows("SELECT id FROM connection WHERE id > ? ORDER BY id LIMIT ?", (last, limit))
        if found:
            between = (found[0][0], found[-1][0])
            self._records(between)
            self._intents(between)
        return KEPT + found[-1][0] if len(found) == limit else PENDING

    def _records(self, between: Row) -> None:
        for row in self._ask.rows(
            "SELECT access_token, refresh_token, previous, rowid FROM record WHERE connection_id BETWEEN ? AND ?",
            between,
        ):
            turned = tuple(self._turn(sealed) for sealed in row[:3])
            if turned != row[:3]:
                self._ask.run(
                    "UPDATE record SET access_token = ?, refresh_token = ?, previous = ? WHERE rowid = ?",
                    (*turned, row[3]),
                )

    def _intents(self, between: Row) -> None:
        for document, reply, rowid in self._ask.rows(
            "SELECT document, reply, rowid FROM intent WHERE connection_id BETWEEN ? AND ?", between
        ):
            stored = decode(document, Intent)
            turned, new = turned_intent(stored, self._turn), self._turn(reply)
            if (turned, new) != (stored, reply):
                self._ask.run("UPDATE intent SET document = ?, reply = ? WHERE rowid = ?", (encode(turned), new, rowid))

    def _pendings(self, last: str, limit: int) -> str:
        keys = self._blobs(
            "pending", "state_digest",
            "SELECT state_digest, sealed FROM pending WHERE state_digest > ? ORDER BY state_digest LIMIT ?",
            (bytes.fromhex(last), limit),
        )  # fmt: skip
        return PENDING + keys[-1].hex() if len(keys) == limit else ""

    def _blobs(self, table: str, key: str, sql: str, values: Row) -> list[Any]:
        found = self._ask.rows(sql, values)
        for name, sealed in found:
            turned = self._turn(sealed)
            if turned != sealed:
                self._ask.run(f"UPDATE {table} SET sealed = ? WHERE {key} = ?", (turned, name))  # noqa: S608 - own names
        return [row[0] for row in found]
