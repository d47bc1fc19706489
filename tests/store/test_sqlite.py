"""The embedded store keeps the contract, from several processes too."""

from functools import partial

import pytest

from evergrant.store.sqlite import SqliteStore
from evergrant.testing.contract.processes import ProcessesContract
from evergrant.testing.store_contract import DurableStoreContract


class TestSqlite(DurableStoreContract):
    @pytest.fixture
    def opener(self, tmp_path):
        return partial(SqliteStore.open, tmp_path / "evergrant.sqlite")


@pytest.mark.long
class TestSqliteInProcesses(ProcessesContract):
    @pytest.fixture
    def opener(self, tmp_path):
        return partial(SqliteStore.open, tmp_path / "evergrant.sqlite")
