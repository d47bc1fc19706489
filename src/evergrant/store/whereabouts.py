"""Where a store is: a file in the data directory, or a database named by a URL. Chooses the adapter, and nothing else.

What lives here: opening, looking whether there is a store, migrating, the same for both. What must not: configuration
(it names the folder and the URL), keys. The driver of a store that nobody asked for is never loaded.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from evergrant.store.port import Store, StoreUnusable


class Whereabouts(NamedTuple):
    """*url* is empty for the SQLite file in *folder*. *connections* is how many a database's store may hold."""

    folder: Path
    url: str = ""
    connections: int = 10

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"Whereabouts({self.shown!r})"

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for a database."""
        from evergrant.store.sqlite import FILE_NAME

        return None if self.url else self.folder / FILE_NAME

    @property
    def shown(self) -> str:
        """For people: the file, or the URL without its password."""
        if self.file is not None:
            return str(self.file)
        from evergrant.store.postgres.connection import address

        return address(self.url).shown

    def exists(self) -> bool:
        """Whether an issuer was ever set up there. Raises `StoreUnusable`."""
        if self.file is not None:
            return self.file.exists()
        from evergrant.store.postgres.connection import address
        from evergrant.store.postgres.migrate import is_there

        return is_there(address(self.url))

    def is_keyed(self) -> bool:
        """Whether it holds keys already, which only the key-encryption key that sealed them opens. `StoreUnusable`."""
        if self.file is not None:
            return self.file.exists()
        from evergrant.store.postgres.connection import address
        from evergrant.store.postgres.migrate import is_keyed

        return is_keyed(address(self.url))

    def pending(self) -> list[str]:
        """Migrations to apply, by name. Raises `StoreUnusable`."""
        if self.file is not None:
            from evergrant.store.sqlite import migrate as sqlite

            return sqlite.pending(self.file)
        from evergrant.store.postgres import migrate as postgres
        from evergrant.store.postgres.connection import address

        return postgres.pending(address(self.url))

    def migrate(self) -> list[str]:
        """Bring it up to this release; the names of what was applied. Raises `StoreUnusable`."""
        if self.file is not None:
            from evergrant.store.sqlite import migrate as sqlite

            return sqlite.migrate(self.file)
        from evergrant.store.postgres import migrate as postgres
        from evergrant.store.postgres.connection import address

        return postgres.migrate(address(self.url))

    def losing(self, now: int) -> str:
        """What there would lose commits that were acknowledged, as a sentence; empty for nothing. `StoreUnusable`."""
        if self.file is not None:
            return ""
        from evergrant.store.postgres.examine import examine

        return examine(self.url, now).losing

    def open(self, committed: Callable[[int], None] = lambda _: None) -> Store:
        """Open it, making or migrating it as needed; *committed* is told the size of every batch of settles.

        Raises `StoreUnusable` with one sentence.
        """
        if self.file is not None:
            from evergrant.store.sqlite import SqliteStore

            _make(self.folder)
            return SqliteStore.open(self.file, committed)
        from evergrant.store.postgres import PostgresStore

        return PostgresStore.open(self.url, committed, self.connections)


def _make(folder: Path) -> None:
    """The data directory, made with mode 0700 when it is missing. Raises `StoreUnusable`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnusable(f"{folder}: the data directory cannot be made: {error.strerror}") from error
