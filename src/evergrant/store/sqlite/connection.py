"""Opening one SQLite connection the one way that is safe here, and naming what goes wrong in the port's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from evergrant.store.port import StoreUnavailable, StoreUnusable

# SQLite 3.7.0 to 3.51.2 has a WAL-reset race with two writing connections (attack O-06); 3.52.0 was withdrawn.
OLDEST_SAFE: Final = (3, 51, 3)
WITHDRAWN: Final = (3, 52, 0)
BUSY_MILLISECONDS: Final = 5_000

Connection = apsw.Connection


def check_library() -> None:
    """Refuse a SQLite library that can corrupt a shared WAL file. Raises `StoreUnusable`."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < OLDEST_SAFE or version == WITHDRAWN:
        msg = f"SQLite {apsw.sqlite_lib_version()} can corrupt a file shared by processes; install apsw 3.51.3 or newer"
        raise StoreUnusable(msg)


def connect(path: Path, *, read_only: bool = False) -> Connection:
    """A connection with durability set: WAL, `synchronous=FULL` (attack O-07), no mmap. Raises `StoreUnusable`."""
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        # SQLite opens a file it may not write for reading; a server would start and then refuse every refresh.
        if connection.readonly("main") and not read_only:
            raise StoreUnusable(sentence(path, apsw.ReadOnlyError()))
        mode = connection.pragma("journal_mode", "wal")
        if mode != "wal":
            msg = f"{path}: the file system does not allow write-ahead logging (journal_mode is {mode})"
            raise StoreUnusable(msg)
        connection.pragma("synchronous", "full")
        connection.pragma("mmap_size", 0)
        connection.pragma("wal_autocheckpoint", 4_000)
        if read_only:
            connection.pragma("query_only", 1)
    except apsw.Error as error:
        raise StoreUnusable(sentence(path, error)) from error
    return connection


_SENTENCES: Final[tuple[tuple[type[apsw.Error], str], ...]] = (
    (apsw.FullError, "the disk is full"),
    (apsw.ReadOnlyError, "the file or its folder is read-only"),
    (apsw.CantOpenError, "the file cannot be opened"),
    (apsw.NotADBError, "this is not a SQLite database"),
    (apsw.CorruptError, "the database is damaged; restore it from a backup"),
    (apsw.BusyError, "another process holds the database"),
    (apsw.IOError, "the disk answered with an error"),
    (apsw.PermissionsError, "access was denied"),
)


GONE: Final = "its tables have gone"


def sentence(path: Path, error: apsw.Error) -> str:
    """What went wrong with *path*, for a person."""
    if isinstance(error, apsw.SQLError) and "no such table" in str(error):
        return f"{path}: {GONE}; if it was moved to another store, let the server use that ({error})"
    for kind, words in _SENTENCES:
        if isinstance(error, kind):
            return f"{path}: {words}"
    return f"{path}: {error}"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn a driver's error into `StoreUnavailable`; nothing of the driver leaves this room."""
    try:
        yield
    except apsw.Error as error:
        raise StoreUnavailable(sentence(path, error)) from error
    except StoreUnusable as error:
        raise StoreUnavailable(str(error)) from error
