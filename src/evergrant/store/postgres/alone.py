"""Whether somebody else has the database open."""

from typing import Final

from evergrant.store.postgres.connection import address, connect, translated

_OTHERS: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND application_name = current_setting('application_name')"
)


def in_use(url: str) -> bool:
    """Whether any other session of Evergrant is connected. Raises `StoreUnusable`, `StoreUnavailable`."""
    place = address(url)
    connection = connect(place, read_only=True)
    try:
        with translated(place):
            row = connection.execute(_OTHERS).fetchone()
        return bool(row and row[0])
    finally:
        connection.close()
