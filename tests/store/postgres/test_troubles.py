"""What goes wrong while a store is open: who is held up, who is told, and that it goes on by itself afterwards."""

import asyncio
import signal

import psycopg
import pytest

from evergrant.domain.family import Ended
from evergrant.domain.reason import Reason
from evergrant.domain.rotation import Settlement, Verdict
from evergrant.entropy import SeededEntropy
from evergrant.store.port import StoreUnavailable, Which
from evergrant.store.postgres import PostgresStore, hot
from evergrant.store.postgres.asking import Asking
from evergrant.store.postgres.connection import address, connect
from evergrant.store.postgres.families import Families
from evergrant.store.postgres.migrate import migrate
from evergrant.store.postgres.transactions import BEGIN_ALONE
from evergrant.testing import specimens
from evergrant.testing.contract.fixtures import NOW, put_families, row
from evergrant.testing.presenting import Presenter, ring
from tests.cluster import Cluster
from tests.postgres.proxy import proxied

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.long]


@pytest.fixture
async def store(database):
    migrate(address(database))
    opened = PostgresStore(address(database), 6, lambda _: None, wait=1.0)
    yield opened
    await opened.close()


def _rotate(family):
    head = family.head
    return Settlement(Verdict.ROTATE, family, head._replace(generation=head.generation + 1))


def _widely(family):
    return _rotate(family)._replace(ended=Ended(NOW, Reason.REUSE))


def _unless_ended(family):
    return Settlement(Verdict.REFUSE, family) if family.ended else _rotate(family)


def _port(database):
    return int(psycopg.conninfo.conninfo_to_dict(database)["port"])


def _through(database, wire):
    return database.replace(f":{_port(database)}/", f":{wire.port}/")


async def test_a_row_that_somebody_else_holds_is_waited_for_by_nobody_but_its_own(store, database):
    held, free = specimens.family("held"), specimens.family("free")
    await put_families(store, held, free)
    with psycopg.connect(database) as other:
        other.execute("SELECT FROM evergrant.family WHERE id = %s FOR UPDATE", (held.id,))
        waiting = asyncio.ensure_future(store.settle(held.id, _rotate))
        for _ in range(10):
            await asyncio.wait_for(store.settle(free.id, _rotate), 1)
        assert not waiting.done()
    assert (await asyncio.wait_for(waiting, 5)).verdict is Verdict.ROTATE
    assert (await row(store, free.id)).head.generation == 10
    assert (await row(store, held.id)).head.generation == 1


async def test_a_reuse_that_waits_to_be_written_holds_up_nobody_but_its_own_family(store, database):
    """Its end is a write, and writes may have to wait: for a housekeeper, for somebody's change of the schema."""
    stolen, free = specimens.family("stolen"), specimens.family("free")
    await put_families(store, stolen, free)
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE evergrant.write_gate IN ACCESS EXCLUSIVE MODE")
        ending = asyncio.ensure_future(store.settle(stolen.id, _widely))
        after = asyncio.ensure_future(store.settle(stolen.id, _unless_ended))
        for _ in range(10):
            await asyncio.wait_for(store.settle(free.id, _rotate), 2)
        assert not ending.done()
        assert not after.done(), "what comes later to the same family is decided later"
    assert (await asyncio.wait_for(ending, 5)).ended is not None
    assert (await asyncio.wait_for(after, 5)).verdict is Verdict.REFUSE
    assert (await row(store, free.id)).head.generation == 10
    assert (await row(store, stolen.id)).ended is not None


async def test_a_row_that_stays_held_is_a_retry_for_its_own_in_bounded_time(store, database):
    held = specimens.family("held")
    await put_families(store, held)
    with psycopg.connect(database) as other:
        other.execute("SELECT FROM evergrant.family WHERE id = %s FOR UPDATE", (held.id,))
        with pytest.raises(StoreUnavailable, match="locked for too long"):
            await asyncio.wait_for(store.settle(held.id, _rotate), 15)
    assert (await store.settle(held.id, _rotate)).verdict is Verdict.ROTATE


async def test_when_every_connection_is_busy_the_next_is_told_so_soon(store, database):
    await put_families(store, specimens.family())
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE evergrant.account IN ACCESS EXCLUSIVE MODE")
        stuck = [asyncio.ensure_future(store.write(lambda tx: tx.accounts.put(specimens.account(1))))]
        stuck += [asyncio.ensure_future(store.read(lambda tx: tx.accounts.find()))]
        await asyncio.sleep(0.2)
        for late in (store.write(lambda tx: tx.turn()), store.read(lambda tx: tx.revision())):
            with pytest.raises(StoreUnavailable, match="busy for 1 seconds"):
                await asyncio.wait_for(late, 5)
        assert (await store.settle(specimens.family().id, _rotate)).verdict is Verdict.ROTATE
    await asyncio.wait_for(asyncio.gather(*stuck), 15)


async def test_a_connection_that_dies_before_the_commit_is_noticed_by_nobody(store, postgres, database):
    families = [specimens.family(n) for n in range(4)]
    await put_families(store, *families)
    kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.rpartition('/')[2]}'"
    for generation in range(1, 6):
        await asyncio.gather(*(store.settle(family.id, _rotate) for family in families))
        assert await store.read(lambda tx: len(tx.families.find(Which()))) == 4
        await store.write(lambda tx, n=generation: tx.accounts.put(specimens.account(n)))
        postgres.execute(kill)
    for family in families:
        assert (await row(store, family.id)).head.generation == 5


@pytest.mark.parametrize("odd", ["\ud800", 2**63, None])
async def test_an_effect_that_cannot_be_written_is_its_own_trouble_alone(store, odd):
    bad, good = specimens.family("bad"), specimens.family("good")
    await put_families(store, bad, good)

    def unwritable(family):
        settlement = _rotate(family)
        if odd is None:
            return None
        name = "agent" if isinstance(odd, str) else "used_at"
        return settlement._replace(head=settlement.head._replace(**{name: odd}))

    answers = await asyncio.gather(
        store.settle(good.id, _rotate), store.settle(bad.id, unwritable), store.settle(good.id, _rotate),
        return_exceptions=True,
    )  # fmt: skip
    assert isinstance(answers[1], StoreUnavailable)
    assert await row(store, bad.id) == bad
    assert (await row(store, good.id)).head.generation == 2
    assert (await store.settle(bad.id, _rotate)).verdict is Verdict.ROTATE


async def test_trouble_of_a_kind_that_the_driver_does_not_know_is_told_and_holds_nobody_up(store, postgres, database):
    """An extension, a trigger or a newer server may say whatever it likes."""
    family = specimens.family()
    await put_families(store, family)
    odd = "BEGIN RAISE 'how odd' USING ERRCODE = 'EV001'; END"
    postgres.execute(f"CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ {odd} $$", database)
    postgres.execute(
        "CREATE TRIGGER odd BEFORE UPDATE ON evergrant.family FOR EACH ROW EXECUTE FUNCTION odd()", database
    )
    with pytest.raises(StoreUnavailable, match="how odd"):
        await asyncio.wait_for(store.settle(family.id, _rotate), 5)
    postgres.execute("DROP TRIGGER odd ON evergrant.family", database)
    assert (await asyncio.wait_for(store.settle(family.id, _rotate), 5)).verdict is Verdict.ROTATE


async def test_a_housekeeper_that_waits_for_a_row_looks_again_before_it_ends_the_family(store, postgres, database):
    """As it does when it has lost several times, and runs alone: a refresh that slid the end is not undone."""
    used, ended, late = (specimens.family(name) for name in ("used", "ended", "late"))
    await put_families(store, used, ended, late)
    now, over = used.head.idle_end + 1, Ended(NOW, Reason.REVOKED)

    def sweep():
        with connect(address(database)) as alone:
            for statement in BEGIN_ALONE.split(";"):
                alone.execute(statement)
            return Families(Asking(alone), writing=True).sweep(b"", now, 100, 10**9).ended

    with psycopg.connect(database) as other:
        other.execute("UPDATE evergrant.family SET idle_end = %s WHERE id = %s", (now + 1_000, used.id))
        other.execute("UPDATE evergrant.family SET ended_at = %s, reason = %s WHERE id = %s", (*over, ended.id))
        sweeping = asyncio.ensure_future(asyncio.to_thread(sweep))
        for _ in range(500):
            if postgres.execute("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'", database):
                break
            await asyncio.sleep(0.01)
        other.commit()
        swept = await asyncio.wait_for(sweeping, 10)
    assert [family.id for family in swept] == [late.id]
    assert (await row(store, used.id)).ended is None
    assert (await row(store, ended.id)).ended == over


async def test_writes_that_wait_together_for_a_server_that_does_not_answer_are_told_so_together(database):
    """Not one after the other, each after its own try to connect."""
    migrate(address(database))
    with proxied(lambda: _port(database)) as wire:
        store = PostgresStore(address(f"{_through(database, wire)}?connect_timeout=2"), 6, lambda _: None)
        await store.write(lambda tx: tx.turn())
        wire.cut()
        wire.mend()
        wire.stall()
        crowd = [store.write(lambda tx: tx.turn()) for _ in range(8)]
        told = await asyncio.wait_for(asyncio.gather(*crowd, return_exceptions=True), 6)
        assert {type(trouble).__mro__[1] for trouble in told} == {StoreUnavailable}
        wire.mend()
        await store.close()


async def test_a_frozen_server_is_given_up_by_whoever_waits_for_it_and_used_again_when_it_thaws(database):
    migrate(address(database))
    with proxied(lambda: _port(database)) as wire:
        store = PostgresStore(address(f"{_through(database, wire)}?connect_timeout=2"), 6, lambda _: None, silence=1.0)
        asks = (lambda: store.write(lambda tx: tx.turn()), lambda: store.read(lambda tx: tx.revision()))
        for ask in asks:
            await ask()
        wire.stall()
        for ask in asks:
            with pytest.raises(StoreUnavailable, match=r"does not answer|cannot be reached"):
                await asyncio.wait_for(ask(), 8)
        wire.mend()
        for ask in asks:
            await asyncio.wait_for(ask(), 8)
        await store.close()


async def test_a_store_that_is_closed_over_a_silent_server_leaves_nobody_waiting(database):
    migrate(address(database))
    family = specimens.family()
    with proxied(lambda: _port(database)) as wire:
        store = PostgresStore(address(_through(database, wire)), 6, lambda _: None)
        await put_families(store, family)
        assert (await store.settle(family.id, _rotate)).verdict is Verdict.ROTATE
        wire.stall()
        asked = [asyncio.ensure_future(ask) for _ in range(3) for ask in (
            store.settle(family.id, _rotate), store.settle(family.id, _widely), store.write(lambda tx: tx.turn()),
            store.read(lambda tx: tx.revision()),
        )]  # fmt: skip
        await asyncio.sleep(0.1)
        asked.append(asyncio.ensure_future(store.settle(specimens.family("late").id, _rotate)))
        await asyncio.wait_for(store.close(), 15)
        _, waiting = await asyncio.wait(asked, timeout=1)
        assert not waiting
        for one in asked:
            assert isinstance(one.exception(), StoreUnavailable)
        wire.mend()


async def test_an_end_of_many_families_is_not_starved_by_their_refreshes(store):
    families = [specimens.family(n) for n in range(60)]
    await put_families(store, *families)
    over = Ended(NOW, Reason.OPERATOR)
    ending = asyncio.Event()

    async def refresh(family):
        while True:
            settled = await store.settle(
                family.id, lambda found: Settlement(Verdict.REFUSE, found) if found.ended else _rotate(found)
            )
            if settled.verdict is Verdict.REFUSE:
                return ending.is_set()

    crowd = [asyncio.ensure_future(refresh(family)) for family in families]
    await asyncio.sleep(0.2)
    ending.set()
    count = await asyncio.wait_for(
        store.write(lambda tx: tx.families.end(Which(client_id=families[0].client_id), over)), 20
    )
    assert count == len(families)
    assert all(await asyncio.wait_for(asyncio.gather(*crowd), 20))


async def test_two_nodes_that_end_and_refresh_at_once_never_lose_an_end(store, database):
    other, over = PostgresStore(address(database), 6, lambda _: None), Ended(NOW, Reason.OPERATOR)
    try:
        for n in range(12):
            family = specimens.family(n)
            first, second = (Presenter(s, SeededEntropy(f"{n}{k}"), ring()) for k, s in enumerate((store, other)))
            token = await first.begin(family)
            await asyncio.gather(
                *(first.present(token) for _ in range(4)), *(second.present(token) for _ in range(4)),
                other.write(lambda tx, f=family: tx.families.end(Which(family_id=f.id), over)),
                store.write(lambda tx, f=family: tx.families.get(f.id)),
            )  # fmt: skip
            after = await row(store, family.id)
            assert (after.ended, after.head.sealed) == (over, None)
            assert not (await second.present(token)).given
    finally:
        await other.close()


async def test_o_02_o_20_a_database_that_goes_away_is_503_and_it_goes_on_when_it_is_back():
    cluster = Cluster.start(durable=True)
    try:
        url = cluster.database()
        store = PostgresStore.open(url)
        families = [specimens.family(n) for n in range(3)]
        await put_families(store, *families)
        for how in (signal.SIGINT, signal.SIGQUIT):
            before = [(await row(store, family.id)).head.generation for family in families]
            cluster.stop_process(how)
            first, turn = store.settle(families[0].id, _rotate), store.write(lambda tx: tx.turn())
            for ask in (first, store.read(lambda tx: tx.revision()), turn):
                with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1"):
                    await asyncio.wait_for(ask, 5)
            cluster.run()
            await asyncio.gather(*(store.settle(family.id, _rotate) for family in families))
            await store.write(lambda tx: tx.turn())
            after = [(await row(store, family.id)).head.generation for family in families]
            assert after == [generation + 1 for generation in before]
        await store.close()
    finally:
        cluster.stop()


async def test_o_04_a_database_that_takes_no_writes_any_more_is_a_retry_until_it_does(store, postgres, database):
    await put_families(store, specimens.family())
    name = database.rpartition("/")[2]
    kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    postgres.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    try:
        postgres.execute(kill)
        for ask in (store.settle(specimens.family().id, _rotate), store.write(lambda tx: tx.turn())):
            with pytest.raises(StoreUnavailable, match="read-only"):
                await asyncio.wait_for(ask, 10)
    finally:
        postgres.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    assert (await store.settle(specimens.family().id, _rotate)).verdict is Verdict.ROTATE
    await store.write(lambda tx: tx.turn())


async def test_a_node_that_vanishes_between_two_trips_lets_go_of_its_rows_soon(store):
    connection, kept = store._open_line()
    with connection:
        assert kept
        for name, value in (("idle_in_transaction_session_timeout", "15s"), ("tcp_user_timeout", "20000")):
            assert connection.execute(f"SHOW {name}").fetchone() == (value,)
    bounded = [statement.text for statement, _ in hot.lock([b"x"], bounded=True)]
    assert b"SET LOCAL idle_in_transaction_session_timeout = '15s'" in bounded


async def test_every_node_hears_of_a_turn_at_once(store, database):
    other = PostgresStore(address(database), 6, lambda _: None)
    try:
        await other.read(lambda tx: tx.revision())
        await asyncio.sleep(0.3)
        for _ in range(3):
            await store.write(lambda tx: tx.turn())
            for _ in range(100):
                if other.seen_revision == store.seen_revision:
                    break
                await asyncio.sleep(0.01)
            assert other.seen_revision == store.seen_revision
    finally:
        await other.close()
