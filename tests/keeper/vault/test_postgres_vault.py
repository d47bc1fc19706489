"""The shared vault keeps the contract, from several processes too."""

from functools import partial

import pytest

from evergrant.keeper.vault.postgres import PostgresVault
from evergrant.testing.vault_contract import SharedVaultContract


@pytest.mark.needs("postgres")
class TestPostgres(SharedVaultContract):
    @pytest.fixture
    def opener(self, vault_url):
        return partial(PostgresVault.open, vault_url)
