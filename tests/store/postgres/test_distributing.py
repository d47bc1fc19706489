"""Spread over machines: the statements of the refresh path name the column that tells which machine."""

import re

import pytest

from evergrant.store.port import StoreUnusable
from evergrant.store.postgres import PostgresStore, routed
from evergrant.store.postgres.connection import address, connect
from evergrant.store.postgres.distributing import (
    EVERYWHERE,
    SPREAD,
    distribute,
    is_distributed,
    routes,
    shards,
    statements,
)
from evergrant.store.postgres.migrate import migrate
from evergrant.testing.contract.ending import EndingContract
from evergrant.testing.contract.racing import RacingContract
from evergrant.testing.contract.settling import SettlingContract

pytestmark = pytest.mark.needs("postgres")
# What Citus prints for a statement that goes to one shard, and for one that is asked of all (its documentation).
TO_ONE = [
    "Custom Scan (Citus Adaptive)", "  Task Count: 1", "  Tasks Shown: All", "  ->  Task",
    "        ->  Index Scan using family_pkey_102008 on family_102008 family",
]  # fmt: skip
TO_ALL = ["Custom Scan (Citus Adaptive)", "  Task Count: 32", "  Tasks Shown: One of 32"]


@pytest.mark.long
class TestRouted(SettlingContract, RacingContract, EndingContract):
    """The same promises with one statement per family."""

    @pytest.fixture
    def opener(self, database):
        migrate(address(database))
        return lambda: PostgresStore(address(database), 8, lambda _: None, distributed=True)


def test_every_statement_about_a_family_names_its_id_by_equality():
    column = {table: column for table, column, _ in SPREAD}
    about = [one for one in routed.STATEMENTS if one.values]
    assert len(about) == 5
    for statement in about:
        text = statement.text.decode()
        table = re.search(r"(?:FROM|UPDATE|INTO) evergrant\.(\w+)", text)[1]
        if text.startswith("INSERT"):
            named = text[text.index("(") + 1 : text.index(")")].split(", ")
            assert named[0] == column[table]
            assert "VALUES ($1::bytea" in text
        else:
            assert re.search(rf"WHERE {column[table]} = \$1::bytea( |$)", text)
            assert " OR " not in text


def test_a_familys_events_lie_beside_it_and_every_table_has_its_place(database):
    assert statements()[1] == (
        "SELECT create_distributed_table('evergrant.event', 'family', colocate_with => 'evergrant.family')"
    )
    place = address(database)
    migrate(place)
    with connect(place) as connection:
        there = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'evergrant'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'migration'"
        ).fetchall()
        assert {row[0] for row in there} == {table for table, _, _ in SPREAD} | set(EVERYWHERE)
        for table, column, _ in SPREAD:
            unique = connection.execute(
                "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
                f" AND a.attnum = ANY(i.indkey) WHERE i.indrelid = 'evergrant.{table}'::regclass AND i.indisunique"
            ).fetchall()
            assert {row[0] for row in unique} in ({column}, set()), "Citus keeps unique only what names the column"


def test_what_is_unique_by_itself_is_refused_where_the_extension_is_missing(database):
    place = address(database)
    migrate(place)
    assert not is_distributed(place)
    with pytest.raises(StoreUnusable, match="the extension citus is not there; run: CREATE EXTENSION citus"):
        distribute(place)


def test_the_plan_tells_how_many_shards_are_asked(database):
    assert shards(TO_ONE) == 1
    assert shards(TO_ALL) == 32
    migrate(address(database))
    found = routes(address(database))
    assert [route.statement for route in found] == [
        "evergrant_one_lock_free", "evergrant_one_known", "evergrant_one_update", "evergrant_one_insert",
    ]  # fmt: skip
    assert {route.shards for route in found} == {0}
