"""The ledger tells the truth about what a client did, and holds no token."""

import asyncio
import json

from evergrant.testing.chaos import Outcome, beside
from tests.testing.chaos.caller import basic, calling


async def test_the_ledger_counts_refreshes_rotations_second_spends_and_the_dead():
    async with calling("plain", "strict_one_shot") as caller:
        token = caller.chaos.grant("ada").refresh_token
        caller.chaos.grant("bob")
        fresh = (await caller.refresh(token)).json()["refresh_token"]
        await caller.refresh(fresh)
        await caller.refresh(token)
        ledger = caller.chaos.ledger
        assert (len(ledger.refreshes), ledger.rotations, ledger.served) == (3, 2, 2)
        assert [seen.number for seen in ledger.second_spends] == [3]
        assert (ledger.killed, ledger.alive) == (["grant-1"], ["grant-2"])
        assert ledger.refreshes[2].killed == ("grant-1",)
        assert (ledger.times_sent(token), ledger.times_sent(fresh), ledger.times_sent("never sent")) == (2, 1, 0)
        assert ledger.summary()["refreshes_per_rotation"] == 1.5


async def test_the_chain_of_a_family_can_be_followed_in_the_ledger():
    async with calling() as caller:
        token = caller.chaos.grant().refresh_token
        for _ in range(4):
            token = (await caller.refresh(token)).json()["refresh_token"]
        seen = caller.chaos.ledger.refreshes
        assert [one.successor for one in seen[:-1]] == [one.token for one in seen[1:]]


async def test_a_second_spend_that_is_forgiven_is_one_all_the_same():
    async with calling("plain", "replay_window") as caller:
        token = caller.chaos.grant().refresh_token
        await caller.refresh(token)
        await caller.refresh(token)
        assert [(seen.second, seen.outcome) for seen in caller.chaos.ledger] == [
            (False, Outcome.ROTATED),
            (True, Outcome.REPLAYED),
        ]


async def test_the_ledger_knows_how_many_of_one_token_were_under_way_at_once():
    async with calling("plain", "replay_window", "held_reply") as caller:
        tokens = [caller.chaos.grant().refresh_token for _ in range(2)]
        under_way = [asyncio.create_task(caller.refresh(token)) for token in [tokens[0]] * 3 + [tokens[1]]]
        await caller.chaos.ledger.reaches(4)
        caller.chaos.clear()
        caller.chaos.release()
        await asyncio.gather(*under_way)
        assert caller.chaos.ledger.most_in_flight == 3
        await caller.refresh(tokens[0])
        assert caller.chaos.ledger.most_in_flight == 3
        assert not any(caller.chaos.ledger._in_flight.values())


async def test_what_the_ledger_says_holds_no_token():
    async with calling("plain", "strict_one_shot") as caller:
        token = caller.chaos.grant().refresh_token
        fresh = (await caller.refresh(token)).json()
        await caller.refresh(token)
        told = json.dumps(caller.chaos.ledger.as_json()) + repr(caller.chaos.ledger) + repr(caller.chaos.grant())
        assert [value for value in (token, fresh["refresh_token"], fresh["access_token"]) if value in told] == []


async def test_a_request_that_was_wrong_is_written_down_and_spends_nothing():
    async with calling() as caller:
        token = caller.chaos.grant().refresh_token
        form = {"grant_type": "refresh_token", "refresh_token": token}
        wrong = {"authorization": basic(caller.chaos.client_id, "wrong")}
        answer = await caller.http.post(caller.chaos.provider.token_url, data=form, headers=wrong)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert [seen.outcome for seen in caller.chaos.ledger] == [Outcome.REFUSED]
        assert (await caller.refresh(token)).status_code == 200


def test_code_that_is_not_async_has_a_server_beside_it():
    import requests

    with beside("plain", ["strict_one_shot"], seed=1) as chaos:
        token = chaos.grant("ada").refresh_token
        form = {"grant_type": "refresh_token", "refresh_token": token}
        auth = (chaos.client_id, chaos.client_secret)
        with requests.Session() as session:
            answers = [session.post(chaos.provider.token_url, form, auth=auth, timeout=10) for _ in range(2)]
            chaos.set("unavailable", times=1)
            answers.append(session.post(chaos.provider.token_url, form, auth=auth, timeout=10))
        assert [answer.status_code for answer in answers] == [200, 400, 503]
        assert chaos.ledger.killed == chaos.ledger.granted
