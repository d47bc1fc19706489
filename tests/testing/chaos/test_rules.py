"""The modes that say what a refresh token is good for: one test each."""

import pytest

from tests.testing.chaos.caller import CALLBACK, Caller, calling

DAY = 86_400


async def twice(caller: Caller) -> tuple[str, dict, dict]:
    """A refresh token, and what it gets when it is presented twice."""
    first = caller.chaos.grant("ada", "read write").refresh_token
    answers = [(await caller.refresh(first)).json() for _ in range(2)]
    return first, answers[0], answers[1]


async def test_mode_strict_one_shot_a_second_presentation_ends_the_family_and_its_access_tokens():
    async with calling("plain", "strict_one_shot") as caller:
        _, first, second = await twice(caller)
        assert second["error"] == "invalid_grant"
        assert (await caller.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
        assert (await caller.call(first["access_token"])).status_code == 401
        assert caller.chaos.ledger.killed == ["grant-1"]


async def test_mode_replay_window_gives_the_very_same_pair_inside_and_ends_the_family_after():
    async with calling("plain", "replay_window:seconds=60") as caller:
        token, first, second = await twice(caller)
        assert second == first
        caller.clock.advance(60)
        assert (await caller.refresh(token)).status_code == 400
        assert caller.chaos.ledger.killed == ["grant-1"]


async def test_mode_replay_window_is_over_once_the_successor_was_spent():
    async with calling("plain", "replay_window") as caller:
        token, first, _ = await twice(caller)
        await caller.refresh(first["refresh_token"])
        assert (await caller.refresh(token)).status_code == 400


async def test_mode_previous_window_gives_a_new_successor_each_time_and_none_to_the_one_before():
    async with calling("plain", "previous_window") as caller:
        token, first, second = await twice(caller)
        assert len({token, first["refresh_token"], second["refresh_token"]}) == 3
        assert (await caller.refresh(second["refresh_token"])).status_code == 200
        assert (await caller.refresh(token)).status_code == 400
        assert caller.chaos.ledger.killed == ["grant-1"]


async def test_mode_until_successor_used_repeats_for_days_and_never_after_the_successor():
    async with calling("plain", "until_successor_used") as caller:
        token, first, second = await twice(caller)
        assert second == first
        caller.clock.advance(29 * DAY)
        third = (await caller.refresh(token)).json()
        assert third["refresh_token"] == first["refresh_token"]
        assert (await caller.call(third["access_token"])).status_code == 200
        await caller.refresh(first["refresh_token"])
        assert (await caller.refresh(token)).status_code == 400


async def test_mode_daily_rotation_keeps_the_token_for_a_day_and_the_former_one_for_another():
    async with calling("plain", "daily_rotation") as caller:
        token, first, second = await twice(caller)
        assert first["refresh_token"] == second["refresh_token"] == token
        caller.clock.advance(DAY)
        changed = (await caller.refresh(token)).json()["refresh_token"]
        assert changed != token
        assert (await caller.refresh(token)).json()["refresh_token"] == changed
        caller.clock.advance(DAY)
        assert (await caller.refresh(token)).status_code == 400


async def test_mode_never_rotates_leaves_the_refresh_token_out_and_as_it_was():
    async with calling("plain", "never_rotates") as caller:
        _, first, second = await twice(caller)
        assert "refresh_token" not in first | second
        assert first["access_token"] != second["access_token"]
        assert caller.chaos.ledger.second_spends == []


async def test_mode_kills_access_token_ends_the_one_before():
    async with calling("plain", "kills_access_token") as caller:
        given = caller.chaos.grant()
        assert (await caller.call(given.access_token)).status_code == 200
        fresh = (await caller.refresh(given.refresh_token)).json()
        refused = await caller.call(given.access_token)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
        assert (await caller.call(fresh["access_token"])).status_code == 200


async def test_mode_client_user_kill_ends_every_grant_of_that_user_and_nobody_elses():
    async with calling("plain", "client_user_kill") as caller:
        other, theirs = caller.chaos.grant("ada"), caller.chaos.grant("bob")
        await twice(caller)
        assert (await caller.refresh(other.refresh_token)).status_code == 400
        assert (await caller.refresh(theirs.refresh_token)).status_code == 200
        assert caller.chaos.ledger.killed == ["grant-1", "grant-3"]


async def test_mode_early_refusal_spends_nothing_and_ends_nothing():
    async with calling("plain", "early_refusal:seconds=570") as caller:
        token = caller.chaos.grant().refresh_token
        early = await caller.refresh(token)
        assert (early.status_code, early.json()["error"]) == (400, "invalid_request")
        caller.clock.advance(570)
        assert (await caller.refresh(token)).status_code == 200
        assert [seen.outcome for seen in caller.chaos.ledger] == ["early", "rotated"]


async def test_mode_slots_ends_the_oldest_grant_without_a_word():
    async with calling("plain", "slots:most=2") as caller:
        given = [caller.chaos.grant("ada") for _ in range(3)]
        assert [(await caller.refresh(one.refresh_token)).status_code for one in given] == [400, 200, 200]
        assert caller.chaos.ledger.ended == {"grant-1": "evicted"}
        assert caller.chaos.ledger.killed == []


async def test_a_code_used_twice_ends_what_it_gave():
    async with calling() as caller:
        code = await caller.code()
        given = (await caller.exchange(code)).json()
        assert (await caller.exchange(code)).json()["error"] == "invalid_grant"
        assert (await caller.refresh(given["refresh_token"])).status_code == 400


@pytest.mark.parametrize(
    ("wrong", "more"),
    [
        ("redirect_uri", {"redirect_uri": "http://127.0.0.1:9/other"}),
        ("code_verifier", {"code_verifier": "w" * 64}),
    ],
)
async def test_a_code_is_worth_nothing_with_a_wrong(wrong, more):
    async with calling() as caller:
        answer = await caller.exchange(await caller.code(), **more)
        assert answer.json()["error"] == "invalid_grant"
        assert wrong in answer.json()["error_description"]


async def test_a_code_expires_after_a_minute():
    async with calling() as caller:
        code = await caller.code()
        caller.clock.advance(60)
        assert (await caller.exchange(code)).json()["error"] == "invalid_grant"


async def test_a_scope_that_was_not_granted_is_refused_and_nothing_is_spent():
    async with calling() as caller:
        given = caller.chaos.grant("ada", "read", redirect_uri=CALLBACK)
        assert (await caller.refresh(given.refresh_token, scope="read write")).json()["error"] == "invalid_scope"
        assert (await caller.refresh(given.refresh_token, scope="read")).status_code == 200
