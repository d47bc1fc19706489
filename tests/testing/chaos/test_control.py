"""The control endpoint: modes, ledger, grants and devices for tests in other processes and languages."""

from typing import Any

import httpx2
import pytest

from tests.testing.chaos.caller import Caller, calling


async def told(caller: Caller, method: str, path: str, said: Any = None) -> httpx2.Response:
    headers = {"authorization": f"Bearer {caller.chaos.control_token}"}
    return await caller.http.request(method, f"{caller.chaos.url}/chaos{path}", json=said, headers=headers)


async def test_modes_are_added_replaced_counted_down_and_cleared():
    async with calling() as caller:
        assert (await told(caller, "GET", "/modes")).json() == {"modes": []}
        await told(caller, "POST", "/modes", {"modes": ["strict_one_shot", "unavailable:times=2"]})
        token = (await told(caller, "POST", "/grants", {"user": "ada"})).json()["reply"]["refresh_token"]
        assert (await caller.refresh(token)).status_code == 503
        assert (await told(caller, "GET", "/modes")).json() == {"modes": ["strict_one_shot", "unavailable:times=1"]}
        await told(caller, "PUT", "/modes", {"modes": ["never_rotates"]})
        assert [(await caller.refresh(token)).status_code for _ in range(2)] == [200, 200]
        assert (await told(caller, "DELETE", "/modes")).json() == {"modes": []}


async def test_the_ledger_is_told_with_every_request():
    async with calling("plain", "strict_one_shot") as caller:
        made = (await told(caller, "POST", "/grants", {"user": "ada", "scope": "read"})).json()
        for _ in range(2):
            await caller.refresh(made["reply"]["refresh_token"])
        said = (await told(caller, "GET", "/ledger")).json()
        assert (said["refreshes"], said["killed"], said["ended"]) == (2, 1, {made["grant"]: "reuse"})
        assert [one["outcome"] for one in said["requests"]] == ["rotated", "reused"]


async def test_a_user_withdraws_and_a_device_is_let_in():
    async with calling(user=None) as caller:
        caller.chaos.grant("ada")
        assert (await told(caller, "POST", "/withdraw", {"user": "ada"})).json() == {"ended": ["grant-1"]}
        form = {"client_id": caller.chaos.client_id}
        code = (await caller.http.post(caller.chaos.provider.device_url, data=form)).json()["user_code"]
        assert (await told(caller, "POST", "/device", {"user_code": code, "user": "ada"})).json() == {"done": True}
        assert (await told(caller, "POST", "/release")).status_code == 200


async def test_access_tokens_end_before_their_time_and_nothing_else_does():
    async with calling() as caller:
        ada, bob = caller.chaos.grant("ada"), caller.chaos.grant("bob")
        assert (await told(caller, "POST", "/end-access", {"user": "ada"})).json() == {"ended": 1}
        assert [(await caller.call(one.access_token)).status_code for one in (ada, bob)] == [401, 200]
        fresh = (await caller.refresh(ada.refresh_token)).json()
        assert (await caller.call(fresh["access_token"])).status_code == 200
        assert caller.chaos.end_access() == 2


async def test_a_mode_that_does_not_exist_changes_nothing():
    async with calling("plain", "never_rotates") as caller:
        answer = await told(caller, "PUT", "/modes", {"modes": ["strict_one_shot", "lost_repl"]})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        assert "did you mean lost_reply" in answer.json()["error_description"]
        assert [str(one) for one in caller.chaos.modes] == ["never_rotates"]


@pytest.mark.parametrize("token", ["", "Bearer wrong", "wrong"])
async def test_nobody_controls_it_without_the_token(token):
    async with calling() as caller:
        answer = await caller.http.get(f"{caller.chaos.url}/chaos/ledger", headers={"authorization": token})
        assert answer.status_code == 401


async def test_faults_leave_the_control_endpoint_alone():
    async with calling("plain", "unavailable:on=any", "wrong_clock") as caller:
        assert (await told(caller, "GET", "/ledger")).status_code == 200
        assert (await told(caller, "GET", "/nowhere")).status_code == 404
