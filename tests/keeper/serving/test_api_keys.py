"""API keys: shown once, kept as digests, each with scopes, gone at once when revoked."""

import pytest

from evergrant.clock import FixedClock
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.event import What
from evergrant.keeper.serving.api_keys import ApiKeys, Scope
from evergrant.observe.redaction import redact
from tests.keeper.serving.scene import ONE, serving

NOW = 1_800_000_000


async def test_k_22_the_vault_holds_no_key_and_no_list_shows_one() -> None:
    async with serving() as scene:
        made = (await scene.ask("POST", "/v1/api-keys", {"name": "billing", "scopes": ["leases"]})).json()
        assert made["text"].startswith("egp_")
        listed = await scene.ask("GET", "/v1/api-keys")
        assert made["text"] not in listed.text
        assert made["text"] not in repr(await scene.life.vault.api_keys())
        assert made["text"] not in redact(f"somebody wrote {made['text']} into a log")


async def test_a_revoked_key_is_refused_at_the_next_call() -> None:
    async with serving() as scene:
        made = (await scene.ask("POST", "/v1/api-keys", {"name": "billing", "scopes": ["connections:read"]})).json()
        headers = {"Authorization": f"Bearer {made['text']}"}
        assert (await scene.http.get(f"{scene.address}/v1/connections", headers=headers)).status_code == 200
        ended = await scene.ask("DELETE", f"/v1/api-keys/{made['key']['id']}")
        assert ended.json()["ended_at"]
        assert (await scene.http.get(f"{scene.address}/v1/connections", headers=headers)).status_code == 401
        events = [each.event.what for each in await scene.life.vault.events(tenant=ONE)]
        assert What.API_KEY_ADDED in events
        assert What.API_KEY_REVOKED in events


async def test_a_key_that_another_process_revoked_is_refused_within_the_time_of_a_recheck() -> None:
    clock = FixedClock(NOW)
    async with serving(clock=clock) as scene:
        text = await scene.key()
        here = scene.app.house.keys
        assert await here.known(text)
        other = ApiKeys(scene.life.another())
        key = (await other.of(ONE))[0]
        await other.end(ONE, key.id)
        clock.advance(2)
        assert await here.known(text) is None


async def test_last_use_is_noted_to_the_minute_and_once_a_minute() -> None:
    clock = FixedClock(NOW + 7)
    async with serving(clock=clock) as scene:
        await scene.ask("GET", "/v1/connections")
        before = scene.life.vault.stamp()
        await scene.ask("GET", "/v1/connections")
        assert scene.life.vault.stamp() == before
        assert [key.used_at for key in await scene.app.house.keys.of(ONE)] == [NOW]


async def test_the_name_of_a_key_is_the_caller_in_the_audit_trail() -> None:
    async with serving() as scene:
        await scene.account()
        await scene.ask("POST", "/v1/leases", {"client": "here", "account": "user-42"})
        events = (await scene.ask("GET", "/v1/events")).json()["events"]
        assert [event["caller"] for event in events if event["what"] == What.LEASED] == ["caller of one"]


@pytest.mark.parametrize("text", ["", "egp_", "egp_x", "egk_" + "A" * 43, "egp_" + "A" * 44, "egp_" + "é" * 43])
async def test_what_is_no_key_costs_no_look_into_the_vault(text: str) -> None:
    async with serving() as scene:
        await scene.life.keeper.close()
        assert await scene.app.house.keys.known(text) is None


@pytest.mark.parametrize(("name", "scopes"), [("", ["leases"]), ("x" * 65, ["leases"]), ("x", []), ("x", ["all"])])
async def test_a_key_without_a_name_or_with_a_scope_that_is_none_is_not_made(name: str, scopes: list[str]) -> None:
    async with serving() as scene:
        with pytest.raises(BadRequest):
            await scene.app.house.keys.make(ONE, name, scopes)
        assert (await scene.ask("POST", "/v1/api-keys", {"name": name, "scopes": scopes})).status_code == 400


def test_scopes_are_a_closed_list() -> None:
    assert {*Scope} == {"connections:read", "connections:write", "leases", "events", "admin"}
