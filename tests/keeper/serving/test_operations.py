"""What each operation does, over HTTP, on a provider that really answers and sometimes misbehaves."""

import asyncio
from typing import Any

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.connection import Health
from evergrant.keeper.event import What
from evergrant.keeper.vault.port import VaultUnavailable
from evergrant.testing.chaos import MODES
from tests.keeper.serving.scene import Scene, serving


async def ok(scene: Scene, method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
    reply = await scene.ask(method, path, body)
    assert reply.status_code == status, reply.text
    return dict(reply.json())


async def test_connections_are_listed_narrowed_and_page_by_page() -> None:
    async with serving() as scene:
        for number in range(5):
            await scene.account(f"user-{number}")
        await ok(scene, "PATCH", "/v1/connections/con_user-3", {"tags": {"team": "blue"}})
        seen, after = [], ""
        while True:
            page = await ok(scene, "GET", f"/v1/connections?limit=2&after={after}")
            seen += [one["account"] for one in page["connections"]]
            after = page["next"]
            if not after:
                break
        assert seen == [f"user-{number}" for number in range(5)]
        blue = await ok(scene, "GET", "/v1/connections?tag[team]=blue")
        assert [one["account"] for one in blue["connections"]] == ["user-3"]
        named = await ok(scene, "GET", "/v1/connections?account=user-1&client=here&health=active")
        assert [one["id"] for one in named["connections"]] == ["con_user-1"]
        refused = await scene.ask("GET", "/v1/connections?health=fine")
        assert (refused.status_code, "needs_reauth" in refused.json()["sentence"]) == (400, True)


async def test_label_and_tags_are_changed_and_null_takes_a_tag_away() -> None:
    async with serving() as scene:
        name = await scene.account()
        await ok(scene, "PATCH", f"/v1/connections/{name}", {"label": "Sales", "tags": {"a": "1", "b": "2"}})
        after = await ok(scene, "PATCH", f"/v1/connections/{name}", {"tags": {"a": None, "c": "3"}})
        assert (after["label"], after["tags"]) == ("Sales", {"b": "2", "c": "3"})
        shown = await ok(scene, "GET", f"/v1/connections/{name}")
        assert shown["version"] == after["version"] == 3
        assert shown["tokens"][0]["refreshable"]
        lease = await ok(scene, "POST", f"/v1/connections/{name}/lease")
        assert lease["version"] == 1


async def test_a_change_and_a_hundred_leases_at_once_all_succeed() -> None:
    async with serving() as scene:
        name = await scene.account()
        calls = [scene.ask("PATCH", f"/v1/connections/{name}", {"tags": {f"t{n}": "x"}}) for n in range(5)]
        calls += [scene.ask("POST", f"/v1/connections/{name}/lease") for _ in range(100)]
        replies = await asyncio.gather(*calls)
        assert {reply.status_code for reply in replies} == {200}
        assert len((await ok(scene, "GET", f"/v1/connections/{name}"))["tags"]) == 5


async def test_refreshing_by_hand_brings_a_new_version() -> None:
    async with serving() as scene:
        name = await scene.account()
        await ok(scene, "POST", f"/v1/connections/{name}/refresh", {})
        assert (await ok(scene, "POST", f"/v1/connections/{name}/lease"))["version"] == 2
        reply = await scene.ask("POST", f"/v1/connections/{name}/refresh", {"record": "bot"})
        assert reply.status_code == 400


async def test_what_ends_is_told_and_disconnecting_ends_it_at_the_provider_too() -> None:
    async with serving() as scene:
        name = await scene.account()
        before = await ok(scene, "POST", f"/v1/connections/{name}/lease")
        ends = await ok(scene, "GET", f"/v1/connections/{name}/what-ends")
        assert (ends["connection_id"], ends["siblings"]) == (name, [])
        after = await ok(scene, "DELETE", f"/v1/connections/{name}")
        assert after["health"] == Health.REVOKED
        reply = await scene.ask("POST", f"/v1/connections/{name}/lease")
        assert (reply.status_code, reply.json()["code"]) == (409, "not_usable")
        assert before["token"] not in reply.text
        assert (await scene.ask("DELETE", f"/v1/connections/{name}?siblings=all")).status_code == 400


async def test_a_quarantine_stops_leases_at_once_until_it_is_released() -> None:
    async with serving() as scene:
        name = await scene.account()
        await ok(scene, "POST", f"/v1/connections/{name}/lease")
        await ok(scene, "POST", f"/v1/connections/{name}/quarantine", {"detail": "ticket 7"})
        reply = await scene.ask("POST", "/v1/leases", {"client": "here", "account": "user-42"})
        assert (reply.status_code, reply.json()["health"]) == (409, Health.QUARANTINED)
        await ok(scene, "POST", f"/v1/connections/{name}/release", {"detail": "looked at"})
        await ok(scene, "POST", f"/v1/connections/{name}/lease")


async def test_an_application_with_its_own_callback_begins_and_finishes() -> None:
    async with serving() as scene:
        begun = await ok(scene, "POST", "/v1/authorizations", {"client": "here", "account": "ada"}, 201)
        reply = await scene.http.get(begun["url"])
        back = reply.headers["location"]
        other = await scene.ask("POST", "/v1/authorizations/finish", {"callback_url": back, "user": "mallory"})
        assert (other.status_code, other.json()["code"], other.json()["reason"]) == (
            409, "callback_refused", "other_user",
        )  # fmt: skip
        begun = await ok(scene, "POST", "/v1/authorizations", {"client": "here", "account": "ada"}, 201)
        back = (await scene.http.get(begun["url"])).headers["location"]
        stood = await ok(scene, "POST", "/v1/authorizations/finish", {"callback_url": back, "user": "ada"})
        assert stood["connection"]["health"] == Health.ACTIVE
        assert stood["connection"]["id"] == begun["connection_id"]
        assert stood["refreshable"]


async def test_tokens_are_imported_and_leased_without_being_spent() -> None:
    async with serving() as scene:
        given = scene.life.chaos.grant("bob")
        said = {"client": "here", "account": "bob", "access_token": given.access_token,
                "refresh_token": given.refresh_token, "expires_at": scene.life.clock.now() + 600}  # fmt: skip
        made = await ok(scene, "POST", "/v1/imports", said, 201)
        assert (await ok(scene, "POST", f"/v1/connections/{made['id']}/lease"))["token"] == given.access_token
        again = await scene.ask("POST", "/v1/imports", said)
        assert (again.status_code, again.json()["code"]) == (409, "already_connected")
        assert given.refresh_token not in again.text
        assert scene.life.chaos.ledger.rotations == 0


async def test_a_device_is_connected_with_a_code_typed_elsewhere() -> None:
    async with serving(pause=lambda _: asyncio.sleep(0.02)) as scene:
        shown = await ok(scene, "POST", "/v1/devices", {"client": "here", "account": "tv"}, 201)
        assert shown["state"] == "pending"
        assert scene.life.chaos.decide_device(shown["user_code"], "ada")
        for _ in range(200):
            state = await ok(scene, "GET", f"/v1/devices/{shown['device']}")
            if state["state"] != "pending":
                break
            await asyncio.sleep(0.05)
        assert state["state"] == "connected"
        assert (await ok(scene, "POST", "/v1/leases", {"client": "here", "account": "tv"}))["token"]


async def test_events_go_on_where_the_page_before_ended() -> None:
    async with serving() as scene:
        name = await scene.account()
        first = await ok(scene, "GET", "/v1/events")
        await ok(scene, "POST", f"/v1/connections/{name}/refresh", {})
        more = await ok(scene, "GET", f"/v1/events?after={first['next']}&connection={name}")
        assert [event["what"] for event in more["events"]] == [What.REFRESHED]
        seen, after = [], 0
        while True:
            page = await ok(scene, "GET", f"/v1/events?after={after}&limit=1")
            if not page["events"]:
                break
            seen.append(page["events"][0]["number"])
            after = page["next"]
        assert seen == sorted(set(seen))


async def test_what_can_be_connected_is_listed_by_the_names_that_connections_use() -> None:
    async with serving() as scene:
        told = await ok(scene, "GET", "/v1/providers")
        assert [one["client"] for one in told["providers"]] == ["here", "there"]
        assert scene.life.chaos.client_secret not in str(told)


ANSWERED = {
    "unavailable": (503, "try_later"),
    "server_error": (503, "try_later"),
    "too_many_requests": (503, "try_later"),
    "temporarily_unavailable": (503, "try_later"),
    "reset_before": (503, "try_later"),
    "captive_portal": (503, "try_later"),
    "invalid_client": (409, "not_usable"),
    "invalid_grant": (409, "needs_reauth"),
    "interaction_required": (409, "needs_reauth"),
}


@pytest.mark.parametrize("mode", ANSWERED)
async def test_trouble_at_the_provider_is_told_as_what_it_is(mode: str) -> None:
    clock = FixedClock(1_800_000_000)
    async with serving(clock=clock) as scene:
        name = await scene.account(expires_in=1)
        clock.advance(2)
        scene.life.chaos.set(mode)
        reply = await scene.ask("POST", f"/v1/connections/{name}/lease")
        assert (reply.status_code, reply.json()["code"]) == ANSWERED[mode], reply.text
        if reply.status_code == 503:
            assert int(reply.headers["retry-after"]) == reply.json()["retry_after"] >= 1
        if reply.json()["code"] == "needs_reauth":
            assert reply.json()["reconnect"].startswith(f"{scene.address}/reconnect?")


@pytest.mark.parametrize("mode", sorted(MODES))
async def test_no_mode_of_the_provider_makes_a_fault_of_ours(mode: str) -> None:
    clock = FixedClock(1_800_000_000)
    async with serving(clock=clock, keeping={"request_seconds": 0.5, "wait_seconds": 5.0}) as scene:
        name = await scene.account(expires_in=1)
        clock.advance(2)
        scene.life.chaos.set(mode)
        for _ in range(2):
            reply = await scene.ask("POST", f"/v1/connections/{name}/lease")
            assert reply.status_code in {200, 409, 503}, reply.text
            assert "refresh_token" not in reply.text
        scene.life.chaos.clear()
        scene.life.chaos.release()


async def test_a_vault_that_fails_is_503_and_says_so_on_every_kind_of_route() -> None:
    async with serving() as scene:
        name = await scene.account()
        browser = await scene.browser().open(await scene.link())
        await browser.submit("go")
        key = await scene.key()

        async def broken(*_: object, **__: object) -> None:
            raise VaultUnavailable("/secret/path: the disk is full")

        for verb in ("load", "look_up", "search", "events", "change"):
            setattr(scene.life.vault, verb, broken)
        headers = {"Authorization": f"Bearer {key}"}
        for method, path in (("GET", f"/v1/connections/{name}"), ("GET", "/v1/connections"), ("GET", "/v1/events"),
                             ("POST", f"/v1/connections/{name}/refresh")):  # fmt: skip
            reply = await scene.http.request(method, scene.address + path, headers=headers)
            assert (reply.status_code, reply.json()["code"]) == (503, "vault_trouble")
            assert "secret" not in reply.text
        page = await browser.open(f"{scene.address}/connections")
        assert (page.status, "Not available right now" in page.said) == (503, True)
        assert "secret" not in page.page
