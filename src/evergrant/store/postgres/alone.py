"""Whether somebody else has the database open, and opening again what was left for another store."""

from collections.abc import Callable
from typing import Final

import psycopg

from evergrant.store.port import StoreUnusable
from evergrant.store.postgres.asking import Asking
from evergrant.store.postgres.bulk import IssuerBulk, PostgresBulk
from evergrant.store.postgres.connection import Address, connect, sentence, translated

_OTHERS: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND split_part(application_name, ':', 1) = split_part(current_setting('application_name'), ':', 1)"
)


def in_use(place: Address) -> bool:
    """Whether any other session of the same name is connected. Raises `StoreUnusable`, `StoreUnavailable`."""
    connection = connect(place, read_only=True)
    try:
        with translated(place):
            row = connection.execute(_OTHERS).fetchone()
        return bool(row and row[0])
    finally:
        connection.close()


def reopen(place: Address, tables: Callable[[Asking], PostgresBulk] = IssuerBulk) -> None:
    """Give a store back what was left for another one. Raises `StoreUnusable`, also when it was not left."""
    connection = connect(place)
    try:
        with connection.transaction():
            tables(Asking(connection)).come_back()
    except psycopg.errors.UndefinedTable as error:
        raise StoreUnusable(f"{place.shown}: it was not moved away, or is no Evergrant database") from error
    except psycopg.Error as error:
        raise StoreUnusable(sentence(place, error)) from error
    finally:
        connection.close()
