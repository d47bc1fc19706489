"""The reference vault keeps the contract."""

import pytest

from evergrant.keeper.vault.memory import MemoryVault
from evergrant.keeper.vault.port import VaultUnavailable
from evergrant.testing.vault_contract import VaultContract
from evergrant.testing.vault_contract.fixtures import ACME, connection


class TestMemory(VaultContract):
    @pytest.fixture
    def opener(self):
        return MemoryVault


async def test_a_closed_vault_says_so():
    vault = MemoryVault()
    await vault.close()
    with pytest.raises(VaultUnavailable):
        await vault.load(ACME, "con")
    with pytest.raises(VaultUnavailable):
        await vault.add(connection())
