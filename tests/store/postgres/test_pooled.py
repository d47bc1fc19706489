"""The shared store keeps the contract behind a transaction pooler too, where no session is anybody's own."""

from functools import partial

import pytest

from evergrant.store.postgres import PostgresStore
from evergrant.store.postgres.connection import address, check, connect
from evergrant.testing.store_contract import SharedStoreContract
from tests.pooler import pooled

pytestmark = [pytest.mark.needs("postgres", "pgbouncer"), pytest.mark.long]


@pytest.fixture(scope="module")
def pooler(postgres):
    with pooled(postgres) as url:
        yield url


class TestPooled(SharedStoreContract):
    @pytest.fixture
    def opener(self, pooler, database):
        return partial(PostgresStore.open, f"{pooler}/{database.rpartition('/')[2]}")


def test_a_pooler_is_noticed_and_nothing_is_kept_prepared_behind_it(pooler, database):
    for url, is_pooled in ((database, False), (f"{pooler}/{database.rpartition('/')[2]}", True)):
        place = address(url)
        with connect(place) as connection:
            assert check(place, connection).pooled is is_pooled
            assert (connection.prepare_threshold is None) is is_pooled
