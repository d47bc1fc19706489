"""The contract of every store, as pytest classes: subclass one, override `opener`, and every promise is a test.

    class TestMine(DurableStoreContract):
        @pytest.fixture
        def opener(self, tmp_path):
            return functools.partial(MyStore.open, tmp_path / "mine")

`StoreContract` is for a store that lives in one process; `DurableStoreContract` adds what outlives it;
`SharedStoreContract` adds several processes at once and needs an `opener` that can be pickled.
Async tests: pytest-asyncio in mode `auto`. For readable failures, call
`pytest.register_assert_rewrite("evergrant.testing")` in a conftest before importing this.
"""

from evergrant.testing.contract.ending import EndingContract
from evergrant.testing.contract.lasting import DurableContract, ReadingContract
from evergrant.testing.contract.losing import LosingContract
from evergrant.testing.contract.processes import ProcessesContract
from evergrant.testing.contract.racing import RacingContract
from evergrant.testing.contract.records import RecordsContract
from evergrant.testing.contract.settling import SettlingContract
from evergrant.testing.contract.sweeping import SweepingContract
from evergrant.testing.contract.telling import TellingContract
from evergrant.testing.contract.trail import TrailContract


class StoreContract(
    SettlingContract,
    RacingContract,
    EndingContract,
    TellingContract,
    RecordsContract,
    TrailContract,
    SweepingContract,
    LosingContract,
    ReadingContract,
):
    """Every promise of `evergrant.store.port`."""


class DurableStoreContract(StoreContract, DurableContract):
    """And it is there when the store is opened again."""


class SharedStoreContract(DurableStoreContract, ProcessesContract):
    """And several processes may open it at once."""


__all__ = ["DurableStoreContract", "SharedStoreContract", "StoreContract"]
