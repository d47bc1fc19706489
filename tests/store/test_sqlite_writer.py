"""The writer thread: batches, trouble between processes, and everything that must not stop it."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import apsw
import pytest

from evergrant.domain.event import Event, What
from evergrant.domain.rotation import Settlement, Verdict
from evergrant.entropy import SystemEntropy
from evergrant.store.port import StoreUnavailable, StoreUnusable
from evergrant.store.sqlite import SqliteStore, connection, writer
from evergrant.store.sqlite.writer import LARGEST_BATCH
from evergrant.testing import specimens
from evergrant.testing.presenting import Presenter, ring


@pytest.fixture
def path(tmp_path):
    return tmp_path / "evergrant.sqlite"


@pytest.fixture
async def batches():
    return []


@pytest.fixture
async def store(path, batches):
    opened = SqliteStore.open(path, batches.append)
    yield opened
    await opened.close()


def sign_up(n):
    return lambda tx: tx.accounts.put(specimens.account(n))


def held(store):
    """Keep the writer busy until the event is set, so that what follows queues behind it."""
    go_on = threading.Event()
    return go_on, asyncio.ensure_future(store.write(lambda _: go_on.wait(30)))


async def test_what_queues_while_a_commit_runs_is_committed_together(store, batches):
    go_on, first = held(store)
    rest = [asyncio.ensure_future(store.write(sign_up(n))) for n in range(100)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *rest)
    await store.close()
    assert sum(batches) == 101
    assert len(batches) <= 3
    assert max(batches) >= 99


async def test_no_batch_is_larger_than_the_largest(store, batches):
    go_on, first = held(store)
    many = LARGEST_BATCH * 2 + 10
    rest = [asyncio.ensure_future(store.write(sign_up(n))) for n in range(many)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *rest)
    await store.close()
    assert sum(batches) == many + 1
    assert max(batches) == LARGEST_BATCH


async def test_a_meter_that_raises_does_not_stop_the_writing(path):
    def broken(size):
        raise ZeroDivisionError

    opened = SqliteStore.open(path, broken)
    for n in range(3):
        await asyncio.wait_for(opened.write(sign_up(n)), 20)
    await opened.close()


async def test_an_effect_the_driver_cannot_take_fails_alone(store):
    family = specimens.family()
    await store.write(lambda tx: tx.families.add(family))
    lone = Event(specimens.NOW, What.FAMILY_REFUSED, agent="\ud800")
    huge = family.head._replace(used_at=2**70)

    async def settle(settlement):
        return await asyncio.wait_for(store.settle(family.id, lambda found: settlement._replace(family=found)), 20)

    go_on, first = held(store)
    told = asyncio.gather(
        settle(Settlement(Verdict.REFUSE, family, events=(lone,))),
        store.write(sign_up(1)),
        settle(Settlement(Verdict.ROTATE, family, huge)),
        settle(Settlement(Verdict.REFRESH, family, family.head._replace(repeats=7))),
        return_exceptions=True,
    )
    await asyncio.sleep(0)
    go_on.set()
    await first
    answers = await told
    assert isinstance(answers[0], UnicodeEncodeError)
    assert answers[1] is None
    assert isinstance(answers[2], OverflowError)
    assert answers[3].verdict is Verdict.REFRESH
    assert await store.read(lambda tx: tx.families.get(family.id).head) == family.head._replace(repeats=7)
    assert await store.read(lambda tx: len(tx.accounts.find())) == 1


async def test_a_statement_that_fails_inside_work_fails_that_work_alone(store):
    def wrong(tx):
        tx.accounts.put(specimens.account("wrong"))
        tx._cursor.execute("SELECT * FROM no_such_table")

    go_on, first = held(store)
    told = asyncio.gather(store.write(sign_up(1)), store.write(wrong), store.write(sign_up(2)), return_exceptions=True)
    await asyncio.sleep(0)
    go_on.set()
    await first
    answers = await told
    assert (answers[0], answers[2]) == (None, None)
    assert isinstance(answers[1], StoreUnavailable)
    assert isinstance(answers[1].__cause__ or answers[1], Exception)
    assert await store.read(lambda tx: len(tx.accounts.find())) == 2


async def test_work_that_ends_the_transaction_itself_is_told_no_and_so_is_its_batch(store):
    go_on, first = held(store)
    told = asyncio.gather(
        store.write(sign_up(1)),
        store.write(lambda tx: tx._cursor.execute("ROLLBACK") and None),
        store.write(sign_up(2)),
        return_exceptions=True,
    )
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailable) for answer in await told)
    assert await store.read(lambda tx: tx.accounts.find()) == []
    await store.write(sign_up(3))


async def test_o_05_a_database_another_process_holds_is_unavailable_and_works_again_afterwards(path, monkeypatch):
    for room in (connection, writer):
        monkeypatch.setattr(room, "BUSY_MILLISECONDS", 50, raising=False)
    store = SqliteStore.open(path)
    holder = apsw.Connection(str(path))
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="another process holds the database"):
        await store.write(sign_up(1))
    assert await store.read(lambda tx: tx.accounts.find()) == [], "readers are not held up"
    holder.execute("COMMIT")
    holder.close()
    await store.write(sign_up(1))
    assert len(await store.read(lambda tx: tx.accounts.find())) == 1
    await store.close()


async def test_a_short_hold_by_another_process_is_waited_for(path, store):
    holder = apsw.Connection(str(path))
    holder.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(store.write(sign_up(1)))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    holder.execute("COMMIT")
    holder.close()
    await asyncio.wait_for(waiting, 20)


async def test_a_connection_beyond_use_is_replaced_even_if_that_fails_at_first(store, monkeypatch):
    connect = writer.connect
    refusals = []

    def gone(path):
        refusals.append(path)
        raise StoreUnusable("gone")

    monkeypatch.setattr(writer, "connect", gone)
    store._writer._connection.close()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await asyncio.wait_for(store.write(sign_up(1)), 20)
    assert len(refusals) == 3
    monkeypatch.setattr(writer, "connect", connect)
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(store.write(sign_up(1)), 20)
    await asyncio.wait_for(store.write(sign_up(1)), 20)
    assert len(await store.read(lambda tx: tx.accounts.find())) == 1


def test_several_event_loops_share_one_store_and_one_may_vanish(path):
    opened = SqliteStore.open(path)
    asyncio.run(opened.write(sign_up(1)))

    async def walk_away():
        go_on, _ = held(opened)
        left = asyncio.ensure_future(opened.write(sign_up(2)))
        await asyncio.sleep(0)
        assert not left.done()
        return go_on

    loop = asyncio.new_event_loop()
    go_on = loop.run_until_complete(walk_away())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    go_on.set()

    async def last():
        await asyncio.wait_for(opened.write(sign_up(3)), 20)
        found = await opened.read(lambda tx: len(tx.accounts.find()))
        await opened.close()
        return found

    assert asyncio.run(last()) == 3


async def test_readers_keep_no_snapshot_between_reads(path, store):
    for n in range(10):
        await asyncio.gather(*(store.read(lambda tx: (tx.revision(), tx.accounts.get("nobody"))) for _ in range(4)))
        other = apsw.Connection(str(path))
        other.execute("UPDATE meta SET value = value + 1 WHERE name = 'revision'")
        other.close()
        seen = await asyncio.gather(*(store.read(lambda tx: tx.revision()) for _ in range(4)))
        assert set(seen) == {n + 1}
        assert store.seen_revision == n + 1
        assert all(reader.get_autocommit() for reader in store._opened)


async def test_the_writer_holds_nothing_between_batches(path, store):
    for n in range(5):
        await store.write(lambda tx: (tx.families.get(b"x" * 16), tx.accounts.get("nobody"), tx.revision()))
        other = apsw.Connection(str(path))
        other.set_busy_timeout(0)
        other.execute("BEGIN EXCLUSIVE")
        other.execute("UPDATE meta SET value = value + 1 WHERE name = 'revision'")
        other.execute("COMMIT")
        other.close()
        await store.write(sign_up(n))
    assert store.seen_revision == 5


def test_many_loops_in_many_threads_refresh_over_one_store_and_nobody_waits_for_ever(path):
    opened = SqliteStore.open(path)
    presenter = Presenter(opened, SystemEntropy(), ring())
    turns = 40

    async def one(n):
        token = await presenter.begin(specimens.family(n))
        for _ in range(turns):
            answers = await asyncio.gather(*(presenter.present(token) for _ in range(3)), opened.write(sign_up(n)))
            (token,) = {answer.token for answer in answers[:3]}
            assert token is not None
        return (await opened.read(lambda tx: tx.families.get(specimens.family(n).id))).head.generation

    async def several(start):
        return await asyncio.wait_for(asyncio.gather(*(one(start + n) for n in range(3))), 60)

    with ThreadPoolExecutor(4) as pool:
        told = [job.result(90) for job in [pool.submit(asyncio.run, several(n * 10)) for n in range(4)]]
    assert told == [[turns] * 3] * 4
    asyncio.run(opened.close())


def test_loops_that_come_and_go_leave_no_work_behind(path):
    """A loop may close with the next batch in its hands; whoever asks afterwards is answered, and so is who waited."""
    opened = SqliteStore.open(path)

    async def ask_and_leave(n):
        for task in [asyncio.ensure_future(opened.write(sign_up(m))) for m in range(n * 3, n * 3 + 3)]:
            await asyncio.sleep(0)
            if n % 2:
                task.cancel()

    for n in range(40):
        asyncio.run(ask_and_leave(n))

    async def last():
        await asyncio.wait_for(opened.write(sign_up("last")), 20)
        await asyncio.wait_for(opened.close(), 20)

    asyncio.run(last())
