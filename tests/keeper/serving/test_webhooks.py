"""Webhooks: signed so that a receiver can check them, sent until they arrive, and never into our own network."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from evergrant.clock import FixedClock
from evergrant.domain.secret import Secret
from evergrant.keeper import webhooks
from evergrant.keeper.event import What
from evergrant.keeper.serving import Endpoint
from evergrant.keeper.serving.outbox import PARKED, _pause
from evergrant.keeper.webhooks import Forged, verify
from evergrant.keeper.wire.fetch import Reach
from tests.keeper.living import settled
from tests.keeper.serving.scene import ONE, TWO, Scene, free, listening, serving

OLD, NEW = (
    Secret("whsec_" + base64.b64encode(b"o" * 24).decode()),
    Secret("whsec_" + base64.b64encode(b"n" * 24).decode()),
)
NOW = 1_800_000_000
HERE = Reach(loopback=True)


class Receiver:
    """Takes letters at /hook; answers with *status*, or goes silent."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = (await receive())["body"]
        self.got.append(({name.decode(): value.decode() for name, value in scope["headers"]}, body))
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"location", b"/elsewhere")]})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def received() -> AsyncIterator[Receiver]:
    sock, receiver = free(), Receiver()
    receiver.url = f"http://127.0.0.1:{sock.getsockname()[1]}/hook"
    async with listening(receiver, sock):
        yield receiver


@asynccontextmanager
async def posting(*receivers: Receiver, reach: Reach = HERE, **told: Any) -> AsyncIterator[Scene]:
    """The service with an endpoint for each receiver, and an outbox that works when a test says so."""
    secrets = told.pop("secrets", (NEW,))
    tenant = told.pop("tenant", None)
    endpoints = tuple(
        Endpoint(f"hook-{number}", one.url, secrets, tenant=tenant) for number, one in enumerate(receivers)
    )
    settings = {"webhooks": endpoints, "webhook_reach": reach, "webhook_pause": 3_600.0, **told.pop("told", {})}
    async with serving(told=settings, **told) as scene:
        yield scene


async def quarantined(scene: Scene, tenant: str = ONE) -> str:
    name = await scene.account(f"ada of {tenant}".replace(" ", "-"), tenant=tenant)
    reply = await scene.ask("POST", f"/v1/connections/{name}/quarantine", {"detail": "looked odd"}, tenant=tenant)
    assert reply.status_code == 200
    return name


async def test_a_letter_arrives_signed_and_says_what_happened_to_which_connection() -> None:
    async with received() as receiver, posting(receiver) as scene:
        name = await quarantined(scene)
        assert (await scene.app.house.outbox.round()).sent == 1
        headers, body = receiver.got[0]
        seen: dict[str, object] = {}
        letter_id = verify([NEW], headers, body, now=scene.life.clock.now(), seen=seen)
        said = json.loads(body)
        assert (said["type"], said["connection"], said["tenant"]) == (What.QUARANTINED.value, name, ONE)
        assert said["id"] == letter_id == headers["webhook-id"]
        assert (await scene.ask("GET", "/v1/webhooks")).json() == {"letters": []}


async def test_a_dead_grant_is_told_as_needs_reauth_and_its_repair_as_reconnected() -> None:
    async with received() as receiver, posting(receiver) as scene:
        browser = await scene.browser().open(await scene.link("ada"))
        await browser.submit("go")
        scene.life.chaos.withdraw("ada")
        found = await scene.life.keeper.show("here", "ada", tenant=ONE)
        reply = await scene.ask("POST", f"/v1/connections/{found.connection.id}/unauthorized", {"version": 1})
        assert (reply.status_code, reply.json()["code"]) == (409, "needs_reauth")
        assert reply.json()["reconnect"].startswith(scene.address + "/reconnect?reconnect=")
        again = await scene.ask("POST", f"/v1/connections/{found.connection.id}/reconnect-link", {})
        await (await browser.open(again.json()["url"])).submit("go")
        assert "is connected" in browser.said
        await scene.app.house.outbox.round()
        told = [json.loads(body)["type"] for _, body in receiver.got]
        assert sorted(told) == sorted([What.CONNECTED, What.NEEDS_REAUTH, What.RECONNECTED])


def test_the_signature_is_the_one_that_the_convention_describes() -> None:
    said = webhooks.headers([NEW], "evt_1", NOW, b'{"a":1}')
    by_hand = base64.b64encode(hmac.new(b"n" * 24, b'evt_1.%d.{"a":1}' % NOW, hashlib.sha256).digest()).decode()
    assert said == {"webhook-id": "evt_1", "webhook-timestamp": str(NOW), "webhook-signature": f"v1,{by_hand}"}


def test_the_example_of_the_convention_verifies() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    said = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert verify([secret], said, b'{"test": 2432232314}', now=1_614_265_330) == said["webhook-id"]


def test_while_a_secret_is_replaced_receivers_with_either_can_check() -> None:
    said = webhooks.headers([NEW, OLD], "evt_1", NOW, b"{}")
    for secret in (NEW, OLD):
        assert verify([secret], said, b"{}", now=NOW) == "evt_1"


@pytest.mark.parametrize(
    ("changes", "body", "later"),
    [
        ({"webhook-id": "evt_2"}, b"{}", 0), ({"webhook-timestamp": str(NOW + 1)}, b"{}", 0), ({}, b"{ }", 0),
        ({}, b"{}", 301), ({}, b"{}", -301), ({"webhook-signature": "v1,"}, b"{}", 0),
        ({"webhook-signature": "v2,AAAA"}, b"{}", 0), ({"webhook-timestamp": "1e9"}, b"{}", 0),
        ({"webhook-timestamp": "9" * 4_301}, b"{}", 0), ({"webhook-signature": "v1,é"}, b"{}", 0),
        ({"webhook-id": ""}, b"{}", 0), ({"webhook-timestamp": "٣"}, b"{}", 0),
    ],
)  # fmt: skip
def test_k_27_a_forged_or_late_letter_is_refused(changes: dict[str, str], body: bytes, later: int) -> None:
    said = {**webhooks.headers([NEW], "evt_1", NOW, b"{}"), **changes}
    with pytest.raises(Forged):
        verify([NEW], said, body, now=NOW + later)


def test_k_27_a_letter_that_was_handled_is_not_handled_again() -> None:
    said = webhooks.headers([NEW], "evt_1", NOW, b"{}")
    with pytest.raises(Forged, match="already"):
        verify([NEW], said, b"{}", now=NOW, seen={"evt_1": NOW})
    with pytest.raises(Forged):
        verify([OLD], said, b"{}", now=NOW)


async def test_an_endpoint_that_fails_is_tried_again_and_one_that_took_it_is_left_alone() -> None:
    clock = FixedClock(NOW)
    async with received() as good, received() as bad, posting(good, bad, clock=clock) as scene:
        bad.status = 500
        await quarantined(scene)
        first = await scene.app.house.outbox.round()
        assert (first.again, len(good.got), len(bad.got)) == (1, 1, 1)
        letter = (await scene.ask("GET", "/v1/webhooks")).json()["letters"][0]
        assert letter["tries"] == 1
        assert letter["last_error"] == "hook-1 did not take it"
        assert (await scene.app.house.outbox.round()).again == 0
        bad.status = 200
        clock.advance(60)
        assert (await scene.app.house.outbox.round()).sent == 1
        assert (len(good.got), len(bad.got)) == (1, 2)
        assert bad.got[0][0]["webhook-id"] == bad.got[1][0]["webhook-id"]


async def test_after_a_day_a_letter_is_parked_shown_and_sent_when_somebody_says_so() -> None:
    clock = FixedClock(NOW)
    async with received() as receiver, posting(receiver, clock=clock) as scene:
        receiver.status = 503
        await quarantined(scene)
        for _ in range(60):
            await scene.app.house.outbox.round()
            clock.advance(3_600)
        letter = (await scene.ask("GET", "/v1/webhooks")).json()["letters"][0]
        assert letter["parked"]
        tried = len(receiver.got)
        assert 10 < tried < 60
        await scene.app.house.outbox.round()
        assert len(receiver.got) == tried
        receiver.status = 200
        assert (await scene.ask("POST", f"/v1/webhooks/{letter['id']}/send")).json()["parked"] is False
        assert (await scene.app.house.outbox.round()).sent == 1
        assert (await scene.ask("GET", "/v1/webhooks")).json() == {"letters": []}


async def test_k_26_webhooks_do_not_go_into_our_own_network_or_wherever_a_redirect_says() -> None:
    async with received() as receiver:
        async with posting(receiver, reach=Reach(), tenant=ONE) as scene:
            await quarantined(scene)
            await scene.app.house.outbox.round()
            assert receiver.got == []
            told = (await scene.ask("GET", "/v1/webhooks")).json()["letters"][0]["last_error"]
            assert "https" in told
            assert receiver.url not in told
        receiver.status = 307
        async with posting(receiver) as scene:
            await quarantined(scene)
            assert (await scene.app.house.outbox.round()).again == 1
            assert len(receiver.got) == 1


async def test_k_24_an_endpoint_of_one_tenant_gets_no_letter_of_another() -> None:
    async with received() as receiver, posting(receiver, tenant=TWO) as scene:
        await quarantined(scene, ONE)
        await scene.app.house.outbox.round()
        assert receiver.got == []
        await quarantined(scene, TWO)
        await scene.app.house.outbox.round()
        assert [json.loads(body)["tenant"] for _, body in receiver.got] == [TWO]


async def test_a_process_that_knows_no_endpoint_leaves_letters_to_those_that_do_for_a_day() -> None:
    clock = FixedClock(NOW)
    async with posting(clock=clock) as scene:
        await quarantined(scene)
        await scene.app.house.outbox.round()
        assert len((await scene.ask("GET", "/v1/webhooks")).json()["letters"]) == 1
        clock.advance(86_401)
        await scene.app.house.outbox.round()
        assert (await scene.ask("GET", "/v1/webhooks")).json()["letters"] == []


async def test_a_receiver_that_hangs_holds_up_no_lease_and_no_refresh() -> None:
    over = asyncio.Event()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(silence, "127.0.0.1", 0) as silent:
        receiver = Receiver()
        receiver.url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/hook"
        async with posting(receiver, reach=Reach(loopback=True, seconds=1)) as scene:
            await quarantined(scene)
            await scene.account("bob", expires_in=1)
            sending = asyncio.create_task(scene.app.house.outbox.round())
            reply = await scene.ask("POST", "/v1/leases", {"client": "here", "account": "bob"})
            assert reply.status_code == 200
            assert not sending.done()
            assert (await sending).again == 1
            await settled(scene.life.keeper)
        over.set()
        await asyncio.sleep(0)


def test_pauses_double_stay_below_an_hour_and_differ() -> None:
    assert [_pause(tries, 0.999) for tries in (1, 2, 3, 4)] == [5, 9, 19, 39]
    assert _pause(40, 0.999) < 3_600 < PARKED
    assert _pause(10, 0.0) != _pause(10, 0.9)
