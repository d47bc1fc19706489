"""The modes that change how the same thing is said: one test each."""

import json
from base64 import urlsafe_b64decode
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl

from tests.testing.chaos.caller import calling


def claims(id_token: str) -> dict:
    payload = id_token.split(".")[1]
    return json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


async def test_mode_no_expires_in_says_nothing_about_the_lifetime():
    async with calling("plain", "no_expires_in") as caller:
        told = (await caller.refresh(caller.chaos.grant().refresh_token)).json()
        assert "expires_in" not in told
        assert "access_token" in told


async def test_mode_error_in_200_is_an_error_all_the_same():
    async with calling("plain", "error_in_200") as caller:
        answer = await caller.refresh("chr_nobody-ever-issued-this")
        assert (answer.status_code, answer.json()["error"]) == (200, "invalid_grant")


async def test_mode_form_encoded_speaks_forms_for_tokens_and_errors():
    async with calling("plain", "form_encoded") as caller:
        answer = await caller.refresh(caller.chaos.grant().refresh_token)
        assert answer.headers["content-type"].startswith("application/x-www-form-urlencoded")
        assert {"access_token", "refresh_token", "expires_in"} <= set(dict(parse_qsl(answer.text)))
        assert dict(parse_qsl((await caller.refresh("nobody's")).text))["error"] == "invalid_grant"


async def test_mode_two_tokens_gives_two_pairs_that_are_refreshed_apart():
    async with calling("plain", "two_tokens") as caller:
        first = (await caller.exchange(await caller.code())).json()
        nested = first["authed_user"]
        assert first["ok"] is True
        assert first["refresh_token"] != nested["refresh_token"]
        user = (await caller.refresh(nested["refresh_token"])).json()
        assert "authed_user" not in user or "access_token" not in user["authed_user"]
        assert user["refresh_token"] not in {first["refresh_token"], nested["refresh_token"]}
        assert (await caller.refresh(first["refresh_token"])).status_code == 200
        assert [seen.record for seen in caller.chaos.ledger] == ["user", "bot"]


async def test_mode_nested_refresh_answers_a_refresh_as_the_first_reply_was():
    async with calling("plain", "two_tokens", "nested_refresh") as caller:
        nested = caller.chaos.grant().reply["authed_user"]
        user = (await caller.refresh(nested["refresh_token"])).json()
        assert user["authed_user"]["refresh_token"] != nested["refresh_token"]
        assert "refresh_token" not in user


async def test_mode_wrong_clock_is_wrong_in_the_date_the_members_and_the_id_token():
    async with calling("plain", "wrong_clock:seconds=-3600") as caller:
        answer = await caller.refresh(caller.chaos.grant("ada", "openid").refresh_token)
        wrong = caller.clock.now() - 3_600
        told = answer.json()
        assert parsedate_to_datetime(answer.headers["date"]).timestamp() == wrong
        assert (told["created_at"], told["expires_at"], told["expires_in"]) == (wrong, wrong + 3_600, 3_600)
        assert claims(told["id_token"])["iat"] == wrong


async def test_the_date_is_the_clocks_where_no_mode_says_otherwise():
    async with calling() as caller:
        answer = await caller.refresh("nobody's")
        assert parsedate_to_datetime(answer.headers["date"]).timestamp() == caller.clock.now()


async def test_mode_dead_words_says_the_same_with_the_provider_s_other_answer():
    told = []
    for number in (0, 1):
        async with calling("slack", f"dead_words:number={number}") as caller:
            answer = await caller.refresh("nobody's")
            told.append((answer.status_code, answer.json()["ok"], answer.json()["error"]))
    assert told == [(200, False, "invalid_refresh_token"), (200, False, "token_revoked")]
