"""The statements of the refresh path where tables are distributed over machines: each is about one family.

A statement that names the distribution column by equality is sent to the one shard that has the family's row and its
events; one over arrays would be asked of every shard. On one machine arrays cost a third (docs/decisions), so there
`hot` is used.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Any, Final

from evergrant.domain.event import Event
from evergrant.domain.family import Family
from evergrant.store.postgres import events
from evergrant.store.postgres.families import MOVING, SELECT
from evergrant.store.postgres.hot import BEGIN, BOUNDED, COMMIT, PATIENCE, ROLLBACK, begin
from evergrant.store.postgres.line import Asked, Statement

_LOCK: Final = f"{SELECT} WHERE id = $1::bytea FOR NO KEY UPDATE"
LOCK_FREE: Final = Statement(b"evergrant_one_lock_free", f"{_LOCK} SKIP LOCKED".encode(), 1)
LOCK_PATIENT: Final = Statement(b"evergrant_one_lock_patient", _LOCK.encode(), 1)
KNOWN: Final = Statement(b"evergrant_one_known", b"SELECT id FROM evergrant.family WHERE id = $1::bytea", 1)
_BYTES: Final = frozenset({"digest", "predecessor", "sealed", "family"})
_NUMBERS: Final = frozenset({
    "generation", "spent_at", "overlap_end", "repeats", "idle_end", "used_at", "epoch", "ended_at", "at",
})  # fmt: skip
_MOVED: Final = (*MOVING, "ended_at", "reason")


def _kind(name: str) -> str:
    return "bytea" if name in _BYTES else "bigint" if name in _NUMBERS else "text"


_SET: Final = ", ".join(f"{name} = ${place}::{_kind(name)}" for place, name in enumerate(_MOVED, 2))
UPDATE: Final = Statement(
    b"evergrant_one_update",
    f"UPDATE evergrant.family SET {_SET} WHERE id = $1::bytea".encode(),  # noqa: S608 - own names
    len(_MOVED) + 1,
)
_VALUES: Final = ", ".join(f"${place}::{_kind(name)}" for place, name in enumerate(events.COLUMNS, 1))
INSERT: Final = Statement(
    b"evergrant_one_insert",
    f"INSERT INTO evergrant.event ({', '.join(events.COLUMNS)}, number) VALUES ({_VALUES}, {events.NUMBER})".encode(),  # noqa: S608
    len(events.COLUMNS),
)
STATEMENTS: Final = (BEGIN, BOUNDED, COMMIT, ROLLBACK, PATIENCE, LOCK_FREE, LOCK_PATIENT, KNOWN, UPDATE, INSERT)
_INT8: Final = Struct("!q").pack


def lock(families: Sequence[bytes], *, patient: bool = False, bounded: bool = False) -> list[Asked]:
    """Begin, and lock what is there of *families*: what nobody else holds, or, being patient, all of it."""
    statement = LOCK_PATIENT if patient else LOCK_FREE
    return [*begin(patient=patient, bounded=bounded), *((statement, (one,)) for one in families)]


def known(families: Sequence[bytes]) -> list[Asked]:
    """Which of *families* exist."""
    return [(KNOWN, (one,)) for one in families]


def write(changed: Sequence[Family], told: Sequence[Event]) -> list[Asked]:
    """Write what was decided, and commit."""
    updates = [(UPDATE, [family.id, *map(_raw, (*family.head, *(family.ended or (None, None))))]) for family in changed]
    columns = zip(*events.columns(told), strict=True) if told else ()
    inserts = [(INSERT, [_raw(value) for value in row]) for row in columns]
    return [*updates, *inserts, (COMMIT, ())]


def _raw(value: Any) -> bytes | None:
    if value is None or type(value) is bytes:
        return value
    if type(value) is int:
        return _INT8(value)
    raw: bytes = value.encode()
    return raw.replace(b"\0", b"\xef\xbf\xbf") if 0 in raw else raw
