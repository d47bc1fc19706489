"""The reference store keeps the contract."""

import pytest

from evergrant.store.memory import MemoryStore
from evergrant.testing.store_contract import StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def opener(self):
        return MemoryStore
