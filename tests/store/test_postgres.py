"""The shared store keeps the contract, from several processes too."""

from functools import partial

import pytest

from evergrant.store.postgres import PostgresStore
from evergrant.testing.store_contract import SharedStoreContract


@pytest.mark.long
@pytest.mark.needs("postgres")
class TestPostgres(SharedStoreContract):
    @pytest.fixture
    def opener(self, database):
        return partial(PostgresStore.open, database)
