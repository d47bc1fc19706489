"""The embedded store keeps the contract, from several processes too."""

from functools import partial

import pytest

from evergrant.store.sqlite import SqliteStore
from evergrant.testing.store_contract import SharedStoreContract


class TestSqlite(SharedStoreContract):
    @pytest.fixture
    def opener(self, tmp_path):
        return partial(SqliteStore.open, tmp_path / "evergrant.sqlite")
