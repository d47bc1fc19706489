"""Families in SQL: every statement of the refresh path is here, and each is one row."""

from collections.abc import Sequence
from typing import Any, Final

import apsw

from evergrant.domain.family import Ended, Family, Head
from evergrant.domain.reason import Reason
from evergrant.store.port import Swept, Which
from evergrant.store.sqlite.connection import Connection

BORN: Final = Family._fields[:-2]
MOVING: Final = Head._fields
_SELECT: Final = f"SELECT {', '.join(BORN + MOVING)}, ended_at, reason FROM family"  # noqa: S608 - constants
_GET: Final = f"{_SELECT} WHERE id = ?"
_ADD: Final = (
    f"INSERT INTO family ({', '.join(BORN + MOVING)}, ended_at, reason) "  # noqa: S608 - constants
    f"VALUES ({', '.join('?' * (len(BORN) + len(MOVING) + 2))})"
)
_SETTLE: Final = f"UPDATE family SET {', '.join(f'{name} = ?' for name in MOVING)} WHERE id = ?"  # noqa: S608
_CLOSE: Final = "UPDATE family SET ended_at = ?, reason = ?, sealed = NULL WHERE id = ?"
_END_ONE: Final = f"{_CLOSE} AND ended_at IS NULL"
_SPLIT: Final = len(BORN)
_END: Final = _SPLIT + len(MOVING)


def _family(row: tuple[Any, ...]) -> Family:
    ended = None if row[_END] is None else Ended(row[_END], Reason(row[_END + 1]))
    head = Head._make(row[_SPLIT:_END])
    return Family._make((*row[:5], bool(row[5]), *row[6:_SPLIT], head, ended))


class Families:
    """The family table through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.cursor()
        self._connection = connection

    def get(self, family_id: bytes) -> Family | None:
        # Read to the end: a statement left open keeps its snapshot, and every later read would see the past.
        rows = self._cursor.execute(_GET, (family_id,)).fetchall()
        return _family(rows[0]) if rows else None

    def add(self, family: Family) -> None:
        ended = family.ended or (None, None)
        try:
            self._cursor.execute(_ADD, (*family[:-2], *family.head, *ended))
        except apsw.ConstraintError as error:
            msg = "family id is taken"
            raise ValueError(msg) from error

    def settle(self, family_id: bytes, head: Head, ended: Ended | None) -> None:
        self._cursor.execute(_SETTLE, (*head, family_id))
        if ended is not None:
            self._cursor.execute(_CLOSE, (ended.at, ended.reason.value, family_id))

    def settle_many(self, rows: list[tuple[Any, ...]]) -> None:
        """Settle several families that stay open; each row is a head's fields and the family's id."""
        self._cursor.executemany(_SETTLE, rows)

    def end(self, which: Which, ended: Ended) -> int:
        which.refuse_empty()
        where, values = _where(which._replace(live=True))
        self._cursor.execute(
            f"UPDATE family SET ended_at = ?, reason = ?, sealed = NULL WHERE {where}",  # noqa: S608 - own columns
            (ended.at, ended.reason.value, *values),
        )
        return int(self._connection.changes())

    def find(self, which: Which, limit: int = 1000, after: bytes = b"") -> list[Family]:
        where, values = _where(which)
        rows = self._cursor.execute(f"{_SELECT} WHERE {where} AND id > ? ORDER BY id LIMIT ?", (*values, after, limit))
        return [_family(row) for row in rows]

    def ids(self, which: Which) -> list[bytes]:
        where, values = _where(which)
        rows = self._cursor.execute(f"SELECT id FROM family WHERE {where}", values)  # noqa: S608 - own columns
        return [row[0] for row in rows]

    def end_these(self, ids: Sequence[bytes], ended: Ended) -> int:
        before = self._connection.total_changes()
        self._cursor.executemany(_END_ONE, [(ended.at, ended.reason.value, key) for key in ids])
        return int(self._connection.total_changes() - before)

    def sweep(self, after: bytes, now: int, limit: int, keep: int) -> Swept:
        walked: list[Any] = self._cursor.execute(
            "SELECT id, absolute_end, idle_end, overlap_end, sealed IS NOT NULL, ended_at FROM family"
            " WHERE id > ? ORDER BY id LIMIT ?",
            (after, limit),
        ).fetchall()
        gone = [(row[0],) for row in walked if row[1] + keep < now]
        late = [row for row in walked if row[1] + keep >= now and row[5] is None and now >= min(row[1], row[2])]
        dead = [(now, (Reason.ABSOLUTE if now >= row[1] else Reason.IDLE).value, row[0]) for row in late]
        closed = {row[2] for row in dead}
        over = [row for row in walked if row[4] and row[1] + keep >= now]
        stale = [row[0] for row in over if row[5] is not None or row[0] in closed or now > row[3]]
        over_now = [row[0] for row in walked if row[5] is None and now >= min(row[1], row[2])]
        ended = tuple(family for key in over_now if (family := self.get(key)) is not None)
        self._cursor.executemany("DELETE FROM family WHERE id = ?", gone)
        self._cursor.executemany(_CLOSE, dead)
        self._cursor.executemany(
            "UPDATE family SET sealed = NULL WHERE id = ?", [(key,) for key in stale if key not in closed]
        )
        last = walked[-1][0] if len(walked) == limit else b""
        return Swept(last, len(stale), len(dead), len(gone), ended)


def _where(which: Which) -> tuple[str, list[Any]]:
    wanted = which.wanted()
    parts = [f"{name} = ?" for name in wanted]
    if which.live:
        parts.append("ended_at IS NULL")
    return " AND ".join(parts) or "TRUE", list(wanted.values())
