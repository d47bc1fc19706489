"""Failed authentications of clients are told, and no flood of them grows the audit trail."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from evergrant.assembly import Life
from evergrant.config import Config
from evergrant.domain.client import ClientType
from evergrant.domain.event import Event, What
from evergrant.issuer.refusals import MOST_PAIRS, WINDOW_SECONDS
from evergrant.observe.watch import Watch
from evergrant.protocol.basic import write_basic
from evergrant.store.layout import ISSUER
from evergrant.store.port import StoreUnavailable
from evergrant.testing.in_process import Browser, Issuer
from tests.issuing import SQLITE, Held, events, hold, issuing, post_as

FLOOD = 300


async def fail(held: Held, name: str = "", network: str = "192.0.2.1", secret: str = "wrong") -> None:
    browser = Browser(held.issuer.app, network)
    form = {"grant_type": "refresh_token", "refresh_token": held.refresh}
    header = {"authorization": write_basic(name or held.client.id, secret)}
    assert (await browser.post("/token", form, header)).status == 401


async def told(issuer: Issuer) -> list[Event]:
    await issuer.house.refusals.tell(issuer.house.store)
    return await events(issuer, What.CLIENT_REFUSED)


async def test_s_10_r6749_2_3_1_c_a_flood_of_wrong_secrets_is_one_event_with_their_number(both: Issuer) -> None:
    held = await hold(both, ClientType.WEB)
    first = both.clock.now()
    for _ in range(FLOOD):
        await fail(held)
    assert await events(both, What.CLIENT_REFUSED) == [], "nothing is written while anybody waits"
    (event,) = await told(both)
    assert (event.at, event.client_id, event.network) == (first, held.client.id, "192.0.2.1")
    assert (event.reason, event.detail) == ("wrong secret", str(FLOOD))
    assert await told(both) == [event], "and is told once"


async def test_every_client_and_every_network_has_its_own_event_with_the_reason(issuer: Issuer) -> None:
    one, other = await hold(issuer, ClientType.WEB), await hold(issuer, ClientType.WEB, "Other")
    await fail(one)
    await fail(one, network="192.0.2.2")
    await fail(other)
    await post_as(issuer, "/revoke", one.client, "x", {"token": "x"})
    found = {(event.client_id, event.network): event.detail for event in await told(issuer)}
    ours = (one.client.id, "192.0.2.1")
    assert found == {ours: "2", (one.client.id, "192.0.2.2"): "1", (other.client.id, "192.0.2.1"): "1"}


async def test_a_11_what_strangers_call_themselves_is_neither_stored_nor_counted_one_by_one(issuer: Issuer) -> None:
    held = await hold(issuer, ClientType.WEB)
    for number in range(FLOOD):
        await fail(held, f"cli_{number:022d}")
    (event,) = await told(issuer)
    assert (event.client_id, event.reason, event.detail) == ("", "unknown client", str(FLOOD))


async def test_a_11_a_flood_from_everywhere_is_a_bounded_number_of_events(issuer: Issuer) -> None:
    held = await hold(issuer, ClientType.WEB)
    for number in range(FLOOD):
        await fail(held, network=f"198.51.{number // 256}.{number % 256}")
    found = await told(issuer)
    assert len(found) == MOST_PAIRS + 1
    assert (found[-1].client_id, found[-1].network, found[-1].detail) == ("", "", str(FLOOD - MOST_PAIRS))
    assert sum(int(event.detail) for event in found) == FLOOD


async def test_who_authenticates_is_not_told_of(issuer: Issuer) -> None:
    held = await hold(issuer, ClientType.WEB)
    await held.turn()
    assert not issuer.house.refusals.due(issuer.clock.now() + 10 * WINDOW_SECONDS)
    assert await told(issuer) == []


async def test_o_02_what_the_store_does_not_take_is_told_later(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    held = await hold(issuer, ClientType.WEB)
    await fail(held)

    async def broken(work: object) -> None:
        await fail(held)  # another one comes while the store does not answer
        raise StoreUnavailable("full")

    with monkeypatch.context() as patch:
        patch.setattr(issuer.house.store, "write", broken)
        with pytest.raises(StoreUnavailable):
            await issuer.house.refusals.tell(issuer.house.store)
    assert [event.detail for event in await told(issuer)] == ["2"]


def life(issuer: Issuer) -> Life:
    watch = Watch(issuer.house.metrics, issuer.clock, issuer.house.entropy)
    return Life(AsyncExitStack(), issuer.house, watch)


async def test_nothing_is_told_before_the_minute_is_over_and_a_clock_put_back_delays_nothing(issuer: Issuer) -> None:
    held, now = await hold(issuer, ClientType.WEB), issuer.clock.now()
    await fail(held)
    due = issuer.house.refusals.due
    told_at = [now - 1, now, now + WINDOW_SECONDS - 1, now + WINDOW_SECONDS]
    assert [due(at) for at in told_at] == [True, False, False, True]


async def told_once_the_minute_is_over(issuer: Issuer) -> None:
    running = life(issuer)
    await running.start()
    try:
        issuer.clock.advance(WINDOW_SECONDS)
        for _ in range(50):
            if await events(issuer, What.CLIENT_REFUSED):
                break
            await asyncio.sleep(0.1)
        assert len(await events(issuer, What.CLIENT_REFUSED)) == 1
    finally:
        await running.stop()


async def test_a_running_server_tells_once_the_minute_is_over(tmp_path: Path) -> None:
    async with issuing(tmp_path, config=Config().replace(housekeeping__interval=1)) as issuer:
        await issuer.person()
        held = await hold(issuer, ClientType.WEB)
        await fail(held)
        await told_once_the_minute_is_over(issuer)


async def test_a_row_that_housekeeping_cannot_read_does_not_end_it(tmp_path: Path) -> None:
    """Another release wrote it, and was taken back."""
    async with issuing(tmp_path, SQLITE, Config().replace(housekeeping__interval=1)) as issuer:
        table = next(one for one in ISSUER.tables if one.name == "session")
        strange = ("ses_strange", b"digest", "usr_1", None, issuer.clock.now() + 86_400, b'{"from": "tomorrow"}')
        await issuer.house.store.write(lambda tx: tx.bulk.load(table, [strange]))  # type: ignore[attr-defined]
        await issuer.person()
        await fail(await hold(issuer, ClientType.WEB))
        await told_once_the_minute_is_over(issuer)


async def test_a_server_that_stops_tells_what_it_has_not_told(issuer: Issuer) -> None:
    held = await hold(issuer, ClientType.WEB)
    await fail(held)
    await life(issuer).stop()
    assert len(await events(issuer, What.CLIENT_REFUSED)) == 1
