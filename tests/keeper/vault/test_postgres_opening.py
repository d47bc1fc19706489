"""Opening the shared vault: every trouble is one sentence, and what is not its own stays as it was."""

import asyncio
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from evergrant.entropy import SystemEntropy
from evergrant.keeper import Keeper, SyncKeeper, keyring
from evergrant.keeper.connection import MAIN
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.vault.chain import verify
from evergrant.keeper.vault.port import VaultUnavailable, VaultUnusable
from evergrant.keeper.vault.postgres import ROOM, PostgresVault, is_there, shown
from evergrant.store.postgres.connection import address
from evergrant.store.postgres.migrate import ISSUER, migrate
from evergrant.testing.vault_contract.fixtures import (
    ACME,
    NOW,
    claimed,
    closed,
    connected,
    event,
    found,
    intent,
    record,
    step,
)
from tests.cluster import Cluster, free_port

pytestmark = pytest.mark.needs("postgres")


def told(url: str) -> str:
    with pytest.raises(VaultUnusable) as trouble:
        PostgresVault.open(url)
    assert "\n" not in str(trouble.value)
    assert "hunter2" not in str(trouble.value)
    return str(trouble.value)


def test_a_server_that_is_not_there_is_one_sentence_without_the_password():
    url = f"postgresql://ada:hunter2@127.0.0.1:{free_port()}/house"
    assert "cannot be reached" in told(url)
    assert "hunter2" not in shown(url)


def test_a_database_that_takes_no_writes_is_refused(postgres):
    database = postgres.database()
    postgres.execute(f'ALTER DATABASE "{database.rpartition("/")[2]}" SET default_transaction_read_only = on')
    assert "read-only" in told(database)


def test_an_issuers_database_is_no_vault_and_may_become_one_beside_it(postgres, database):
    migrate(address(database), ISSUER)
    assert not is_there(database)
    before = postgres.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'evergrant'", database)
    asyncio.run(PostgresVault.open(database).close())
    assert is_there(database)
    assert postgres.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'evergrant'", database) == before


def test_a_vault_of_a_newer_release_is_refused(postgres, database):
    migrate(address(database), ROOM)
    postgres.execute(
        "INSERT INTO evergrant_keeper.migration (number, name, kind, works_with, checksum)"
        " VALUES (8000, '8000_later.sql', 'contract', 8000, 'x')", database
    )  # fmt: skip
    assert "newer release" in told(database)


def test_a_shared_vault_wants_its_key_named(database):
    with pytest.raises(BadRequest, match="name the key they share"):
        asyncio.run(Keeper.open(database).rooms())


def test_hosts_with_different_keys_are_told_apart(database, tmp_path):
    files = [tmp_path / "one.key", tmp_path / "other.key"]
    for file in files:
        keyring.from_file(file, SystemEntropy(), make=True)
    asyncio.run(opened(database, files[0]))
    with pytest.raises(VaultUnusable, match="key"):
        asyncio.run(opened(database, files[1]))


async def opened(url: str, key: Path) -> None:
    async with Keeper.open(url, key=key) as keeper:
        await keeper.rooms()


def test_the_synchronous_keeper_opens_the_same_vault(database, tmp_path):
    keyring.from_file(tmp_path / "one.key", SystemEntropy(), make=True)
    with SyncKeeper.open(database, key=tmp_path / "one.key") as keeper:
        assert list(keeper.list()) == []


async def test_a_row_that_cannot_be_read_is_one_sentence(postgres, database):
    vault = PostgresVault.open(database)
    one, two = await connected(vault, 1), await connected(vault, 2)
    postgres.execute(f"UPDATE evergrant_keeper.connection SET document = '{{}}' WHERE id = '{one.id}'", database)
    with pytest.raises(VaultUnavailable, match="a row that this release cannot read"):
        await vault.load(ACME, one.id)
    assert (await found(vault, two)).connection == two
    await vault.close()


async def test_a_session_that_was_ended_is_replaced_without_anybody_noticing(postgres, database):
    vault = PostgresVault.open(database)
    one = await connected(vault)
    postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                     " AND pid <> pg_backend_pid()", database)  # fmt: skip
    claim = await claimed(vault, one)
    await vault.intend(claim, intent(claim), 1)
    await vault.change(step(one, records=[record(one, 2)], claim=claim, intent=closed(intent(claim))))
    assert (await found(vault, one)).records[MAIN].version == 2
    await vault.close()


async def test_while_the_database_is_away_the_vault_says_so_and_afterwards_it_goes_on():
    cluster = Cluster.start()
    try:
        vault = PostgresVault.open(cluster.database())
        one = await connected(vault)
        stamp = vault.stamp()
        cluster.stop_process()
        with pytest.raises(VaultUnavailable, match="cannot be reached"):
            await vault.load(ACME, one.id)
        with pytest.raises(VaultUnavailable):
            await vault.change(step(one, records=[record(one, 2)]))
        assert vault.stamp() == stamp, "what is in memory is served on for a while"
        cluster.run()
        await vault.change(step(one, records=[record(one, 2)]))
        assert (await found(vault, one)).records[MAIN].version == 2
        await vault.close()
    finally:
        cluster.stop()


async def test_a_commit_that_no_standby_has_is_told_to_nobody(postgres, database):
    """However the wait for it is broken off: after ten seconds by the time a statement may take, here at once."""
    vault = PostgresVault.open(database)
    one = await connected(vault)
    name = database.rpartition("/")[2]
    ours = f"FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = '{name}'"
    postgres.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = on')
    try:
        postgres.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        postgres.execute("SELECT pg_reload_conf()")
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                         f" WHERE datname = '{name}' AND pid <> pg_backend_pid()")  # fmt: skip
        for ask in (vault.change(step(one, records=[record(one, 2)])), vault.claim(one.id, MAIN, "worker", 30)):
            asked = asyncio.ensure_future(ask)
            while not asked.done():
                await asyncio.to_thread(postgres.execute, f"SELECT pg_cancel_backend(pid) {ours}")
                await asyncio.sleep(0.02)
            with pytest.raises(VaultUnavailable, match="synchronous replication"):
                asked.result()
    finally:
        postgres.execute("ALTER SYSTEM RESET synchronous_standby_names")
        postgres.execute("SELECT pg_reload_conf()")
        postgres.execute(f'ALTER DATABASE "{name}" RESET synchronous_commit')
        await vault.close()


async def test_keep_inv_2_a_claim_that_ended_while_the_vault_was_away_is_left_to_its_holder(database):
    holder, witness = PostgresVault.open(database), PostgresVault.open(database)
    one = await connected(holder)
    claim = await claimed(holder, one, "holder", 1)
    await holder.intend(claim, intent(claim), 1)
    with psycopg.connect(database, autocommit=True) as raw:
        # As if the claim had been made, and had run out, before any of the processes opened the vault again.
        raw.execute("UPDATE evergrant_keeper.claim SET until = until - 60")
    rival = PostgresVault.open(database)
    assert await rival.claim(one.id, MAIN, "rival", 30) is None
    assert await rival.open_intents() == []
    assert set((await found(rival, one)).claims) == {MAIN}
    await holder.journal(intent(claim).id, b"reply", NOW)
    seen = replace(intent(claim), answered_at=NOW)
    await holder.change(step(one, records=[record(one, 2)], claim=claim, intent=closed(seen), release=True))
    assert await rival.claim(one.id, MAIN, "rival", 30) is not None
    for vault in (holder, witness, rival):
        await vault.close()


async def test_a_reply_whose_acknowledgement_was_lost_is_noted_once(database):
    vault = PostgresVault.open(database)
    one = await connected(vault)
    claim = await claimed(vault, one)
    await vault.intend(claim, intent(claim), 1)
    for _ in range(2):
        await vault.journal(intent(claim).id, b"reply", NOW)
    noted = (await found(vault, one)).intents[MAIN]
    assert (noted.reply, noted.earlier) == (b"reply", ())
    await vault.close()


async def test_events_are_chained_soon_though_nobody_reads_them(postgres, database):
    vault = PostgresVault.open(database)
    await vault.note([event(n) for n in range(3)])
    for _ in range(200):
        if postgres.execute("SELECT count(*) FROM evergrant_keeper.event", database) == [(3,)]:
            break
        await asyncio.sleep(vault.late)
    assert postgres.execute("SELECT count(*) FROM evergrant_keeper.told", database) == [(0,)]
    assert await verify(vault) == 0
    await vault.close()


async def test_what_a_process_left_unchained_is_chained_by_whoever_reads(postgres, database):
    vault = PostgresVault.open(database)
    postgres.execute(
        "INSERT INTO evergrant_keeper.told (connection_id, document)"
        ' VALUES (\'con_acme_001\', \'{"at": 7, "what": "connection.refreshed"}\')',
        database,
    )
    assert [stored.event.at for stored in await vault.events()] == [7]
    assert await verify(vault) == 0
    await vault.close()
