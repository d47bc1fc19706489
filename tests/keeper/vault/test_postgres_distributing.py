"""The vault spread over machines: its statements name the column that tells which machine."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from evergrant.keeper.connection import MAIN
from evergrant.keeper.vault.port import Vault
from evergrant.keeper.vault.postgres.asking import Asking
from evergrant.keeper.vault.postgres.distributing import HOT, VAULT, routes, spread
from evergrant.keeper.vault.postgres.vault import PostgresVault
from evergrant.store.port import StoreUnusable
from evergrant.store.postgres.connection import address, connect
from evergrant.store.postgres.distributing import explained, statements
from evergrant.testing.vault_contract import fixtures as made
from evergrant.testing.vault_contract.claiming import ClaimingContract
from evergrant.testing.vault_contract.rewrapping import RewrappingContract
from evergrant.testing.vault_contract.sweeping import SweepingContract
from evergrant.testing.vault_contract.trail import TrailContract

pytestmark = pytest.mark.needs("postgres")
COLUMN = {table: column for table, column, _ in VAULT.spread}
TABLE = re.compile(r"(?:FROM|JOIN|UPDATE|INTO) (?:evergrant_keeper\.)?(\w+)")


def opened(url: str, clock: Any = None, **how: Any) -> PostgresVault:
    return PostgresVault(address(url), clock, **how)


@pytest.mark.long
class TestSpread(ClaimingContract, SweepingContract, RewrappingContract, TrailContract):
    """The same promises with the statements of a distributed engine."""

    @pytest.fixture
    def opener(self, vault_url: str) -> Callable[..., Vault]:
        return partial(opened, vault_url, distributed=True)


@pytest.fixture
async def asked(vault_url: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement of a lease, a refresh and what is noted beside it."""
    told: list[str] = []
    send = Asking.send

    def noted(self: Asking, sql: Any, values: Any = ()) -> Any:
        told.append(sql)
        return send(self, sql, values)

    vault = opened(vault_url, distributed=True)
    connection = await made.connected(vault)
    monkeypatch.setattr(Asking, "send", noted)
    assert await vault.load(connection.tenant, connection.id)
    claim = await vault.renew(await made.claimed(vault, connection), 60)
    intent = made.intent(claim)
    await vault.intend(claim, intent, 1)
    await vault.journal(intent.id, b"reply", made.NOW)
    seen = (await made.found(vault, connection)).intents[MAIN]
    change = made.step(
        connection, claim=claim, intent=made.closed(seen), release=True, records=[made.record(connection, 2)],
        events=[made.event(1, connection.id)],
    )  # fmt: skip
    await vault.change(change)
    await vault.touch(connection.id, MAIN, made.NOW)
    monkeypatch.setattr(Asking, "send", send)
    await vault.close()
    return [sql for sql in told if not sql.startswith(("SELECT pg_current", "SELECT 1 FROM told", "SELECT extract"))]


def named(sql: str) -> bool:
    """Whether a statement says by equality to which connection it belongs."""
    table = TABLE.search(sql)
    assert table is not None, sql
    if table[1] not in COLUMN:
        return table[1] in VAULT.everywhere
    if sql.startswith("INSERT"):
        columns = sql[sql.index("(") + 1 : sql.index(")")].split(", ")
        return COLUMN[table[1]] in columns
    return re.search(rf"WHERE (.* AND )?(\w\.)?{COLUMN[table[1]]} = %s", sql) is not None and " OR " not in sql


async def test_every_statement_of_a_refresh_names_its_connection(asked: list[str]) -> None:
    tables = {TABLE.search(sql)[1] for sql in asked}
    assert {"connection", "record", "claim", "intent", "told"} <= tables
    assert [sql for sql in asked if not named(sql) and "trail" not in sql] == []


def test_what_belongs_to_a_connection_lies_beside_it_and_is_unique_only_there(vault_url: str) -> None:
    """Citus keeps unique only what names the distribution column, and no reference from one shard to another."""
    assert statements(VAULT)[1] == (
        "SELECT create_distributed_table('evergrant_keeper.tag', 'connection_id',"
        " colocate_with => 'evergrant_keeper.connection')"
    )
    with connect(address(vault_url)) as connection:
        there = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'evergrant_keeper'::regnamespace AND relkind = 'r'"
            " AND relname <> 'migration'"
        ).fetchall()
        assert {row[0] for row in there} == set(COLUMN) | set(VAULT.everywhere)
        for table, column in COLUMN.items():
            unique = connection.execute(
                "SELECT array_agg(a.attname::text) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
                f" AND a.attnum = ANY(i.indkey) WHERE i.indrelid = 'evergrant_keeper.{table}'::regclass"
                " AND i.indisunique GROUP BY i.indexrelid"
            ).fetchall()
            assert unique
            assert all(column in row[0] for row in unique), table
        foreign = (
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'evergrant_keeper'::regnamespace"
        )
        assert connection.execute(foreign).fetchone() == (0,)


def test_the_doctor_asks_about_a_statement_of_each_kind(vault_url: str) -> None:
    assert routes(vault_url) == []
    assert {named(re.sub(r"'con_a'", "%s", sql)) for sql in HOT.values()} == {True}
    found = explained(address(vault_url), HOT)
    assert [route.statement for route in found] == list(HOT)
    assert {route.shards for route in found} == {0}


def test_a_vault_is_not_spread_where_the_extension_is_missing(vault_url: str) -> None:
    with pytest.raises(StoreUnusable, match="the extension citus is not there; run: CREATE EXTENSION citus"):
        spread(vault_url)
