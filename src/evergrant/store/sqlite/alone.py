"""Whether somebody else has the file open, and opening again what was left for another store."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import apsw

from evergrant.store.port import StoreUnusable
from evergrant.store.sqlite.bulk import IssuerBulk, SqliteBulk
from evergrant.store.sqlite.connection import Connection, connect, sentence


def in_use(path: Path) -> bool:
    """Whether any other connection, of whatever process, has the file open. Raises `StoreUnusable`."""
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    except apsw.Error as error:
        raise StoreUnusable(sentence(path, error)) from error
    try:
        connection.set_busy_timeout(0)
        # Every connection in write-ahead mode keeps a shared lock on the file for as long as it lives.
        connection.pragma("locking_mode", "exclusive")
        connection.execute("BEGIN IMMEDIATE; ROLLBACK")
    except apsw.BusyError:
        return True
    except apsw.Error as error:
        raise StoreUnusable(sentence(path, error)) from error
    finally:
        with suppress(apsw.Error):
            connection.close()
    return False


def reopen(path: Path, tables: Callable[[Connection], SqliteBulk] = IssuerBulk) -> None:
    """Give a store back what was left for another one. Raises `StoreUnusable`, also when it was not left."""
    connection: Connection = connect(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        tables(connection).come_back()
        connection.execute("COMMIT")
    except apsw.SQLError as error:
        raise StoreUnusable(f"{path}: it was not moved away, or is no Evergrant database") from error
    except apsw.Error as error:
        raise StoreUnusable(sentence(path, error)) from error
    finally:
        with suppress(apsw.Error):
            connection.close()
