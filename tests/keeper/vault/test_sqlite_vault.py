"""The embedded vault keeps the contract, from several processes too."""

from functools import partial

import pytest

from evergrant.keeper.vault.sqlite import SqliteVault
from evergrant.testing.vault_contract import SharedVaultContract


class TestSqlite(SharedVaultContract):
    @pytest.fixture
    def opener(self, tmp_path):
        return partial(SqliteVault.open, tmp_path / "keeper.db")
