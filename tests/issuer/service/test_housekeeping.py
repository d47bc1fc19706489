"""Housekeeping: what is over goes, what may still be needed stays, and a flood of rows is caught up with."""

import asyncio
import os
from dataclasses import replace

import pytest

from evergrant.assembly import housekeeper_name
from evergrant.clock import FixedClock
from evergrant.domain import id as ids
from evergrant.domain.event import Event, What
from evergrant.domain.family import Ended
from evergrant.domain.grant import Flow
from evergrant.domain.reason import Reason
from evergrant.entropy import SystemEntropy
from evergrant.issuer.service import housekeeping
from evergrant.issuer.service.housekeeping import KEEP_SECONDS, MOST_BATCHES, Housekeeper
from evergrant.store.memory import MemoryStore
from evergrant.store.port import EventQuery, Which
from evergrant.store.sqlite import SqliteStore
from evergrant.testing import specimens
from evergrant.testing.in_process import running
from tests.visitor import ADA, enter, told

BATCH = 10
NOW = 1_700_000_000


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    store = MemoryStore() if request.param == "memory" else SqliteStore.open(tmp_path / "evergrant.db")
    yield store
    await store.close()


@pytest.fixture
def clock():
    return FixedClock(NOW)


def keeper(store, clock, name="one", **changes):
    values = {"batch": BATCH, "interval": 30, "retention": 3_600, **changes}
    return Housekeeper(store, clock, name=name, **values)


async def flows(store):
    return await store.read(lambda tx: len(tx.flows.find(10_000)))


async def test_a_flood_of_unfinished_flows_is_caught_up_with_in_a_few_rounds(store, clock):
    count = BATCH * MOST_BATCHES + 5

    def flood(tx):
        for n in range(count):
            tx.flows.put(Flow(n.to_bytes(32, "big"), b"", "{}", NOW, NOW + 60))
        tx.flows.put(Flow(b"alive", b"", "{}", NOW, NOW + 1_000))

    await store.write(flood)
    clock.advance(61)
    housekeeper = keeper(store, clock)
    assert (await housekeeper.round()).records == BATCH * MOST_BATCHES
    assert (await housekeeper.round()).records == 5
    assert await flows(store) == 1


async def test_events_leave_at_the_rate_at_which_they_come_and_not_before_their_time(store, clock):
    old, young = BATCH * 30 + 3, 7
    await store.write(lambda tx: tx.events.add([Event(NOW, What.FAMILY_ROTATED)] * old))
    clock.advance(3_000)
    await store.write(lambda tx: tx.events.add([Event(clock.now(), What.FAMILY_ROTATED)] * young))
    housekeeper = keeper(store, clock)
    assert (await housekeeper.round()).events == 0
    clock.advance(700)
    assert (await housekeeper.round()).events == old
    left = await store.read(lambda tx: tx.events.find(EventQuery(limit=1_000)))
    assert len(left) == young


LATE = KEEP_SECONDS + 10_000


@pytest.mark.parametrize("batch", [1, 2, 3, 50])
async def test_every_family_that_is_swept_to_its_end_has_its_event_with_the_reason(store, clock, batch):
    ends = {
        "fresh": (NOW + 10**9, NOW + 10**9),
        "idle": (NOW + 10**9, NOW + 5),
        "absolute": (NOW + 5, NOW + 5),
        "at both": (NOW + 5, NOW + 4),
        "ended before": (NOW + 5, NOW + 5),
        "long gone": (NOW - LATE, NOW - LATE),
    }
    families = {
        name: _family(number, absolute, idle, ended=name == "ended before")
        for number, (name, (absolute, idle)) in enumerate(ends.items())
    }
    await store.write(lambda tx: [tx.families.add(family) for family in families.values()])
    clock.advance(5)
    housekeeper = keeper(store, clock, batch=batch, retention=10**6)
    for _ in range(3):
        await housekeeper.round()
    found = await store.read(lambda tx: tx.events.find(EventQuery(limit=1_000)))
    told_of = {event.family_id: event.reason for _, event in found}
    assert len(found) == len(told_of) == 4
    assert told_of == {
        ids.text(ids.Kind.FAMILY, families[name].id): reason
        for name, reason in (("idle", Reason.IDLE), ("absolute", Reason.ABSOLUTE), ("at both", Reason.ABSOLUTE),
                             ("long gone", Reason.ABSOLUTE))
    }  # fmt: skip
    event = found[0][1]
    assert (event.at, event.what, event.generation) == (NOW + 5, What.FAMILY_ENDED, 3)
    del told_of[ids.text(ids.Kind.FAMILY, families["long gone"].id)]
    rows = await store.read(lambda tx: tx.families.find(Which(live=False)))
    ended = [each for each in rows if each.ended and each.ended.at == NOW + 5]
    assert {ids.text(ids.Kind.FAMILY, each.id): each.ended.reason for each in ended} == told_of


def _family(number, absolute_end, idle_end, *, ended):
    like = specimens.family()
    head = like.head._replace(generation=3, idle_end=idle_end)
    why = Ended(NOW - 1, Reason.SIGNED_OUT) if ended else None
    return like._replace(id=number.to_bytes(16, "big"), absolute_end=absolute_end, head=head, ended=why)


async def test_what_the_sweep_ends_and_what_it_tells_are_one_transaction(store, clock, monkeypatch):
    await store.write(lambda tx: tx.families.add(_family(1, NOW + 5, NOW + 5, ended=False)))
    clock.advance(5)
    monkeypatch.setattr(housekeeping, "_ended", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await keeper(store, clock).round()
    (family,) = await store.read(lambda tx: tx.families.find(Which(live=False)))
    assert family.ended is None


async def test_o_18_a_second_housekeeper_finds_the_lease_taken_and_takes_over_a_dead_one_s(store, clock):
    def flood(tx):
        for n in range(5):
            tx.flows.put(Flow(n.to_bytes(32, "big"), b"", "{}", NOW, NOW + 1 + n))

    await store.write(flood)
    one, two = keeper(store, clock, "one"), keeper(store, clock, "two")
    await one.round()
    clock.advance(30)
    assert (await two.round()).records == 0, "the first one holds the lease"
    assert await flows(store) == 5
    assert (await one.round()).records == 5
    clock.advance(61)
    await store.write(lambda tx: tx.flows.put(Flow(b"late", b"", "{}", NOW, NOW + 1)))
    assert (await two.round()).records >= 1, "the first one has died: its lease is over"
    await store.write(lambda tx: tx.flows.put(Flow(b"later", b"", "{}", NOW, NOW + 1)))
    assert (await one.round()).records == 0, "the first one wakes up late and finds that it lost the lease"


async def test_o_18_two_housekeepers_awake_at_once_do_no_work_twice(store, clock):
    one, two = keeper(store, clock, "one"), keeper(store, clock, "two")
    await store.write(lambda tx: tx.flows.put(Flow(b"x", b"", "{}", NOW - 100, NOW - 1)))
    done = [await one.round(), await two.round()]
    assert sorted(item.records for item in done) == [0, 1]


async def test_o_16_spent_codes_and_ended_sessions_outlive_what_asks_for_them(store, clock):
    code = replace(specimens.code(), expires_at=NOW + 60)
    session = replace(specimens.session(), absolute_end=NOW + 60, idle_end=NOW + 60)

    def put(tx):
        tx.codes.put(code)
        tx.sessions.put(session)

    await store.write(put)
    housekeeper = keeper(store, clock)
    clock.advance(KEEP_SECONDS)
    await housekeeper.round()
    assert await store.read(lambda tx: (tx.codes.get(code.digest), tx.sessions.get(session.id))) != (None, None)
    clock.advance(61)
    await housekeeper.round()
    assert await store.read(lambda tx: (tx.codes.get(code.digest), tx.sessions.get(session.id))) == (None, None)


async def test_a_session_whose_time_is_over_is_ended_with_its_online_families_and_the_reason_is_kept(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.person(ADA)
        client, secret = await issuer.client()
        browser = issuer.browser()
        online = await issuer.signed_in(client, secret, browser, scope="openid")
        offline = await issuer.signed_in(client, secret, browser)
        issuer.clock.advance(issuer.house.settings.session_idle)
        housekeeper = keeper(issuer.house.store, issuer.clock, retention=10**9)
        assert (await housekeeper.round()).sessions == 1
        sessions = await issuer.house.store.read(lambda tx: tx.sessions.find())
        assert [session.ended.reason for session in sessions] == [Reason.SESSION_EXPIRED]
        assert (await issuer.refresh(client, secret, online["refresh_token"])).json()["error"] == "invalid_grant"
        assert (await issuer.refresh(client, secret, offline["refresh_token"])).status == 200
        assert Reason.SESSION_EXPIRED in {event.reason for event in await told(issuer, what=What.SESSION_ENDED)}


async def test_a_session_kept_in_use_by_an_online_family_is_not_ended(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.person(ADA)
        client, secret = await issuer.client()
        browser = issuer.browser()
        tokens = await issuer.signed_in(client, secret, browser, scope="openid")
        day = 86_400
        housekeeper = keeper(issuer.house.store, issuer.clock, retention=10**9)
        for _ in range(issuer.house.settings.session_idle // day + 3):
            issuer.clock.advance(day)
            tokens = (await issuer.refresh(client, secret, tokens["refresh_token"])).json()
            await housekeeper.round()
        assert (await enter(issuer, browser)).status == 200
        account = await issuer.house.accounts.find(ADA)
        live = await issuer.house.store.read(lambda tx: tx.families.find(Which(account_id=account.id)))
        assert len(live) == 1


async def test_o_18_a_housekeeper_that_was_paused_in_a_round_and_lost_its_lease_changes_nothing_more(store, clock):
    """Paused after its first batch for longer than the lease; another one has taken over when it goes on."""
    await store.write(lambda tx: [tx.families.add(_family(n, NOW + 5, NOW + 5, ended=False)) for n in range(BATCH * 3)])
    await store.write(lambda tx: tx.flows.put(Flow(b"x", b"", "{}", NOW - 100, NOW - 1)))
    clock.advance(5)
    paused = PausedStore(store, batches=2)
    one, two = keeper(paused, clock, "one"), keeper(store, clock, "two", batch=1)
    going = asyncio.ensure_future(one.round())
    await paused.reached.wait()
    clock.advance(61)
    assert await two.round() != housekeeping.Done()
    before = await store.read(_everything)
    paused.go.set()
    assert await going == housekeeping.Done()
    assert await store.read(_everything) == before


def _everything(tx):
    return (
        tx.families.find(Which(live=False)),
        tx.flows.find(),
        tx.events.find(EventQuery(limit=1_000)),
        tx.leases.find(),
    )


class PausedStore:
    """A store whose writes stop after so many, until they may go on."""

    def __init__(self, store, batches):
        self._store, self._left = store, batches
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def write(self, work):
        if not self._left:
            self.reached.set()
            await self.go.wait()
        self._left -= 1
        return await self._store.write(work)


async def test_o_18_names_of_processes_differ_between_hosts_and_between_two_with_the_same_number():
    names = {housekeeper_name(SystemEntropy()) for _ in range(3)}
    assert len(names) == 3
    assert all(name.split(":")[1] == str(os.getpid()) for name in names)
