"""The audit trail by days: made ahead, dropped whole, and nothing lost where a day could not be made."""

import asyncio

import pytest

from evergrant.clock import FixedClock
from evergrant.domain.event import Event, What
from evergrant.issuer.service.housekeeping import Housekeeper
from evergrant.store.port import EventQuery
from evergrant.store.postgres import PostgresStore
from evergrant.store.postgres.partitions import DAY, day, days

pytestmark = pytest.mark.needs("postgres")
NOW = 1_800_000_000


@pytest.fixture
async def store(database):
    opened = PostgresStore.open(database)
    yield opened
    await opened.close()


async def names(store):
    return [one.name for one in await store.read(lambda tx: days(tx.bulk._ask))]


async def told(store):
    return [event.at for _, event in await store.read(lambda tx: tx.events.find(EventQuery(limit=10_000)))]


async def test_a_housekeeper_makes_days_ahead_and_drops_those_past_the_retention_whole(store, postgres, database):
    clock = FixedClock(NOW)
    keeper = Housekeeper(store, clock, name="one", batch=10, interval=30, retention=2 * DAY)
    for n in range(6):
        await keeper.round()
        assert await names(store) == [day(NOW + k * DAY).name for k in range(max(n - 2, 0), n + 4)]
        await store.write(lambda tx: tx.events.add([Event(clock.now(), What.FAMILY_ROTATED) for _ in range(50)]))
        clock.advance(DAY)
    await keeper.round()
    assert sorted(set(await told(store))) == [NOW + k * DAY for k in range(4, 6)]
    assert postgres.execute("SELECT count(*) FROM evergrant.event_other", database) == [(0,)]


async def test_no_day_is_analysed_by_itself_for_that_would_hold_up_the_clearing_away_of_old_versions_of_families(
    store, postgres, database
):
    await store.write(lambda tx: tx.events.arrange(NOW, 0))
    options = postgres.execute("SELECT reloptions FROM pg_class WHERE relname ~ '^event_[0-9]{8}$'", database)
    assert options == [(["autovacuum_analyze_threshold=2000000000"],)] * 4


async def test_a_day_of_which_events_lie_elsewhere_is_not_made_and_its_events_are_swept_one_by_one(store):
    await store.write(lambda tx: tx.events.add([Event(NOW, What.FAMILY_ROTATED) for _ in range(25)]))
    await store.write(lambda tx: tx.events.arrange(NOW, 0))
    assert await names(store) == [day(NOW + k * DAY).name for k in range(1, 4)]
    clock = FixedClock(NOW + 9 * DAY)
    keeper = Housekeeper(store, clock, name="one", batch=10, interval=30, retention=2 * DAY)
    assert (await keeper.round()).events == 25
    assert await told(store) == []


async def test_whoever_reads_the_trail_for_long_holds_up_no_refresh_and_the_day_goes_in_the_next_round(
    store, postgres, database
):
    await store.write(lambda tx: tx.events.arrange(NOW, 0))
    await store.write(lambda tx: tx.events.add([Event(NOW, What.FAMILY_ROTATED)]))
    done, reading = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(tx):
        tx.events.find(EventQuery())
        loop.call_soon_threadsafe(reading.set)
        asyncio.run_coroutine_threadsafe(done.wait(), loop).result()

    reader = asyncio.ensure_future(store.read(slow))
    await reading.wait()
    dropping = asyncio.ensure_future(store.write(lambda tx: tx.events.arrange(NOW + 9 * DAY, NOW + 2 * DAY)))
    await asyncio.wait_for(store.write(lambda tx: tx.events.add([Event(NOW, What.SIGNED_IN)])), 5)
    with pytest.raises(Exception, match="locked for too long"):
        await dropping
    done.set()
    await reader
    await store.write(lambda tx: tx.events.arrange(NOW + 9 * DAY, NOW + 2 * DAY))
    assert await told(store) == []


def test_days_begin_at_midnight_utc():
    assert day(1_796_083_199) == ("event_20261130", 1_795_996_800, 1_796_083_200, 0)
    assert day(1_796_083_200).name == "event_20261201"


async def test_several_nodes_that_start_at_once_make_each_day_once(database):
    stores = [PostgresStore.open(database) for _ in range(4)]
    try:
        await asyncio.gather(*(one.write(lambda tx: tx.events.arrange(NOW, 0)) for one in stores for _ in range(2)))
        assert await names(stores[0]) == [day(NOW + k * DAY).name for k in range(4)]
    finally:
        for one in stores:
            await one.close()
