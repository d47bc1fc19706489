"""Reading, closing, lasting: snapshots, the end of a store's life, and what is there when it is opened again."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from evergrant.domain.family import Family
from evergrant.entropy import SeededEntropy
from evergrant.store.port import EventQuery, Store, StoreUnavailable, Tx, Which
from evergrant.testing import specimens
from evergrant.testing.contract.fixtures import NOW, OVER, ContractFixtures, put_families, row, told
from evergrant.testing.contract.records import TABLES
from evergrant.testing.presenting import Presenter, ring


class ReadingContract(ContractFixtures):
    """`Store.read` and `Store.close`."""

    async def test_an_error_in_a_read_reaches_its_caller_and_the_next_read_works(self, store: Store) -> None:
        await put_families(store, specimens.family())

        def fails(tx: Tx) -> None:
            assert tx.families.get(specimens.family().id) is not None
            raise LookupError("on purpose")

        for _ in range(5):
            with pytest.raises(LookupError):
                await store.read(fails)
        answers = await asyncio.gather(*(store.read(lambda tx: tx.revision()) for _ in range(10)))
        assert set(answers) == {0}

    async def test_a_read_cannot_write(self, store: Store) -> None:
        await put_families(store, specimens.family())
        for work in (
            lambda tx: tx.families.end(Which(family_id=specimens.family().id), OVER),
            lambda tx: tx.families.add(specimens.family("new")),
            lambda tx: tx.accounts.put(specimens.account()),
            lambda tx: tx.turn(),
        ):
            with pytest.raises(StoreUnavailable):
                await store.read(work)
        assert await row(store, specimens.family().id) == specimens.family()
        assert await store.read(lambda tx: len(tx.families.find(Which())) + len(tx.accounts.find())) == 1
        await put_families(store, specimens.family("new"))

    async def test_what_was_acknowledged_is_what_every_later_read_sees(self, store: Store) -> None:
        for n in range(20):
            await put_families(store, specimens.family(n))
            counts = await asyncio.gather(*(store.read(lambda tx: len(tx.families.find(Which()))) for _ in range(4)))
            assert set(counts) == {n + 1}

    async def test_o_20_work_that_queued_before_the_close_is_done(self, opener: Callable[[], Store]) -> None:
        store = opener()
        queued = [asyncio.ensure_future(put_families(store, specimens.family(n))) for n in range(50)]
        await asyncio.sleep(0)
        await store.close()
        answers = await asyncio.gather(*queued, return_exceptions=True)
        assert answers == [None] * 50

    async def test_o_20_a_closed_store_says_so_and_keeps_nobody_waiting(self, opener: Callable[[], Store]) -> None:
        store = opener()
        await put_families(store, specimens.family())
        await store.close()
        await store.close()
        for ask in (
            store.read(lambda tx: tx.revision()),
            store.write(lambda tx: tx.turn()),
            store.settle(b"\x00" * 16, lambda _: pytest.fail("asked of a closed store")),
        ):
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(ask, 20)

    async def test_o_20_of_a_storm_at_the_close_everyone_is_answered(self, opener: Callable[[], Store]) -> None:
        store = opener()
        families = [specimens.family(n) for n in range(200)]

        async def one(family: Family) -> bool:
            await asyncio.sleep(0)
            try:
                await put_families(store, family)
            except StoreUnavailable:
                return False
            return True

        storm = [asyncio.ensure_future(one(family)) for family in families]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(store.close())
        answers = await asyncio.wait_for(asyncio.gather(*storm), 60)
        await closing
        assert any(answers)


class DurableContract(ReadingContract):
    """What a store promises that outlives its process."""

    async def test_rt_13_inv_12_everything_is_there_when_it_is_opened_again(self, opener: Callable[[], Store]) -> None:
        store = opener()
        presenter = Presenter(store, SeededEntropy("before"), ring())
        family = specimens.family("turned")
        first = await presenter.begin(family)
        second = (await presenter.present(first)).token
        for table in TABLES.values():
            await store.write(lambda tx, table=table: table.of(tx).put(table.make()))  # type: ignore[misc]
        await store.write(lambda tx: tx.turn())
        turned = store.seen_revision
        before = (await row(store, family.id), await told(store), [await _all(store, name) for name in TABLES])
        await store.close()

        store = opener()
        try:
            presenter = Presenter(store, SeededEntropy("after"), ring())
            assert (
                await row(store, family.id),
                await told(store),
                [await _all(store, name) for name in TABLES],
            ) == before
            assert store.seen_revision == turned > 0
            assert (await presenter.present(first, NOW + 60)).token == second
            await store.write(lambda tx: tx.families.end(Which(family_id=family.id), OVER))
        finally:
            await store.close()

        store = opener()
        try:
            assert (await row(store, family.id)).ended == OVER
        finally:
            await store.close()

    async def test_an_event_number_is_not_given_again_after_opening_again(self, opener: Callable[[], Store]) -> None:
        store = opener()
        await Presenter(store, SeededEntropy(1), ring()).present(
            await Presenter(store, SeededEntropy(2), ring()).begin(specimens.family())
        )
        last = (await store.read(lambda tx: tx.events.find(EventQuery())))[-1][0]
        assert await store.write(lambda tx: tx.events.sweep(NOW + 9, 10)) == 1
        await store.close()
        store = opener()
        try:
            presenter = Presenter(store, SeededEntropy(3), ring())
            await presenter.present(await presenter.begin(specimens.family(2)))
            assert (await store.read(lambda tx: tx.events.find(EventQuery())))[0][0] > last
        finally:
            await store.close()

    async def test_a_read_sees_one_state_however_long_it_takes(self, store: Store) -> None:
        await put_families(store, specimens.family(1))
        begun, go_on = threading.Event(), threading.Event()

        def slow(tx: Tx) -> tuple[int, int]:
            before = len(tx.families.find(Which()))
            begun.set()
            assert go_on.wait(30)
            return before, len(tx.families.find(Which()))

        reading = asyncio.ensure_future(store.read(slow))
        await asyncio.to_thread(begun.wait, 30)
        await put_families(store, specimens.family(2))
        go_on.set()
        assert await reading == (1, 1)
        assert await store.read(lambda tx: len(tx.families.find(Which()))) == 2

    async def test_two_stores_on_the_same_place_see_each_other(self, opener: Callable[[], Store], store: Store) -> None:
        other = opener()
        try:
            mine, theirs = (Presenter(s, SeededEntropy(n), ring()) for n, s in enumerate((store, other)))
            family = specimens.family()
            first = await mine.begin(family)
            answers = await asyncio.gather(*((mine, theirs)[n % 2].present(first) for n in range(64)))
            assert len({answer.token for answer in answers}) == 1
            assert (await row(other, family.id)).head.generation == 1
            await other.write(lambda tx: tx.turn())
            assert await store.read(lambda tx: tx.revision()) == other.seen_revision > 0
            assert store.seen_revision == other.seen_revision
        finally:
            await other.close()


async def _all(store: Store, name: str) -> list[object]:
    return await store.read(lambda tx: TABLES[name].of(tx).find())
