"""The contract of every vault, as pytest classes: subclass one, override `opener`, and every promise is a test.

    class TestMine(DurableVaultContract):
        @pytest.fixture
        def opener(self, tmp_path):
            return functools.partial(MyVault.open, tmp_path / "mine")

What lives here: promises every vault keeps. What must not: a promise about one vault's files, SQL or library; those
are tested where that vault's own tests are.
`VaultContract` is for a vault that lives in one process; `DurableVaultContract` adds what outlives it;
`SharedVaultContract` adds several processes at once and needs an `opener` that can be pickled.
Async tests: pytest-asyncio in mode `auto`.
"""

from evergrant.testing.vault_contract.changing import ChangingContract
from evergrant.testing.vault_contract.claiming import ClaimingContract
from evergrant.testing.vault_contract.finding import FindingContract
from evergrant.testing.vault_contract.intending import IntendingContract
from evergrant.testing.vault_contract.keeping import KeepingContract
from evergrant.testing.vault_contract.lasting import DurableContract
from evergrant.testing.vault_contract.processes import ProcessesContract
from evergrant.testing.vault_contract.rewrapping import RewrappingContract
from evergrant.testing.vault_contract.sweeping import SweepingContract
from evergrant.testing.vault_contract.trail import TrailContract


class VaultContract(
    FindingContract,
    ChangingContract,
    ClaimingContract,
    IntendingContract,
    KeepingContract,
    RewrappingContract,
    SweepingContract,
    TrailContract,
):
    """Every promise of `evergrant.keeper.vault.port`."""


class DurableVaultContract(VaultContract, DurableContract):
    """And it is there when the vault is opened again."""


class SharedVaultContract(DurableVaultContract, ProcessesContract):
    """And several processes may open it at once."""


__all__ = ["DurableVaultContract", "SharedVaultContract", "VaultContract"]
