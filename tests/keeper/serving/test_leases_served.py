"""Tokens over HTTP: one key, one call, a token that works; and a newer one when an API refused it."""

from evergrant.keeper.serving.api_keys import Scope
from tests.keeper.serving.scene import serving


async def test_a_key_and_a_name_are_enough_for_a_token_that_works() -> None:
    async with serving() as scene:
        await scene.account()
        reply = await scene.ask("POST", "/v1/leases", {"client": "here", "account": "user-42"}, scopes=(Scope.LEASES,))
        assert reply.status_code == 200
        said = reply.json()
        assert said["header"] == {"Authorization": f"Bearer {said['token']}"}
        assert said["version"] == 1
        assert reply.headers["cache-control"] == "no-store"
        assert "refresh" not in reply.text


async def test_by_its_id_a_connection_leases_the_same_token() -> None:
    async with serving() as scene:
        name = await scene.account()
        first = await scene.ask("POST", f"/v1/connections/{name}/lease", {})
        again = await scene.ask("POST", f"/v1/connections/{name}/lease")
        assert first.json() == again.json()
        assert first.json()["connection_id"] == name


async def test_a_reported_401_brings_one_newer_token_to_everybody_who_reports_it() -> None:
    async with serving() as scene:
        name = await scene.account()
        before = (await scene.ask("POST", f"/v1/connections/{name}/lease")).json()
        first = await scene.ask("POST", f"/v1/connections/{name}/unauthorized", {"version": before["version"]})
        second = await scene.ask("POST", f"/v1/connections/{name}/unauthorized", {"version": before["version"]})
        assert first.status_code == second.status_code == 200
        assert first.json()["token"] == second.json()["token"] != before["token"]
        assert scene.life.chaos.ledger.rotations == 1


async def test_a_version_that_does_not_exist_yet_spends_nothing() -> None:
    async with serving() as scene:
        name = await scene.account()
        reply = await scene.ask("POST", f"/v1/connections/{name}/unauthorized", {"version": 99})
        assert (reply.status_code, reply.json()["code"]) == (400, "bad_request")
        assert scene.life.chaos.ledger.rotations == 0
