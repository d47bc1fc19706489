"""Families in SQL, through one connection: everything but the refresh path, which is in `settling`."""

from collections.abc import Sequence
from typing import Any, Final

from evergrant.domain.family import Ended, Family, Head
from evergrant.domain.reason import Reason
from evergrant.store.port import Swept, Which
from evergrant.store.postgres.asking import Asking, writable

BORN: Final = Family._fields[:-2]
MOVING: Final = Head._fields
COLUMNS: Final = ", ".join((*BORN, *MOVING, "ended_at", "reason"))
SELECT: Final = f"SELECT {COLUMNS} FROM evergrant.family"  # noqa: S608 - constants
_ADD: Final = (
    f"INSERT INTO evergrant.family ({COLUMNS}) VALUES ({', '.join(['%s'] * (len(BORN) + len(MOVING) + 2))})"  # noqa: S608
    " ON CONFLICT (id) DO NOTHING"
)
_SETTLE: Final = f"UPDATE evergrant.family SET {', '.join(f'{name} = %s' for name in MOVING)} WHERE id = %s"  # noqa: S608
_CLOSE: Final = "UPDATE evergrant.family SET ended_at = %s, reason = %s, sealed = NULL WHERE id = %s"
_END_THESE: Final = (
    "UPDATE evergrant.family SET ended_at = %s, reason = %s, sealed = NULL"
    " WHERE id = ANY(%s::bytea[]) AND ended_at IS NULL"
)
_SPLIT: Final = len(BORN)
_END: Final = _SPLIT + len(MOVING)

_WALK: Final = (
    "SELECT id, absolute_end, idle_end FROM evergrant.family WHERE id > %(after)s ORDER BY id LIMIT %(limit)s"
)
_DELETE: Final = (
    "DELETE FROM evergrant.family WHERE id > %(after)s AND id <= %(last)s"  # noqa: S608 - constants
    f" AND absolute_end + %(keep)s < %(now)s RETURNING {COLUMNS}"
)
_LATE: Final = f"CASE WHEN absolute_end <= %(now)s THEN '{Reason.ABSOLUTE}' ELSE '{Reason.IDLE}' END"
_EXPIRE: Final = (
    f"UPDATE evergrant.family f SET ended_at = %(now)s, sealed = NULL, reason = {_LATE}"  # noqa: S608 - constants
    " FROM (SELECT id, sealed IS NOT NULL AS held FROM evergrant.family WHERE id > %(after)s AND id <= %(last)s"
    " AND ended_at IS NULL AND least(absolute_end, idle_end) <= %(now)s) late"
    # Asked again of the row itself: one that was refreshed or ended while it was waited for is left as it is.
    " WHERE f.id = late.id AND f.ended_at IS NULL AND least(f.absolute_end, f.idle_end) <= %(now)s"
    f" RETURNING {', '.join(f'f.{name}' for name in COLUMNS.split(', '))}, late.held"
)
# A row that a refresh holds at this moment is left for the next walk: its successor is being replaced anyway.
_ERASE: Final = (
    "UPDATE evergrant.family SET sealed = NULL WHERE id IN (SELECT id FROM evergrant.family"
    " WHERE id > %(after)s AND id <= %(last)s AND sealed IS NOT NULL"
    " AND (ended_at IS NOT NULL OR overlap_end < %(now)s)"
    " FOR NO KEY UPDATE SKIP LOCKED)"
)


def family(row: tuple[Any, ...]) -> Family:
    """The family behind a row of `SELECT`."""
    ended = None if row[_END] is None else Ended(row[_END], Reason(row[_END + 1]))
    return Family._make((*row[:_SPLIT], Head._make(row[_SPLIT:_END]), ended))


class Families:
    """The family table inside one transaction; *writing* locks what is read to be changed."""

    def __init__(self, asking: Asking, *, writing: bool) -> None:
        self._ask = asking
        self._get = f"{SELECT} WHERE id = %s" + (" FOR NO KEY UPDATE" if writing else "")

    def get(self, family_id: bytes) -> Family | None:
        rows = self._ask.rows(self._get, (family_id,))
        return family(rows[0]) if rows else None

    def add(self, family: Family) -> None:
        ended = family.ended or (None, None)
        if not self._ask.count(_ADD, writable((*family[:-2], *family.head, *ended))):
            msg = "family id is taken"
            raise ValueError(msg)

    def settle(self, family_id: bytes, head: Head, ended: Ended | None) -> None:
        self._ask.count(_SETTLE, writable((*head, family_id)))
        if ended is not None:
            self._ask.count(_CLOSE, (ended.at, ended.reason.value, family_id))

    def end(self, which: Which, ended: Ended) -> int:
        which.refuse_empty()
        where, values = _where(which._replace(live=True))
        sql = f"UPDATE evergrant.family SET ended_at = %s, reason = %s, sealed = NULL WHERE {where}"  # noqa: S608
        return self._ask.count(sql, (ended.at, ended.reason.value, *values))

    def find(self, which: Which, limit: int = 1000, after: bytes = b"") -> list[Family]:
        where, values = _where(which)
        sql = f"{SELECT} WHERE {where} AND id > %s ORDER BY id LIMIT %s"
        return [family(row) for row in self._ask.rows(sql, (*values, after, limit))]

    def ids(self, which: Which) -> list[bytes]:
        where, values = _where(which)
        sql = f"SELECT id FROM evergrant.family WHERE {where}"  # noqa: S608 - own columns
        return [row[0] for row in self._ask.rows(sql, tuple(values))]

    def end_these(self, ids: Sequence[bytes], ended: Ended) -> int:
        return self._ask.count(_END_THESE, (ended.at, ended.reason.value, list(ids)))

    def sweep(self, after: bytes, now: int, limit: int, keep: int) -> Swept:
        walked = self._ask.rows(_WALK, {"after": after, "limit": limit})
        if not walked:
            return Swept(b"", 0, 0, 0)
        last = walked[-1][0]
        given = {"after": after, "last": last, "now": now, "keep": keep}
        gone = any(row[1] + keep < now for row in walked)
        deleted = [family(row) for row in self._ask.rows(_DELETE, given)] if gone else []
        late = any(min(row[1:]) <= now for row in walked)
        over = self._ask.rows(_EXPIRE, given) if late else []
        erased = self._ask.count(_ERASE, given) + sum(row[-1] for row in over)
        ended = tuple(sorted((*(one for one in deleted if one.ended is None), *map(family, over))))
        return Swept(last if len(walked) == limit else b"", erased, len(over), len(deleted), ended)


def _where(which: Which) -> tuple[str, list[Any]]:
    wanted = which.wanted()
    parts = [f"{name} = %s" for name in wanted]
    if which.live:
        parts.append("ended_at IS NULL")
    return " AND ".join(parts) or "TRUE", list(writable(tuple(wanted.values())))
