"""Disks that fail: at every write and sync, for a moment or for good, and with the power gone (attacks O-07, O-08).

Whatever happens the store says StoreUnavailable, keeps the state before or after and never one between, and goes on as
soon as the disk does. The crash points of one rotation are the operations counted here.
"""

import asyncio
import random
import shutil

import apsw
import pytest

from evergrant.domain.rotation import Settlement, Verdict
from evergrant.store.port import StoreUnavailable, StoreUnusable
from evergrant.store.sqlite import SqliteStore, writer
from evergrant.testing import specimens
from tests.store.disk import Plan, broken_disk, real_disk
from tests.store.life import Life, judge

pytestmark = pytest.mark.long

NAME = "evergrant.sqlite"
SEEDS = 3
FEWEST, MOST = 30, 300  # operations on the disk in one life, roughly: batches form by chance


@pytest.fixture(scope="module")
def born(tmp_path_factory):
    """A database with two families, and the life that holds their tokens."""
    path = tmp_path_factory.mktemp("born") / NAME

    async def story():
        store = SqliteStore.open(path)
        life = await Life.begin(store)
        await store.close()
        return life

    return path, asyncio.run(story())


def copy_of(born, folder) -> tuple:
    folder.mkdir()
    shutil.copy(born[0], folder / NAME)
    life = born[1]
    return folder / NAME, Life(life.a, life.b)


async def live(plan: Plan, path, life: Life, fail_at: int, tries: int) -> None:
    """Open on a good disk, let it fail as planned, live until trouble or the end, close."""
    store = SqliteStore.open(path)
    plan.arm(fail_at)
    try:
        await life.go_on(store, tries)
    except StoreUnavailable:
        assert plan.failures, "trouble without a failure"
    finally:
        await asyncio.wait_for(store.close(), 30)


async def reopened(path, life: Life, where: str) -> None:
    plain = apsw.Connection(str(path))
    assert plain.pragma("integrity_check") == "ok", where
    plain.close()
    store = SqliteStore.open(path)
    try:
        await judge(store, life, where)
    finally:
        await store.close()


def lives(born, tmp_path, tries: int, **plan):
    """One life per operation that can fail, until one is lived without any; the plan, the path and the life of each."""
    for n in range(1, MOST + 1):
        planned = Plan(**plan)
        with broken_disk(planned) as disk:
            path, life = copy_of(born, tmp_path / f"{n}")
            asyncio.run(live(planned, path, life, n, tries))
            with real_disk():
                yield n, disk, path, life
        if not planned.failures:
            assert life.finished
            return
    pytest.fail(f"a life takes more than {MOST} operations")


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
@pytest.mark.parametrize("torn", [False, True])
def test_o_08_one_failing_operation_anywhere_is_a_retry_and_nothing_more(born, tmp_path, error, torn):
    for n, _, path, life in lives(born, tmp_path, 2, error=error, torn=torn):
        assert life.finished, f"operation {n}: the store did not recover"
        asyncio.run(reopened(path, life, f"operation {n}"))
        shutil.rmtree(path.parent)
    assert n > FEWEST
    print(f"{n - 1} operations, each failed once, all recovered")


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
def test_o_08_cp_2_cp_3_cp_4_a_disk_that_stays_broken_loses_nothing_acknowledged(born, tmp_path, error):
    told = 0
    for n, _, path, life in lives(born, tmp_path, 1, error=error, for_good=True):
        told += not life.finished
        asyncio.run(reopened(path, life, f"operation {n} and all later ones"))
        shutil.rmtree(path.parent)
    assert told > FEWEST // 2


def power_cuts(born, tmp_path) -> tuple[int, list[str]]:
    """Cut the power before every operation, in several ways each; how many cuts, and what was lost."""
    cuts, lost = 0, []
    for n, disk, path, life in lives(born, tmp_path, 1, error=apsw.IOError, for_good=True, torn=True):
        for seed in range(SEEDS):
            into = tmp_path / f"{n}-{seed}"
            into.mkdir()
            disk.after_power_cut(into, random.Random(f"{n} {seed}"))
            cuts += 1
            where = f"power cut before operation {n}, seed {seed}"
            try:
                asyncio.run(reopened(into / NAME, life, where))
            except AssertionError as error:
                lost.append(f"{where}: {error}")
            shutil.rmtree(into)
        shutil.rmtree(path.parent)
    return cuts, lost


def test_o_07_inv_12_cp_5_no_power_cut_loses_what_was_acknowledged(born, tmp_path):
    cuts, lost = power_cuts(born, tmp_path)
    assert lost == []
    assert cuts > FEWEST * SEEDS
    print(f"{cuts} power cuts, nothing lost")


def test_o_07_the_same_power_cuts_do_lose_commits_without_full_synchronisation(born, tmp_path, monkeypatch):
    connect = writer.connect

    def careless(path):
        connection = connect(path)
        connection.pragma("synchronous", "normal")
        return connection

    monkeypatch.setattr(writer, "connect", careless)
    _, lost = power_cuts(born, tmp_path)
    assert lost, "the power cuts of this test cannot be told from no power cut at all"


async def test_o_08_a_disk_that_is_full_for_a_while_gives_503_and_then_goes_on(tmp_path):
    store = SqliteStore.open(tmp_path / NAME)
    connection = store._writer._connection
    before = connection.pragma("max_page_count")
    connection.pragma("max_page_count", connection.pragma("page_count") + 3)

    async def sign_up(n):
        big = specimens.account(n, claims={"name": "x" * 3_000})
        return await store.write(lambda tx: tx.accounts.put(big))

    told = await asyncio.gather(*(sign_up(n) for n in range(64)), return_exceptions=True)
    full = [error for error in told if isinstance(error, StoreUnavailable)]
    assert full
    assert {str(error) for error in full} == {f"{tmp_path / NAME}: the disk is full"}
    assert all(error is None or isinstance(error, StoreUnavailable) for error in told)
    kept = await store.read(lambda tx: {account.id for account in tx.accounts.find()})
    assert kept == {specimens.account(n).id for n, error in enumerate(told) if error is None}
    connection.pragma("max_page_count", before)
    await asyncio.gather(*(sign_up(n) for n in range(64)))
    assert len(await store.read(lambda tx: tx.accounts.find())) == 64
    await store.close()


@pytest.mark.parametrize("kind", ["write", "sync"])
async def test_inv_12_o_08_nothing_is_finished_that_was_not_made_durable(tmp_path, kind):
    plan = Plan(error=apsw.IOError, kinds=(kind,))
    finished = []

    def finish(settlement):
        yield
        finished.append(settlement.head.generation)
        return settlement

    with broken_disk(plan):
        store = SqliteStore.open(tmp_path / NAME)
        family = specimens.family()
        await store.write(lambda tx: tx.families.add(family))
        for generation in range(1, 30):
            head = family.head._replace(generation=generation)
            plan.arm(generation % 4)
            settling = store.settle_then(
                family.id, lambda found, head=head: Settlement(Verdict.ROTATE, found, head), finish
            )
            try:
                await settling
            except StoreUnavailable:
                assert generation not in finished
            else:
                assert finished[-1] == generation
        plan.arm(0)
        row = await store.read(lambda tx: tx.families.get(family.id))
        assert row.head.generation == finished[-1]
        assert 1 < len(finished) < 29
        await store.close()


async def test_o_08_reading_goes_on_while_the_disk_is_full(tmp_path):
    plan = Plan(error=apsw.FullError, for_good=True)
    with broken_disk(plan):
        store = SqliteStore.open(tmp_path / NAME)
        await store.write(lambda tx: tx.accounts.put(specimens.account(1)))
        plan.arm(1)
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await store.write(lambda tx: tx.accounts.put(specimens.account(2)))
        assert await store.read(lambda tx: tx.accounts.find()) == [specimens.account(1)]
        await asyncio.wait_for(store.close(), 30)


def test_o_08_whatever_operation_fails_at_the_first_start_the_next_start_succeeds(tmp_path):
    counting = Plan()
    with broken_disk(counting):
        asyncio.run(_start(tmp_path / "counting.sqlite"))
    refused = 0
    for n in range(1, counting.count + 1):
        path = tmp_path / f"{n}.sqlite"
        plan = Plan(error=apsw.FullError, for_good=True)
        plan.arm(n)
        with broken_disk(plan):
            trouble = asyncio.run(_trouble_of(_start(path)))
        assert trouble in {None, f"{path}: the disk is full"}
        refused += trouble is not None
        asyncio.run(_start(path))
    assert refused > counting.count // 2


async def _trouble_of(story) -> str | None:
    try:
        await story
    except (StoreUnusable, StoreUnavailable) as error:
        return str(error)
    return None


async def _start(path):
    store = SqliteStore.open(path)
    try:
        await store.write(lambda tx: tx.accounts.put(specimens.account(1)))
        assert await store.read(lambda tx: tx.accounts.find()) == [specimens.account(1)]
    finally:
        await store.close()
