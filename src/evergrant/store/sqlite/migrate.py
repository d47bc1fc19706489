"""Numbered SQL files, applied once each under the write lock, with checksums, so that a changed past is noticed.

A database from the future is refused: an old release must not write what it does not understand.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from evergrant.store.port import StoreUnusable
from evergrant.store.sqlite.bulk import AWAY
from evergrant.store.sqlite.connection import Connection, connect, sentence


class Step(NamedTuple):
    """One migration: its number, file name, SQL and checksum."""

    number: int
    name: str
    sql: str
    checksum: str


def steps(room: str = "evergrant.store.sqlite") -> list[Step]:
    """Every migration this release knows for the databases of *room*, a package with a folder of them; in order."""
    folder = files(room) / "migrations"
    found = sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name)
    texts = [(item.name, item.read_text(encoding="utf-8")) for item in found]
    return [Step(int(name[:4]), name, sql, sha256(sql.encode()).hexdigest()) for name, sql in texts]


def migrate(path: Path, known: Sequence[Step] | None = None) -> list[str]:
    """Bring the file up to this release; the names of what was applied. Raises `StoreUnusable`."""
    known = steps() if known is None else known
    _claim(path)
    connection = connect(path)
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migration"
            " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
        )
        return _apply(path, connection, known)
    except apsw.Error as error:
        raise StoreUnusable(sentence(path, error)) from error
    finally:
        # Closing copies the log into the file; where the disk refuses that, the next to open does it.
        with suppress(apsw.Error):
            connection.close()


def _claim(path: Path) -> None:
    """Make the file, where it is missing, for its owner alone; SQLite gives its log and its index the same mode."""
    with suppress(OSError):  # SQLite meets the same trouble, and it has the sentences
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def pending(path: Path, known: Sequence[Step] | None = None) -> list[str]:
    """What `migrate` would apply, by name. Raises `StoreUnusable`."""
    known = steps() if known is None else known
    connection = connect(path, read_only=True)
    try:
        tables: list[Any] = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'migration'").fetchall()
        return [step.name for step in (_missing(path, connection, known) if tables[0][0] else known)]
    except apsw.Error as error:
        raise StoreUnusable(sentence(path, error)) from error
    finally:
        with suppress(apsw.Error):
            connection.close()


def whither(path: Path) -> str:
    """Where everything in the file was moved to; empty when it was not. Raises `StoreUnusable`."""
    connection = connect(path, read_only=True)
    try:
        rows: list[Any] = connection.execute("SELECT name FROM migration WHERE number = ?", (AWAY,)).fetchall()
    except apsw.Error as error:
        raise StoreUnusable(sentence(path, error)) from error
    finally:
        with suppress(apsw.Error):
            connection.close()
    return str(rows[0][0]) if rows else ""


def _apply(path: Path, connection: Connection, known: Sequence[Step]) -> list[str]:
    if not _missing(path, connection, known):
        return []  # without the lock: a file that another process holds can be opened all the same
    connection.execute("BEGIN IMMEDIATE")
    try:
        applied = _missing(path, connection, known)
        for step in applied:
            connection.execute(step.sql)
            connection.execute("INSERT INTO migration VALUES (?, ?, ?)", (step.number, step.name, step.checksum))
        connection.execute("COMMIT")
    except BaseException:
        # A full disk has rolled back already; a second try would hide the reason behind its own error.
        if not connection.get_autocommit():
            connection.execute("ROLLBACK")
        raise
    return [step.name for step in applied]


def _missing(path: Path, connection: Connection, known: Sequence[Step]) -> list[Step]:
    rows: list[Any] = connection.execute("SELECT number, name, checksum FROM migration").fetchall()
    done = {row[0]: row[1:] for row in rows}
    _check(path, done, known)
    return [step for step in known if step.number not in done]


def _check(path: Path, done: dict[int, tuple[str, str]], known: Sequence[Step]) -> None:
    first = known[0] if known else None
    if first is not None and done.get(first.number, (first.name,))[0] != first.name:
        msg = f"{path}: this is another kind of database ({done[first.number][0]} made it, not {first.name})"
        raise StoreUnusable(msg)
    if AWAY in done:
        msg = f"{path}: everything in it was moved to {done[AWAY][0]}; let the server use that"
        raise StoreUnusable(msg)
    newest = max((step.number for step in known), default=0)
    if done and max(done) > newest:
        msg = f"{path}: made by a newer release (schema {max(done)}, this one knows {newest}); upgrade Evergrant"
        raise StoreUnusable(msg)
    for step in known:
        if step.number in done and done[step.number][1] != step.checksum:
            msg = f"{path}: migration {step.name} is not the one that was applied; this is not an Evergrant release"
            raise StoreUnusable(msg)
