"""The shared vault keeps the contract behind a transaction pooler too, where no session is anybody's own."""

from functools import partial

import pytest

from evergrant.keeper.vault.postgres import PostgresVault
from evergrant.testing.vault_contract import SharedVaultContract
from tests.pooler import pooled

pytestmark = pytest.mark.needs("postgres", "pgbouncer")


@pytest.fixture(scope="module")
def pooler(postgres):
    with pooled(postgres) as url:
        yield url


class TestPooled(SharedVaultContract):
    @pytest.fixture
    def opener(self, pooler, vault_url):
        return partial(PostgresVault.open, f"{pooler}/{vault_url.rpartition('/')[2]}")
