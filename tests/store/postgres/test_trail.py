"""The audit trail: followed without a miss while transactions commit out of order, and dropped by the day."""

import threading

import psycopg
import pytest

from evergrant.domain.event import Event, What
from evergrant.store.port import EventQuery
from evergrant.store.postgres import PostgresStore
from evergrant.store.postgres.asking import Asking
from evergrant.store.postgres.connection import address, connect
from evergrant.store.postgres.partitions import DAY
from evergrant.testing import specimens

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.long]


@pytest.fixture
async def store(database):
    opened = PostgresStore.open(database)
    yield opened
    await opened.close()


def _event(n, at=specimens.NOW):
    return Event(at, What.SIGNED_IN, detail=str(n))


async def _add(store, n, at=specimens.NOW):
    await store.write(lambda tx: tx.events.add([_event(n, at)]))


async def _follow(store, after):
    found = await store.read(lambda tx: tx.events.find(EventQuery(after=after)))
    return [event.detail for _, event in found], found[-1][0] if found else after


class _Slow:
    """A transaction that has drawn a number and takes its time to commit."""

    def __init__(self, database, n):
        self._connection = psycopg.connect(database)
        from evergrant.store.postgres.events import Events

        trail = Events(Asking(self._connection))
        trail.add([_event(n)])
        trail.flush()

    def end(self, *, commit):
        (self._connection.commit if commit else self._connection.rollback)()
        self._connection.close()


async def test_a_follower_waits_for_a_number_that_commits_late(store, database):
    await _add(store, 1)
    told, after = await _follow(store, 0)
    assert told == ["1"]
    slow = _Slow(database, 2)
    await _add(store, 3)
    for _ in range(3):
        assert await _follow(store, after) == ([], after)
    newest = await store.read(lambda tx: tx.events.find(EventQuery(newest=True, limit=1)))
    assert newest[0][1].detail == "3"
    slow.end(commit=True)
    told, after = await _follow(store, after)
    assert told == ["2", "3"]


async def test_a_follower_goes_on_past_a_number_that_was_lost(store, database):
    await _add(store, 1)
    _, after = await _follow(store, 0)
    slow = _Slow(database, "never")
    await _add(store, 2)
    slow.end(commit=False)
    await _add(store, 3)
    first, after = await _follow(store, after)
    second, after = await _follow(store, after)
    assert first + second == ["2", "3"]


async def test_a_gap_that_another_transaction_may_fill_is_not_taken_for_the_one_that_was_lost(store, database):
    await _add(store, 1)
    _, after = await _follow(store, 0)
    lost, late = _Slow(database, "lost"), _Slow(database, "late")
    await _add(store, 2)
    lost.end(commit=False)
    for _ in range(3):
        assert (await _follow(store, after))[0] == []
    late.end(commit=True)
    assert (await _follow(store, after))[0] == ["late", "2"]


async def test_followers_miss_nothing_while_many_write(store, database):
    """Two followers, four writers of their own sessions; each sees every event once, in order."""
    await _add(store, "first")
    (_, start), seen = await _follow(store, 0), {0: [], 1: []}
    over = threading.Event()

    def write(k):
        for n in range(25):
            slow = _Slow(database, f"{k}-{n}")
            slow.end(commit=n % 5 != 4)

    writers = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for writer in writers:
        writer.start()
    places = {0: start, 1: start}
    while not over.is_set():
        if not any(writer.is_alive() for writer in writers):
            over.set()
        for who in seen:
            told, places[who] = await _follow(store, places[who])
            seen[who] += told
    for who in seen:
        for _ in range(3):
            told, places[who] = await _follow(store, places[who])
            seen[who] += told
    every = await store.read(lambda tx: tx.events.find(EventQuery(limit=1000)))
    assert seen[0] == seen[1] == [event.detail for _, event in every][1:]
    assert len(seen[0]) == 80


async def test_a_day_of_many_events_is_not_swept_row_by_row(store, database):
    with connect(address(database)) as connection:
        today = int(connection.execute("SELECT extract(epoch FROM date_trunc('day', now()))::bigint").fetchone()[0])
        await store.write(lambda tx: tx.events.arrange(today, today - DAY))
        await _add(store, "few", today + DAY)
        connection.execute(
            "INSERT INTO evergrant.event (number, family, at, what, client_id, account_id, session_id, reason,"
            " generation, network, agent, detail) SELECT nextval('evergrant.event_number'), '', %s, 'session.started',"
            " '', '', '', '', -1, '', '', repeat('x', 500) FROM generate_series(1, 4000)",
            (today + 9,),
        )
        swept = await store.write(lambda tx: tx.events.sweep(today + DAY + 9, 500))
        left = connection.execute("SELECT count(*) FROM evergrant.event").fetchone()
    assert (swept, left) == (1, (4000,))
