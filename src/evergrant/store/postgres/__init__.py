"""The shared store: one PostgreSQL database, any number of nodes.

What lives here: psycopg, SQL, the lines on which many settles share one commit, migrations.
What must not: a rule about tokens. Neighbours: the port is `evergrant.store.port`; record shapes
`evergrant.store.shape`; the keeper's vault opens its connections and runs its migrations through this room too.
"""

from evergrant.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
