"""The shortest way through a chaos provider: authorize, exchange, refresh, and what the ledger says."""

from urllib.parse import parse_qs, urlsplit

import httpx2

from evergrant.testing.chaos import Chaos

CALLBACK = "http://127.0.0.1:9/callback"


async def test_authorize_exchange_refresh_and_a_second_spend_that_ends_the_family():
    async with Chaos(modes=["strict_one_shot"], seed=1) as chaos, httpx2.AsyncClient() as http:
        auth = (chaos.client_id, chaos.client_secret)
        asked = {"client_id": chaos.client_id, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"}
        back = await http.get(chaos.provider.authorize_url, params=asked)
        code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]

        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        first = (await http.post(chaos.provider.token_url, data=form, auth=auth)).json()

        form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        answers = [await http.post(chaos.provider.token_url, data=form, auth=auth) for _ in range(2)]

        assert [one.status_code for one in answers] == [200, 400]
        assert answers[0].json()["refresh_token"] != first["refresh_token"]
        assert answers[1].json()["error"] == "invalid_grant"
        assert (chaos.ledger.rotations, len(chaos.ledger.second_spends)) == (1, 1)
        assert chaos.ledger.killed == chaos.ledger.granted
