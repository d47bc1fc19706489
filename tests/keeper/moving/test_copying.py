"""A vault moves whole, while keepers work on it, and at no moment are there two from which a token could be spent."""

import asyncio

import pytest

from evergrant.clock import SystemClock
from evergrant.keeper.connection import MAIN, Step
from evergrant.keeper.moving import Moving, copy
from evergrant.keeper.vault.chain import verify
from evergrant.keeper.vault.layout import CONNECTION
from evergrant.keeper.vault.port import Fenced, VaultMoved, VaultUnavailable, VaultUnusable, Wanted
from evergrant.keeper.vault.postgres import PostgresVault
from evergrant.keeper.vault.postgres.whole import WholeDatabase
from evergrant.keeper.vault.sqlite import SqliteVault
from evergrant.keeper.vault.sqlite.whole import WholeFile
from evergrant.store.moving import copying
from evergrant.store.moving.backup import NotEmpty
from evergrant.store.moving.copying import NotTheSame
from evergrant.store.port import OutcomeUnknown
from evergrant.testing.vault_contract import fixtures as made
from tests.keeper.moving.conftest import CONNECTIONS, NOW, content, quiet
from tests.postgres.proxy import proxied

FIRST = made.connection(1, made.OTHER)


@pytest.fixture
def moved(places, how):
    """Moves between places by name."""

    async def move(source="full", target="target", progress=quiet, **options):
        return await copy(places.whole(source), places.whole(target), "elsewhere", how, progress, **options)

    return move


async def test_everything_arrives_row_by_row_and_whoever_uses_the_old_vault_is_told_where_it_went(full, places, moved):
    before = await places.whole("full").read(content)
    copied = await moved()
    assert await places.whole("target").read(content) == before
    assert (copied.again, copied.sums["connection"].rows, copied.sums["event"].rows) == (0, CONNECTIONS, 1_503)
    for asked in (full.load(FIRST.tenant, FIRST.id), full.claim(FIRST.id, MAIN, "late", 30), full.counts()):
        with pytest.raises(VaultMoved, match="moved to elsewhere; let the keeper use that"):
            await asked
    with pytest.raises(VaultUnusable, match="moved to elsewhere"):
        places.vault("full")


async def test_a_keeper_goes_on_where_the_other_stopped(full, places, moved):
    """Tokens, claims with their fences, journalled replies, awaited consents, letters, keys and the trail."""
    found = await full.load(FIRST.tenant, FIRST.id)
    stale = await full.claim(FIRST.id, MAIN, "stale", 1)
    places.clock.advance(5)
    await moved()
    vault = places.vault("target")
    assert await vault.load(FIRST.tenant, FIRST.id) == found
    assert await vault.look_up(FIRST.tenant, FIRST.client, f"user-{FIRST.id}") == found
    assert {intent.step for intent in found.intents.values()} == {Step.ANSWERED, Step.OPEN}
    fresh = await vault.claim(FIRST.id, MAIN, "fresh", 30)
    assert fresh.fence > stale.fence
    with pytest.raises(Fenced):
        await vault.renew(stale, 30)
    assert await vault.take_callback(made.pending(1).state_digest, NOW) == made.pending(1)
    assert len(await vault.letters(NOW + 100)) == 5
    assert len(await vault.api_keys()) == 3
    assert await verify(vault) == 0
    assert (await vault.trail_ends()).last == 1_503
    odd = await vault.look_up(made.ACME, FIRST.client, "a\x00b")
    assert odd.connection.id == "con_acme_014"


async def test_what_is_written_while_the_snapshot_is_copied_arrives_too(full, places, moved):
    """Added, removed, renamed into a name that came free, refreshed, told: after the snapshot, before the stop."""
    loop, done = asyncio.get_running_loop(), []

    async def meanwhile():
        taken = await full.search(Wanted(made.ACME), limit=1_000)
        gone, renamed, refreshed = taken[3], taken[600], taken[40]
        await full.remove(gone.tenant, gone.id, [made.event(9)])
        await full.change(made.step(renamed.__class__(**{**_members(renamed), "account": gone.account})))
        await full.change(made.step(refreshed, records=[made.record(refreshed, 2)], events=[made.event(10)]))
        await made.connected(full, 5_000)
        await full.take_callback(made.pending(0).state_digest, NOW)
        await full.note([made.event(11)])

    def watching(table, rows):
        if table == "record" and not done:
            done.append(asyncio.run_coroutine_threadsafe(meanwhile(), loop))
        elif table == "trail" and len(done) == 1:
            done.append(done[0].result(30))

    copied = await moved(progress=watching)
    assert copied.again > 0
    address = places.address("full")
    _reopened(places, address)
    assert await places.whole("target").read(content) == await places.whole("full").read(content)
    assert await verify(places.vault("target")) == 0


def _members(connection):
    return {name: getattr(connection, name) for name in connection.__slots__}


def _reopened(places, address):
    if places.shared("full"):
        from evergrant.keeper.vault.postgres.whole import reopen
    else:
        from evergrant.keeper.vault.sqlite.whole import reopen
    reopen(address)


async def test_a_refresh_that_has_begun_is_waited_for_and_none_begins_meanwhile(full, places, clock):
    """The reply of a provider is written down in the old vault, and is found in the new one."""
    claim = await full.claim(made.connection(2).id, MAIN, "worker", 60)
    await full.intend(claim, made.intent(claim), 1)
    refused, waits = [], []

    async def pause(seconds):
        waits.append(seconds)
        if len(waits) == 1:
            for asked in (
                full.claim(FIRST.id, MAIN, "late", 30),
                full.take_callback(made.pending(1).state_digest, NOW),
            ):
                with pytest.raises(VaultUnavailable, match="being moved") as trouble:
                    await asked
                refused.append(trouble.value)
            await full.journal(made.intent(claim).id, b"the reply", NOW)
        elif len(waits) == 3:
            await full.release(claim)

    await copy(places.whole("full"), places.whole("target"), "elsewhere", Moving(clock, pause=pause), quiet)
    assert len(refused) == 2
    vault = places.vault("target")
    found = await vault.load(made.ACME, made.connection(2).id)
    assert found.intents[MAIN].reply == b"the reply"
    assert await vault.take_callback(made.pending(1).state_digest, NOW) == made.pending(1)
    assert await vault.claim(FIRST.id, MAIN, "next", 30)


async def test_a_claim_that_never_ends_stops_the_move_and_not_the_keepers(full, places, how):
    claim = await full.claim(made.connection(2).id, MAIN, "worker", 3_600)
    with pytest.raises(VaultUnavailable, match="1 refreshes have been under way for 2 seconds"):
        await copy(places.whole("full"), places.whole("target"), "elsewhere", how._replace(patience=2), quiet)
    await full.renew(claim, 3_600)
    assert await full.claim(FIRST.id, MAIN, "next", 30)


async def test_a_target_that_is_not_empty_keeps_what_it_has_and_the_source_goes_on(full, places, moved):
    target = places.vault("target")
    await made.connected(target, 1)
    before = await places.whole("target").read(content)
    with pytest.raises(NotEmpty):
        await moved()
    assert await places.whole("target").read(content) == before
    assert await full.claim(FIRST.id, MAIN, "next", 1)
    places.clock.advance(5)
    assert await moved(replace=True)
    assert await places.vault("target").load(made.ACME, made.connection(1).id) != made.connection(1)


@pytest.mark.parametrize("where", ["kept", "record", "event"])
async def test_a_copy_that_fails_anywhere_leaves_an_empty_target_and_a_source_that_goes_on(full, places, moved, where):
    target = places.whole("target")
    before = await target.read(content)

    def fails(table, rows):
        if table == where:
            raise OSError(28, "No space left on device", "x")

    with pytest.raises(OSError, match="No space"):
        await moved(progress=fails)
    assert await target.read(content) == before
    assert await full.claim(FIRST.id, MAIN, "next", 1)


async def test_a_target_that_lost_a_row_is_noticed_and_nothing_has_moved(full, places, moved, monkeypatch):
    monkeypatch.setattr(copying, "_loading", lambda table, rows: lambda there: there.bulk.load(table, rows[1:]))
    with pytest.raises(NotTheSame, match=f"connection: {CONNECTIONS} rows against {CONNECTIONS - 2}"):
        await moved()
    assert await places.whole("target").read(lambda tx: tx.bulk.page(CONNECTION)) == []
    assert await full.claim(FIRST.id, MAIN, "next", 1)


@pytest.mark.long
@pytest.mark.needs("postgres")
async def test_when_nobody_knows_whether_the_target_committed_the_vault_stays_left(postgres, tmp_path):
    """The reply to the commit is lost: the target has everything, so nothing may be spent from the source."""
    url, path = postgres.database(), tmp_path / "full.db"
    vault = SqliteVault.open(path)
    connection = await made.connected(vault)
    with proxied(lambda: postgres.port) as wire:
        target = WholeDatabase.open(url.replace(f":{postgres.port}/", f":{wire.port}/"))
        wire.lose_replies()
        with pytest.raises(OutcomeUnknown):
            await copy(WholeFile(vault), target, "elsewhere", Moving(SystemClock()), quiet)
        assert wire.lost_replies == 1
    with pytest.raises(VaultMoved):
        await vault.claim(connection.id, MAIN, "late", 30)
    await vault.close()
    arrived = PostgresVault.open(url)
    assert await arrived.load(connection.tenant, connection.id)
    await arrived.close()
    postgres.drop(url)


async def test_there_and_back_again_is_the_same(full, places, moved):
    before = await places.whole("full").read(content)
    await moved()
    await moved("target", "back")
    assert await places.whole("back").read(content) == before
