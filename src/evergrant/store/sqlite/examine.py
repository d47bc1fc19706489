"""Looking at a database file without changing it: what it is, how large, and whether it is whole. For `doctor`."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from evergrant.store.port import StoreUnusable
from evergrant.store.sqlite.connection import Connection, connect, sentence

MOST_PROBLEMS: Final = 10
# Instructions of SQLite's machine between two looks at the time: some milliseconds.
_STEPS: Final = 100_000


class Examined(NamedTuple):
    """What was found. *whole* is None when time ran out before every page was read; *problems* in SQLite's words."""

    version: str
    journal: str
    size: int
    log_size: int
    whole: bool | None
    problems: tuple[str, ...]


def examine(path: Path, monotonic: Callable[[], float], seconds: float) -> Examined:
    """Look at *path*, reading its pages for *seconds* at most. Raises `StoreUnusable`."""
    connection = connect(path, read_only=True)
    try:
        journal = str(connection.pragma("journal_mode"))
        whole, problems = _checked(connection, monotonic, seconds)
    except apsw.Error as error:
        raise StoreUnusable(sentence(path, error)) from error
    finally:
        with suppress(apsw.Error):
            connection.close()
    return Examined(apsw.sqlite_lib_version(), journal, _size(path), _size(Path(f"{path}-wal")), whole, problems)


def _checked(
    connection: Connection, monotonic: Callable[[], float], seconds: float
) -> tuple[bool | None, tuple[str, ...]]:
    end = monotonic() + seconds
    connection.set_progress_handler(lambda: monotonic() >= end, _STEPS)
    try:
        rows = connection.execute(f"PRAGMA quick_check({MOST_PROBLEMS})").fetchall()
    except apsw.InterruptError:
        return None, ()
    except apsw.CorruptError as error:
        return False, (str(error),)
    finally:
        connection.set_progress_handler(None)
    problems = tuple(str(row[0]) for row in rows if row[0] != "ok")
    return not problems, problems


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
