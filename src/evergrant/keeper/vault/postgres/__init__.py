"""The shared vault: one PostgreSQL database, any number of hosts, durable to the last commit.

What lives here: SQL about connections, their records, claims and intents, its migrations, and how one transaction is
asked. What must not: opening a connection, naming its troubles, applying a migration; that is
`evergrant.store.postgres`. Nothing here compares: that is `keeper.vault.comparing`, the same for every vault.

Every verb that writes to a connection locks its row first and reads after that: verbs on one connection follow each
other, verbs on different ones never wait for each other, and nobody waits while holding two connections' rows, but
for a re-wrap, which takes them in the order of their ids.
"""

from evergrant.keeper.vault.postgres.transactions import ROOM
from evergrant.keeper.vault.postgres.vault import PostgresVault, is_there, shown

__all__ = ["ROOM", "PostgresVault", "is_there", "shown"]
