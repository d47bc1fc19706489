"""Whole tables of a database: what their sizes cost to know."""

import pytest

from evergrant.store.postgres.asking import Asking
from evergrant.store.postgres.bulk import IssuerBulk
from evergrant.store.postgres.connection import address, connect
from evergrant.store.postgres.migrate import migrate

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.long]


def test_many_rows_are_not_counted_one_by_one(postgres, database):
    migrate(address(database))
    with connect(address(database)) as connection:
        bulk = IssuerBulk(Asking(connection))
        assert (bulk.counts()["family"], bulk.counts()["event"], bulk.counts()["meta"]) == (0, 0, 3)
        for table, rows in (("family", 10_000_000), ("event_other", 90_000_000), ("account", 999_999)):
            noted = f"UPDATE pg_class SET reltuples = {rows} WHERE oid = 'evergrant.{table}'::regclass"
            postgres.execute(noted, database)
        counts = bulk.counts()
    assert (counts["family"], counts["event"], counts["account"]) == (10_000_000, 90_000_000, 0)
