"""The shared store keeps the contract, from several processes too."""

from functools import partial

import pytest

from evergrant.store.postgres import PostgresStore
from evergrant.testing.contract.records import RecordsContract
from evergrant.testing.store_contract import SharedStoreContract


@pytest.mark.long
@pytest.mark.needs("postgres")
class TestPostgres(SharedStoreContract):
    @pytest.fixture
    def opener(self, database):
        return partial(PostgresStore.open, database)


@pytest.fixture(scope="module")
def english(postgres):
    postgres.execute(
        "CREATE DATABASE evergrant_english TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"
        " LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
    )
    yield postgres.url_of("evergrant_english")
    postgres.drop(postgres.url_of("evergrant_english"))


@pytest.mark.long
@pytest.mark.needs("postgres")
class TestWhereTextIsSortedForPeople(RecordsContract):
    """A database whose texts are sorted as a language does keeps keys in the order every store does."""

    @pytest.fixture
    def opener(self, postgres, english):
        postgres.execute("DROP SCHEMA IF EXISTS evergrant CASCADE", english)
        return partial(PostgresStore.open, english)
