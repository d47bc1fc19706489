"""Numbered SQL files, applied once each by one migrator at a time, with checksums, so that a changed past is noticed.

Each file says at its head of which kind it is and how old a release may be that goes on working beside it:

    -- kind: expand
    -- works with: 0001

*expand* adds what an older release does not miss, so that nodes of both releases run together while the new one rolls
out; *contract* removes what only older releases needed. `works with` is the newest migration that a release must know
to keep working after this one: the number of its predecessor for an expansion, its own for a contraction, as a rule.
A database from the future is refused unless all that is unknown in it works with what this release knows.

The same runner serves the issuer's tables and the keeper's vault: a `Room` names the folder of SQL and the database
schema that its tables, and the table of its migrations, live in.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final, LiteralString, NamedTuple

import psycopg
from psycopg import errors, sql

from evergrant.store.port import StoreUnusable
from evergrant.store.postgres.bulk import AWAY
from evergrant.store.postgres.connection import Address, Connection, connect, sentence

LONGEST_WAIT: Final = "120s"
LONGEST_HOLD_UP: Final = "1s"
ATTEMPTS: Final = 60


class Room(NamedTuple):
    """Whose tables: *package* has a folder `migrations` with the SQL, *schema* is the database schema they live in."""

    package: str
    schema: str


ISSUER: Final = Room("evergrant.store.postgres", "evergrant")


class Step(NamedTuple):
    """One migration: its number, file name, kind, the migration a release must know to work with it, SQL, checksum."""

    number: int
    name: str
    kind: str
    works_with: int
    sql: str
    checksum: str


_HEAD: Final = re.compile(r"-- kind: (expand|contract)\n-- works with: (\d{4})\n")


def steps(room: Room = ISSUER) -> list[Step]:
    """Every migration this release knows for *room*, in order."""
    folder = files(room.package) / "migrations"
    found = sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name)
    return [step(item.name, item.read_text(encoding="utf-8")) for item in found]


def step(name: str, text: str) -> Step:
    """Read one file. Raises `ValueError` when its head does not say its kind."""
    head = _HEAD.match(text)
    if head is None:
        msg = f"{name} does not begin with its kind and what it works with"
        raise ValueError(msg)
    return Step(int(name[:4]), name, head[1], int(head[2]), text, sha256(text.encode()).hexdigest())


def migrate(place: Address, room: Room = ISSUER, known: Sequence[Step] | None = None) -> list[str]:
    """Bring *room* up to this release; the names of what was applied. Raises `StoreUnusable`."""
    known = steps(room) if known is None else known
    connection = connect(place)
    try:
        for attempt in range(ATTEMPTS):
            try:
                return _migrated(place, connection, room, known)
            except errors.LockNotAvailable:
                if attempt + 1 == ATTEMPTS:
                    raise
                connection.execute("SELECT pg_sleep(1)")  # whoever queued behind us goes first
    except psycopg.Error as error:
        raise StoreUnusable(sentence(place, error)) from error
    finally:
        connection.close()
    raise AssertionError("unreachable")


def _migrated(place: Address, connection: Connection, room: Room, known: Sequence[Step]) -> list[str]:
    if not _missing(place, connection, room, known):
        return []
    with connection.transaction():
        _lock(connection, room)
        missing = _missing(place, connection, room, known)
        _make_room(connection, room)
        # Whoever waits for a table's lock holds up everybody who comes after: a refresh must not wait for a backup
        # that we wait for.
        connection.execute("SELECT set_config('lock_timeout', %s, true)", (LONGEST_HOLD_UP,))
        for one in missing:
            connection.execute(one.sql)
            connection.execute(
                _named(room, "INSERT INTO {} (number, name, kind, works_with, checksum) VALUES (%s, %s, %s, %s, %s)"),
                (one.number, one.name, one.kind, one.works_with, one.checksum),
            )
    return [one.name for one in missing]


def pending(place: Address, room: Room = ISSUER, known: Sequence[Step] | None = None) -> list[str]:
    """What `migrate` would apply, by name. Raises `StoreUnusable`."""
    known = steps(room) if known is None else known
    connection = connect(place, read_only=True)
    try:
        return [one.name for one in _missing(place, connection, room, known)]
    except psycopg.Error as error:
        raise StoreUnusable(sentence(place, error)) from error
    finally:
        connection.close()


def is_there(place: Address, room: Room = ISSUER) -> bool:
    """Whether *room* was ever set up in the database. Raises `StoreUnusable`."""
    connection = connect(place, read_only=True)
    try:
        return bool(_applied(connection, room))
    except psycopg.Error as error:
        raise StoreUnusable(sentence(place, error)) from error
    finally:
        connection.close()


def whither(place: Address, room: Room = ISSUER) -> str:
    """Where everything in *room* was moved to; empty when it was not. Raises `StoreUnusable`."""
    connection = connect(place, read_only=True)
    try:
        return str(_applied(connection, room).get(AWAY, ("", ""))[1])
    except psycopg.Error as error:
        raise StoreUnusable(sentence(place, error)) from error
    finally:
        connection.close()


def is_keyed(place: Address) -> bool:
    """Whether the issuer's tables hold keys. Raises `StoreUnusable`."""
    connection = connect(place, read_only=True)
    try:
        if not _applied(connection, ISSUER):
            return False
        return bool(connection.execute("SELECT FROM evergrant.key_ LIMIT 1").fetchall())
    except psycopg.Error as error:
        raise StoreUnusable(sentence(place, error)) from error
    finally:
        connection.close()


def _named(room: Room, text: LiteralString) -> sql.Composed:
    return sql.SQL(text).format(sql.Identifier(room.schema, "migration"))


def _lock(connection: Connection, room: Room) -> None:
    """One migrator at a time; the lock goes with the transaction, however it ends."""
    number = int.from_bytes(sha256(f"evergrant migrate {room.schema}".encode()).digest()[:8], "big", signed=True)
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (LONGEST_WAIT,))
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (number,))


def _make_room(connection: Connection, room: Room) -> None:
    if not connection.execute("SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s", (room.schema,)).fetchall():
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(room.schema)))
    if _applied(connection, room):
        return
    connection.execute(
        _named(
            room,
            "CREATE TABLE IF NOT EXISTS {} (number int PRIMARY KEY, name text NOT NULL, kind text NOT NULL,"
            " works_with int NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
        )
    )


# Asked of the catalog's rows: a name once looked up in vain may be remembered as missing until the transaction ends.
_THERE: Final = (
    "SELECT FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace"
    " WHERE nspname = %s AND relname = 'migration'"
)


def _applied(connection: Connection, room: Room) -> dict[int, Any]:
    if not connection.execute(_THERE, (room.schema,)).fetchall():
        return {}
    rows = connection.execute(_named(room, "SELECT number, name, works_with, checksum FROM {}"))
    return {row[0]: row for row in rows}


def _missing(place: Address, connection: Connection, room: Room, known: Sequence[Step]) -> list[Step]:
    """What is still to be applied. Raises `StoreUnusable` when this release must not touch the database."""
    done = _applied(connection, room)
    if AWAY in done:
        raise StoreUnusable(f"{place.shown}: everything in it was moved to {done[AWAY][1]}; let the server use that")
    newest = max((one.number for one in known), default=0)
    for number, name, works_with, _ in done.values():
        if number > newest and works_with > newest:
            msg = f"{place.shown}: made by a newer release ({name}; this one knows {newest:04}); upgrade Evergrant"
            raise StoreUnusable(msg)
    for one in known:
        if one.number in done and done[one.number][3] != one.checksum:
            msg = (
                f"{place.shown}: migration {one.name} is not the one that was applied; this is not an Evergrant release"
            )
            raise StoreUnusable(msg)
    return [one for one in known if one.number not in done]
