"""The modes in which something goes wrong: one test each, with what a client sees and what the ledger knows."""

import asyncio
import json
import math

import httpx2
import pytest

from evergrant.testing.chaos import MODES, Outcome
from evergrant.testing.chaos.mode import Kind
from evergrant.testing.chaos.modes import HUGE
from tests.testing.chaos.caller import Caller, calling
from tests.tools import ROOT


async def broken(caller: Caller, mode: str) -> tuple[str, httpx2.Response]:
    """One refresh with a mode in force, and the token it was sent with. The next one is answered as usual."""
    token = caller.chaos.grant("ada", "openid read write").refresh_token
    caller.chaos.set(mode, times=1)
    return token, await caller.refresh(token)


async def spent(caller: Caller, token: str) -> bool:
    """Whether the provider has spent a token, as its next use shows."""
    caller.chaos.set("strict_one_shot")
    return (await caller.refresh(token)).status_code != 200


async def no_answer(mode: str) -> Outcome:
    """A refresh that gets no answer at all: what became of it."""
    async with calling() as caller:
        with pytest.raises(httpx2.TransportError):
            await broken(caller, mode)
        (seen,) = caller.chaos.ledger
        assert MODES[mode].name in seen.modes
        return seen.outcome


async def test_mode_lost_reply_spends_and_says_nothing():
    assert await no_answer("lost_reply") is Outcome.ROTATED


async def test_mode_reset_after_spends_and_resets():
    assert await no_answer("reset_after") is Outcome.ROTATED


async def test_mode_reset_before_spends_nothing():
    assert await no_answer("reset_before") is Outcome.UNREACHED


async def test_mode_cut_reply_spends_and_ends_in_the_middle():
    assert await no_answer("cut_reply") is Outcome.ROTATED


async def test_mode_reset_unread_reads_nothing_from_the_next_connections():
    async with calling() as caller:
        token = caller.chaos.grant().refresh_token
        caller.chaos.set("reset_unread", times=2)
        for _ in range(2):
            with pytest.raises(httpx2.TransportError):
                await caller.refresh(token)
        assert list(caller.chaos.ledger) == []
        assert (await caller.refresh(token)).status_code == 200


async def test_mode_unavailable_after_spends_and_answers_503():
    async with calling() as caller:
        token, answer = await broken(caller, "unavailable_after")
        assert answer.status_code == 503
        assert await spent(caller, token)


async def test_mode_unavailable_spends_nothing():
    async with calling() as caller:
        token, answer = await broken(caller, "unavailable")
        assert answer.status_code == 503
        assert not await spent(caller, token)


async def test_mode_server_error_spends_nothing():
    async with calling() as caller:
        token, answer = await broken(caller, "server_error")
        assert answer.status_code == 500
        assert not await spent(caller, token)


async def test_mode_slow_reply_spends_at_once_and_outlasts_its_client():
    async with calling() as caller:
        token = caller.chaos.grant().refresh_token
        caller.chaos.set("slow_reply:seconds=30", times=1)
        with pytest.raises(httpx2.ReadTimeout):
            await caller.http.post(
                caller.chaos.provider.token_url, data={"grant_type": "refresh_token", "refresh_token": token},
                auth=(caller.chaos.client_id, caller.chaos.client_secret), timeout=0.2,
            )  # fmt: skip
        assert await spent(caller, token)
        assert caller.chaos.ledger.most_in_flight == 2


async def test_mode_held_reply_waits_until_it_is_released():
    async with calling() as caller:
        token = caller.chaos.grant().refresh_token
        caller.chaos.set("held_reply", times=1)
        request = asyncio.create_task(caller.refresh(token))
        await caller.chaos.ledger.reaches(1)
        assert not request.done()
        caller.chaos.release()
        assert (await request).status_code == 200


async def test_mode_late_spend_is_done_although_its_client_has_left():
    async with calling() as caller:
        token = caller.chaos.grant().refresh_token
        caller.chaos.set("late_spend:seconds=0.4", times=1)
        with pytest.raises(httpx2.ReadTimeout):
            await caller.http.post(
                caller.chaos.provider.token_url, data={"grant_type": "refresh_token", "refresh_token": token},
                auth=(caller.chaos.client_id, caller.chaos.client_secret), timeout=0.1,
            )  # fmt: skip
        assert list(caller.chaos.ledger) == []
        await caller.chaos.ledger.reaches(1)
        assert caller.chaos.ledger.refreshes[0].outcome is Outcome.ROTATED


async def test_mode_truncated_json_is_whole_as_http_and_half_as_json():
    async with calling() as caller:
        token, answer = await broken(caller, "truncated_json")
        with pytest.raises(json.JSONDecodeError):
            answer.json()
        assert (answer.status_code, int(answer.headers["content-length"])) == (200, len(answer.content))
        assert await spent(caller, token)


async def test_mode_duplicate_keys_names_the_tokens_twice_and_differently():
    async with calling() as caller:
        _, answer = await broken(caller, "duplicate_keys")
        pairs = json.loads(answer.text, object_pairs_hook=list)
        for name in ("access_token", "refresh_token"):
            assert len({value for key, value in pairs if key == name}) == 2


async def test_mode_no_content_spends_and_answers_204():
    async with calling() as caller:
        token, answer = await broken(caller, "no_content")
        assert (answer.status_code, answer.content) == (204, b"")
        assert await spent(caller, token)


async def test_mode_huge_body_is_larger_than_any_reply():
    async with calling() as caller:
        _, answer = await broken(caller, "huge_body")
        assert len(answer.content) > HUGE
        assert answer.json()["refresh_token"]


async def test_mode_wrong_content_type_says_html_around_json():
    async with calling() as caller:
        _, answer = await broken(caller, "wrong_content_type")
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.json()["access_token"]


async def test_mode_portal_after_spends_and_shows_a_page():
    async with calling() as caller:
        token, answer = await broken(caller, "portal_after")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert await spent(caller, token)


async def test_mode_captive_portal_shows_a_page_and_spends_nothing():
    async with calling() as caller:
        token, answer = await broken(caller, "captive_portal")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert not await spent(caller, token)


@pytest.mark.parametrize("value", ["3600", -1, 0, 1e300, None, [], {"seconds": 1}, True, 0.5])
async def test_mode_expires_in_is_whatever_one_says(value):
    async with calling() as caller:
        caller.chaos.set("expires_in", value=value, times=1)
        told = (await caller.refresh(caller.chaos.grant().refresh_token)).json()
        assert told["expires_in"] == value


async def test_mode_expires_in_may_be_no_number_at_all():
    async with calling() as caller:
        _, answer = await broken(caller, "expires_in:value=NaN")
        assert math.isnan(answer.json()["expires_in"])


async def test_mode_wrong_token_type_says_mac():
    async with calling() as caller:
        _, answer = await broken(caller, "wrong_token_type")
        assert answer.json()["token_type"] == "mac"


async def test_mode_wrong_subject_speaks_of_somebody_else():
    async with calling("plain", "two_tokens") as caller:
        nested = caller.chaos.grant("ada").reply["authed_user"]
        assert nested["id"] == "ada"
        caller.chaos.set("wrong_subject:user=eve", times=1)
        assert (await caller.refresh(nested["refresh_token"])).json()["authed_user"]["id"] == "eve"


async def test_mode_shrunk_scope_grants_less():
    async with calling() as caller:
        _, answer = await broken(caller, "shrunk_scope")
        assert answer.json()["scope"] == "openid"


async def test_mode_grown_scope_grants_more():
    async with calling() as caller:
        _, answer = await broken(caller, "grown_scope")
        assert answer.json()["scope"] == "openid read write admin"


async def test_mode_null_refresh_token_keeps_the_one_there_is():
    async with calling() as caller:
        token, answer = await broken(caller, "null_refresh_token")
        assert answer.json()["refresh_token"] is None
        assert not await spent(caller, token)


async def test_mode_no_access_token_spends_and_gives_none():
    async with calling() as caller:
        token, answer = await broken(caller, "no_access_token")
        assert "access_token" not in answer.json()
        assert await spent(caller, token)


async def test_mode_withdrawn_ends_the_grant_and_that_is_nobodys_fault():
    async with calling() as caller:
        _, answer = await broken(caller, "withdrawn")
        assert answer.json()["error"] == "invalid_grant"
        assert caller.chaos.ledger.ended == {"grant-1": "withdrawn"}
        assert caller.chaos.ledger.second_spends == []


@pytest.mark.parametrize(
    ("mode", "status", "error"),
    [
        ("too_many_requests", 429, "slow_down"),
        ("temporarily_unavailable", 400, "temporarily_unavailable"),
        ("invalid_client", 401, "invalid_client"),
        ("invalid_scope", 400, "invalid_scope"),
        ("interaction_required", 400, "interaction_required"),
        ("invalid_grant", 400, "invalid_grant"),
    ],
)
async def test_a_mode_that_refuses_spends_nothing(mode, status, error):
    async with calling() as caller:
        token, answer = await broken(caller, mode)
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert not await spent(caller, token)


async def test_mode_too_many_requests_says_when_to_come_back():
    async with calling() as caller:
        _, answer = await broken(caller, "too_many_requests:seconds=7")
        assert answer.headers["retry-after"] == "7"


async def test_mode_not_an_object_is_json_and_no_reply():
    async with calling() as caller:
        token, answer = await broken(caller, "not_an_object")
        assert answer.json() == ["ok"]
        assert not await spent(caller, token)


async def test_mode_redirect_shows_who_follows_it_with_a_token():
    async with calling() as caller:
        token, answer = await broken(caller, "redirect")
        assert (answer.status_code, answer.headers["location"]) == (307, "/elsewhere")
        assert caller.chaos.ledger.astray == 0
        await caller.http.post(caller.chaos.url + "/elsewhere", data={"refresh_token": token})
        assert caller.chaos.ledger.astray == 1


async def test_a_mode_may_be_about_the_code_exchange_or_the_api():
    async with calling("plain", "unavailable:on=exchange,times=1", "too_many_requests:on=api,times=1") as caller:
        code = await caller.code()
        assert (await caller.exchange(code)).status_code == 503
        given = (await caller.exchange(code)).json()
        assert [(await caller.call(given["access_token"])).status_code for _ in range(2)] == [429, 200]


def test_every_mode_has_a_test_of_its_own():
    folder = ROOT / "tests" / "testing" / "chaos"
    source = "\n".join(file.read_text(encoding="utf-8") for file in folder.glob("test_*.py"))
    assert [name for name in MODES if f"test_mode_{name}_" not in source and f'("{name}", ' not in source] == []


def test_every_mode_is_said_in_one_sentence():
    for mode in MODES.values():
        assert mode.sentence.endswith((".", ")."))
        assert mode.kind in Kind
