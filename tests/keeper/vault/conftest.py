"""The contract's assertions are rewritten, so that a failure shows its values; and the vault in a database."""

import pytest

from tests.keeper.vault.emptied import vault_database, vault_url

__all__ = ["vault_database", "vault_url"]

pytest.register_assert_rewrite("evergrant.testing")
