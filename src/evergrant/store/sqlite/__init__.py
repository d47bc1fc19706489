"""The embedded store: one SQLite file, several processes, durable to the last commit.

What lives here: apsw, SQL, the writer thread that commits many settles with one fsync, migrations.
What must not: a rule about tokens. Neighbours: the port is `evergrant.store.port`; record shapes
`evergrant.store.shape`.
"""

from typing import Final

from evergrant.store.sqlite.store import SqliteStore

FILE_NAME: Final = "evergrant.db"

__all__ = ["FILE_NAME", "SqliteStore"]
