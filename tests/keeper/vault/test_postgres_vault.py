"""The shared vault keeps the contract, from several processes too."""

from functools import partial

import pytest

from evergrant.keeper.vault.postgres import ROOM, PostgresVault
from evergrant.store.postgres.connection import address
from evergrant.store.postgres.migrate import migrate
from evergrant.testing.vault_contract import SharedVaultContract


@pytest.mark.needs("postgres")
class TestPostgres(SharedVaultContract):
    @pytest.fixture
    def opener(self, postgres):
        url = postgres.migrated("vault", lambda url: migrate(address(url), ROOM))
        yield partial(PostgresVault.open, url)
        postgres.drop(url)
