"""Turning sealed fields in place, a few connections a step; nothing but sealed bytes is touched."""

from typing import Any, Final, LiteralString

from evergrant.keeper.connection import Intent
from evergrant.keeper.vault.postgres.asking import Asking, encode
from evergrant.keeper.vault.postgres.spending import LOCK
from evergrant.keeper.vault.rows import Row, decode
from evergrant.keeper.vault.turning import KEPT, PENDING, Turn, turned_intent

_NEXT: Final[LiteralString] = "SELECT id FROM connection WHERE id > %s ORDER BY id LIMIT %s"


class Rewrap:
    """One step of a re-wrap in one transaction: what it reads is locked until what it turned is written."""

    def __init__(self, ask: Asking, turn: Turn) -> None:
        self._ask, self._turn = ask, turn

    def step(self, after: str, limit: int) -> str:
        """Go on after *after*; where to go on next, empty at the end."""
        if after == "":
            self._kept()
            return KEPT
        if after.startswith(PENDING):
            return self._pendings(after.removeprefix(PENDING), limit)
        return self._connections(after.removeprefix(KEPT), limit)

    def _connections(self, last: str, limit: int) -> str:
        if self._ask.distributed:
            found = self._ask.rows(_NEXT, (last, limit))
            for (one,) in found:
                self._ask.run(LOCK, (one,))
                self._turn_parts("connection_id = %s", (one,))
        else:
            found = self._ask.rows(f"{_NEXT} FOR NO KEY UPDATE", (last, limit))
            if found:
                self._turn_parts("connection_id BETWEEN %s AND %s", (found[0][0], found[-1][0]))
        return KEPT + found[-1][0] if len(found) == limit else PENDING

    def _turn_parts(self, which: LiteralString, values: Row) -> None:
        self._records(which, values)
        self._intents(which, values)

    def _records(self, which: LiteralString, values: Row) -> None:
        for row in self._ask.rows(
            f"SELECT access_token, refresh_token, previous, connection_id, name FROM record WHERE {which} FOR UPDATE",  # noqa: S608
            values,
        ):
            turned = tuple(self._turn(sealed) for sealed in row[:3])
            if turned != row[:3]:
                self._ask.run(
                    "UPDATE record SET access_token = %s, refresh_token = %s, previous = %s"
                    " WHERE connection_id = %s AND name = %s",
                    (*turned, *row[3:]),
                )

    def _intents(self, which: LiteralString, values: Row) -> None:
        for document, reply, *place in self._ask.rows(
            f"SELECT document, reply, connection_id, id FROM intent WHERE {which} FOR UPDATE",  # noqa: S608 - own names
            values,
        ):
            stored = decode(document, Intent)
            turned, new = turned_intent(stored, self._turn), self._turn(reply)
            if (turned, new) != (stored, reply):
                self._ask.run(
                    "UPDATE intent SET document = %s, reply = %s WHERE connection_id = %s AND id = %s",
                    (encode(turned), new, *place),
                )

    def _pendings(self, last: str, limit: int) -> str:
        found = self._ask.rows(
            "SELECT state_digest, sealed FROM pending WHERE state_digest > %s"
            " ORDER BY state_digest LIMIT %s FOR UPDATE",
            (bytes.fromhex(last), limit),
        )
        for digest, turned in self._turned(found):
            self._ask.run("UPDATE pending SET sealed = %s WHERE state_digest = %s", (turned, digest))
        return PENDING + found[-1][0].hex() if len(found) == limit else ""

    def _kept(self) -> None:
        for name, turned in self._turned(self._ask.rows("SELECT name, sealed FROM kept ORDER BY name FOR UPDATE")):
            self._ask.run("UPDATE kept SET sealed = %s WHERE name = %s", (turned, name))

    def _turned(self, found: list[Row]) -> list[tuple[Any, bytes]]:
        """What has changed, by its key."""
        turned = [(key, sealed, self._turn(sealed)) for key, sealed in found]
        return [(key, new) for key, old, new in turned if new != old]
