"""A failover to a standby that was behind: noticed from the tokens, declared by the operator, and nobody is a thief."""

import asyncio

import pytest

from evergrant.clock import SystemClock
from evergrant.domain.event import What
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Verdict
from evergrant.entropy import SeededEntropy
from evergrant.store.moving.backup import declare
from evergrant.store.port import EventQuery
from evergrant.store.postgres import PostgresStore
from evergrant.store.postgres.examine import examine
from evergrant.testing import specimens
from evergrant.testing.presenting import ASK, Presenter, ring
from tests.postgres.pair import paired
from tests.postgres.postmaster import wait_for

PROVED = ASK._replace(authenticated=True)
NAMES = ("proved", "public", "thief's")


@pytest.mark.needs("postgres")
@pytest.mark.timeout(300)
def test_o_03_what_an_asynchronous_standby_lost_is_an_alarm_then_an_operators_event_and_never_theft():
    with paired(synchronous=False) as pair:
        asyncio.run(_told(pair))


async def _told(pair):
    now = SystemClock().now()
    store = PostgresStore.open(pair.url)
    before = Presenter(store, SeededEntropy("before"), ring())
    held = {name: await before.begin(specimens.family(name)) for name in NAMES}
    assert "no commit waits for one" in examine(pair.primary.url(), now).losing
    await asyncio.to_thread(_caught_up, pair)
    pair.hold_back()
    lost = {name: (await before.present(token)).token for name, token in held.items()}
    await store.write(lambda tx: tx.turn())  # a client or a key has changed, and that is lost as well
    known = store.seen_revision
    await asyncio.to_thread(pair.fail_over)
    await store.close()

    store = PostgresStore.open(pair.url)
    after = Presenter(store, SeededEntropy("after"), ring())
    for name in ("proved", "public"):
        assert (await after.present(lost[name], ask=PROVED)).refusal is Refusal.AHEAD, "the loss is noticed"
    epoch = await declare(store, now, heads_trusted=True)
    assert await store.read(lambda tx: tx.revision()) > known, "a node would take the epoch for what it knows already"
    ask = ASK._replace(epoch=epoch)
    adopted = await after.present(lost["proved"], ask=ask._replace(authenticated=True))
    assert adopted.verdict is Verdict.ROTATE, "whoever proves itself goes on from what the store lost"
    assert (await after.present(lost["public"], ask=ask)).refusal is Refusal.RESTORED
    # Spent in the lost time and presented again by a thief; then its owner comes with the successor.
    assert (await after.present(held["thief's"], ask=ask)).given
    assert (await after.present(lost["thief's"], ask=ask)).refusal is Refusal.RESTORED
    rows = await store.read(lambda tx: [tx.families.get(specimens.family(name).id) for name in NAMES])
    assert [row.ended and row.ended.reason for row in rows] == [None, Reason.RESTORED, Reason.RESTORED]
    told = [event.what for _, event in await store.read(lambda tx: tx.events.find(EventQuery(limit=100)))]
    assert told.count(What.FAMILY_AHEAD) == 2
    assert What.FAMILY_REUSED not in told
    assert await store.read(lambda tx: tx.notices.find()) == []
    await store.close()


def _caught_up(pair):
    """Wait until the standby has every family that is committed now."""
    there = "SELECT count(*)::int FROM pg_catalog.pg_stat_activity WHERE to_regclass('evergrant.family') IS NOT NULL"
    assert wait_for(lambda: pair.standby.ask(there) != [(0,)])
    assert wait_for(lambda: pair.standby.ask("SELECT count(*)::int FROM evergrant.family") == [(len(NAMES),)])
