"""The embedded vault: one SQLite file, several processes, durable to the last commit.

What lives here: SQL about connections, their records, claims and intents, and its migrations. What must not: opening a
file, committing a batch, applying a migration; that is `evergrant.store.sqlite`. Nothing here compares: that is
`keeper.vault.comparing`, the same for every vault.
"""

from typing import Final

from evergrant.keeper.vault.sqlite.vault import SqliteVault, vault_steps

FILE_NAME: Final = "keeper.db"

__all__ = ["FILE_NAME", "SqliteVault", "vault_steps"]
