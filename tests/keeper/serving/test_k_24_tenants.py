"""K-24: whatever one tenant asks, on whichever route, nothing of another tenant is seen or changed."""

from typing import Any

import pytest

from evergrant.keeper.serving.api.operation import Operation
from evergrant.keeper.serving.api.table import OPERATIONS
from evergrant.keeper.serving.api_keys import Scope
from tests.keeper.serving.scene import ONE, TWO, Scene, serving

NAMING = [row for row in OPERATIONS if "{" in row.path]
OPEN = [row for row in OPERATIONS if "{" not in row.path]
BODIES: dict[str, dict[str, Any]] = {
    "unauthorized": {"version": 1},
    "change": {"label": "theirs now", "tags": {"a": "b"}},
    "lease": {"client": "here", "account": "their-own-account"},
}
THEIRS = ("their-own-account", "con_their-own-account", "their caller", "their secret detail")


async def of_another(scene: Scene) -> dict[str, str]:
    """Everything that a path can name, made by the other tenant."""
    await scene.account("their-own-account", tenant=TWO)
    made = await scene.ask("POST", "/v1/api-keys", {"name": "their caller", "scopes": ["leases"]}, tenant=TWO)
    await scene.ask(
        "POST", "/v1/connections/con_their-own-account/quarantine", {"detail": "their secret detail"}, tenant=TWO
    )
    letters = (await scene.ask("GET", "/v1/webhooks", tenant=TWO)).json()["letters"]
    return {
        "connection_id": "con_their-own-account",
        "key_id": made.json()["key"]["id"],
        "letter_id": letters[0]["id"],
        "device": "dev_AAAAAAAAAAAAAAAAAAAAAA",
    }


async def state(scene: Scene) -> Any:
    """All that the other tenant has, as far as a stranger could have changed it."""
    found = (await scene.ask("GET", "/v1/connections/con_their-own-account", tenant=TWO)).json()
    keys = (await scene.ask("GET", "/v1/api-keys", tenant=TWO)).json()["keys"]
    letters = (await scene.ask("GET", "/v1/webhooks", tenant=TWO)).json()["letters"]
    return found, [(key["id"], key["ended_at"]) for key in keys], letters


@pytest.mark.parametrize("tenant", [ONE, ""], ids=["named", "unnamed"])
@pytest.mark.parametrize("row", NAMING, ids=lambda row: row.name)
async def test_k_24_a_stranger_names_a_thing_and_is_told_that_there_is_none(row: Operation, tenant: str) -> None:
    async with serving() as scene:
        path = row.path.format(**await of_another(scene))
        before = await state(scene)
        body = BODIES.get(row.name, {}) if row.body is not None else None
        reply = await scene.ask(row.method, path, body, tenant=tenant)
        assert reply.status_code == 404, reply.text
        assert reply.json()["code"] == "unknown_connection"
        never_was = path.replace("con_their-own-account", "con_that-never-was").replace("dev_A", "dev_B")
        other = await scene.ask(row.method, never_was.replace("key_", "key_x"), body, tenant=tenant)
        assert other.status_code == 404
        assert reply.json().get("near") == other.json().get("near")
        assert await state(scene) == before
        assert scene.life.chaos.ledger.rotations == 0


@pytest.mark.parametrize("tenant", [ONE, ""], ids=["named", "unnamed"])
@pytest.mark.parametrize("row", OPEN, ids=lambda row: row.name)
async def test_k_24_no_list_and_no_answer_tells_of_another_tenant(row: Operation, tenant: str) -> None:
    async with serving() as scene:
        await of_another(scene)
        body = {**row.example, "client": "here", **BODIES.get(row.name, {})} if row.body is not None else None
        if row.name in {"connect_link", "key_made", "finish"}:
            body = row.example | ({"clients": ["here"]} if row.name == "connect_link" else {})
        before = await state(scene)
        reply = await scene.ask(row.method, row.path, body, tenant=tenant)
        asked = str(body)
        assert not [name for name in THEIRS if name in reply.text and name not in asked], reply.text
        assert await state(scene) == before


async def test_k_24_a_near_name_comes_from_the_same_tenant_alone() -> None:
    async with serving() as scene:
        await scene.account("ada-lovelace", tenant=TWO)
        asked = {"client": "here", "account": "ada-lovelase"}
        assert "near" not in (await scene.ask("POST", "/v1/leases", asked)).json()
        assert (await scene.ask("POST", "/v1/leases", asked, tenant=TWO)).json()["near"] == ["ada-lovelace"]


async def test_k_24_a_link_of_one_tenant_connects_nothing_at_another() -> None:
    async with serving() as scene:
        browser = await scene.browser().open(await scene.link("ada", tenant=TWO))
        await browser.submit("go")
        assert (await scene.ask("GET", "/v1/connections", tenant=ONE)).json()["connections"] == []
        assert len((await scene.ask("GET", "/v1/connections", tenant=TWO)).json()["connections"]) == 1


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
async def test_every_route_needs_a_key_and_its_own_scope(row: Operation) -> None:
    path = row.path.replace("{", "").replace("}", "")
    async with serving() as scene:
        for header in ({}, {"Authorization": "Bearer egp_" + "A" * 43}, {"Authorization": "Basic eDp5"}):
            reply = await scene.http.request(row.method, scene.address + path, headers=header)
            assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized")
            assert reply.headers["www-authenticate"].startswith("Bearer")
        others = tuple(scope for scope in Scope if scope not in {row.scope, Scope.ADMIN})
        reply = await scene.ask(row.method, path, {} if row.body else None, scopes=others)
        assert (reply.status_code, reply.json()["code"]) == (403, "forbidden")
        reply = await scene.ask(row.method, path, {} if row.body else None, scopes=(row.scope,))
        assert reply.status_code not in {401, 403, 500}
