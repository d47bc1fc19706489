"""The statements of the refresh path, and their values. All name the distribution column, the family's id.

Families of a batch are locked in the order of their ids, so that two batches cannot wait for each other.
"""

from collections.abc import Sequence
from typing import Final

from evergrant.domain.event import Event
from evergrant.domain.family import Family
from evergrant.store.postgres import arrays, events
from evergrant.store.postgres.families import MOVING, SELECT
from evergrant.store.postgres.line import Asked, Statement

BEGIN: Final = Statement(b"evergrant_begin", b"BEGIN ISOLATION LEVEL READ COMMITTED")
COMMIT: Final = Statement(b"evergrant_commit", b"COMMIT")
ROLLBACK: Final = Statement(b"evergrant_rollback", b"ROLLBACK")
# Whatever holds a row for long (an end of a million families) must not hold up the families beside it.
_LOCK: Final = f"{SELECT} WHERE id = ANY($1::bytea[]) ORDER BY id FOR NO KEY UPDATE"
LOCK_FREE: Final = Statement(b"evergrant_lock_free", f"{_LOCK} SKIP LOCKED".encode(), 1)
LOCK_PATIENT: Final = Statement(b"evergrant_lock_patient", _LOCK.encode(), 1)
PATIENCE: Final = Statement(b"evergrant_patience", b"SET LOCAL lock_timeout = '5s'")
# Where a session is not our own it cannot be told once and for all: who dies between the trips lets go of the rows.
BOUNDED: Final = Statement(b"evergrant_bounded", b"SET LOCAL idle_in_transaction_session_timeout = '15s'")
KNOWN: Final = Statement(b"evergrant_known", b"SELECT id FROM evergrant.family WHERE id = ANY($1::bytea[])", 1)
_BYTES: Final = frozenset({"digest", "predecessor", "sealed"})
_TEXTS: Final = frozenset({"network", "agent"})
_MOVED: Final = (
    *((name, "bytea" if name in _BYTES else "text" if name in _TEXTS else "bigint") for name in MOVING),
    ("ended_at", "bigint"),
    ("reason", "text"),
)
_ARRAYS: Final = ", ".join(f"${place}::{kind}[]" for place, (_, kind) in enumerate(_MOVED, 2))
_SET: Final = ", ".join(f"{name} = u.{name}" for name, _ in _MOVED)
_NAMES: Final = ", ".join(name for name, _ in _MOVED)
UPDATE: Final = Statement(
    b"evergrant_update",
    (
        f"UPDATE evergrant.family f SET {_SET} FROM unnest($1::bytea[], {_ARRAYS}) u (id, {_NAMES})"  # noqa: S608
        " WHERE f.id = u.id"
    ).encode(),
    len(_MOVED) + 1,
)
INSERT: Final = Statement(
    b"evergrant_insert",
    (
        f"INSERT INTO evergrant.event (number, {', '.join(events.COLUMNS)}) SELECT {events.NUMBER}, told.* FROM unnest("  # noqa: S608 - own names
        + ", ".join(f"${place}::{events.TYPES.get(name, 'text')}[]" for place, name in enumerate(events.COLUMNS, 1))
        + ") told"
    ).encode(),
    len(events.COLUMNS),
)
STATEMENTS: Final = (BEGIN, BOUNDED, COMMIT, ROLLBACK, LOCK_FREE, LOCK_PATIENT, PATIENCE, KNOWN, UPDATE, INSERT)
_ENCODERS: Final = {"bigint": arrays.integers, "text": arrays.texts, "bytea": arrays.octets}


def lock(families: Sequence[bytes], *, patient: bool = False, bounded: bool = False) -> list[Asked]:
    """Begin, and lock what is there of *families*: what nobody else holds, or, being patient, all of it."""
    wanted = (arrays.octets(families),)
    return [*begin(patient=patient, bounded=bounded), (LOCK_PATIENT if patient else LOCK_FREE, wanted)]


def begin(*, patient: bool, bounded: bool) -> list[Asked]:
    """Begin a transaction, with what the session does not know by itself."""
    asked: list[Asked] = [(BEGIN, ())]
    if bounded:
        asked.append((BOUNDED, ()))
    if patient:
        asked.append((PATIENCE, ()))
    return asked


def known(families: Sequence[bytes]) -> list[Asked]:
    """Which of *families* exist."""
    return [(KNOWN, (arrays.octets(families),))]


def write(changed: Sequence[Family], told: Sequence[Event]) -> list[Asked]:
    """Write what was decided, and commit."""
    asked: list[Asked] = []
    if changed:
        asked.append((UPDATE, _moved(changed)))
    if told:
        asked.append((INSERT, _told(told)))
    asked.append((COMMIT, ()))
    return asked


def _moved(changed: Sequence[Family]) -> list[bytes]:
    heads = list(zip(*[family.head for family in changed], strict=True))
    ended = [family.ended for family in changed]
    columns = [
        *heads,
        [None if e is None else e.at for e in ended],
        [None if e is None else e.reason.value for e in ended],
    ]
    encoded = [_ENCODERS[kind](column) for (_, kind), column in zip(_MOVED, columns, strict=True)]  # type: ignore[operator]
    return [arrays.octets([family.id for family in changed]), *encoded]


def _told(told: Sequence[Event]) -> list[bytes]:
    at, what, client, account, family, session, reason, generation, network, agent, detail = zip(*told, strict=True)
    texts, integers = arrays.texts, arrays.integers
    return [
        arrays.octets([events.family_key(name) for name in family]), integers(at), texts(what), texts(client),
        texts(account), texts(session), texts(reason), integers(generation), texts(network), texts(agent),
        texts(detail),
    ]  # fmt: skip
