"""A client proves itself in one of the ways its provider accepts, and in no other."""

import json
from typing import Any

import httpx2
import pytest

from evergrant.keeper.provider.model import ClientAuth
from evergrant.keys.signing import Signer, make
from tests.testing.chaos.caller import Caller, basic, calling

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
OURS = Signer(make("ES256"), "ES256")


async def sent(caller: Caller, form: dict[str, str], header: str = "") -> httpx2.Response:
    token = {"grant_type": "refresh_token", "refresh_token": caller.chaos.grant().refresh_token}
    headers = {"authorization": header} if header else {}
    return await caller.http.post(caller.chaos.provider.token_url, data={**token, **form}, headers=headers)


@pytest.mark.parametrize(
    ("provider", "accepted"),
    [("plain", {"basic", "post"}), ("xero", {"basic"}), ("google", {"post"}), ("stripe_apps", {"secret_key_basic"})],
)
async def test_only_the_provider_s_own_ways_are_accepted(provider: str, accepted: set[str]):
    async with calling(provider) as caller:
        name, secret = caller.chaos.client_id, caller.chaos.client_secret
        answers = {
            "basic": await sent(caller, {}, basic(name, secret)),
            "post": await sent(caller, {"client_id": name, "client_secret": secret}),
            "secret_key_basic": await sent(caller, {}, basic(secret, "")),
            "none": await sent(caller, {"client_id": name}),
            "two at once": await sent(caller, {"client_id": name, "client_secret": secret}, basic(name, secret)),
            "wrong": await sent(caller, {}, basic(name, "wrong")),
            "not base64": await sent(caller, {}, "Basic ***"),
        }
        assert {way for way, answer in answers.items() if answer.status_code == 200} == accepted
        refused = [answer for way, answer in answers.items() if way not in accepted]
        assert {(answer.status_code, answer.json()["error"]) for answer in refused} == {(401, "invalid_client")}


def assertion(caller: Caller, signer: Signer = OURS, **claims: Any) -> dict[str, str]:
    now, name = caller.clock.now(), caller.chaos.client_id
    usual = {"iss": name, "sub": name, "aud": caller.chaos.provider.token_url, "exp": now + 60, "jti": "1"}
    signed = signer.sign("JWT", json.dumps({**usual, **claims}).encode())
    return {"client_id": name, "client_assertion_type": ASSERTION, "client_assertion": signed}


async def test_a_signed_assertion_is_good_once():
    async with calling("microsoft_entra", client_keys=[OURS.public]) as caller:
        assert ClientAuth.PRIVATE_KEY_JWT in caller.chaos.provider.client_auth
        assert (await sent(caller, assertion(caller))).status_code == 200
        again = await sent(caller, assertion(caller))
        assert again.json()["error_description"] == "the assertion was used before"
        assert (await sent(caller, assertion(caller, jti="2"))).status_code == 200


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": "https://elsewhere.example"}, "is for"),
        ({"sub": "somebody"}, "not about this client"),
        ({"exp": 1}, "has expired"),
        ({"exp": 9_999_999_999}, "lives too long"),
        ({"jti": ""}, "used before"),
    ],
)
async def test_a_signed_assertion_that_is_wrong_proves_nothing(claims: dict[str, Any], said: str):
    async with calling("microsoft_entra", client_keys=[OURS.public]) as caller:
        answer = await sent(caller, assertion(caller, **claims))
        assert answer.status_code == 401
        assert said in answer.json()["error_description"]


async def test_an_assertion_signed_by_somebody_else_proves_nothing():
    async with calling("microsoft_entra", client_keys=[OURS.public]) as caller:
        answer = await sent(caller, assertion(caller, Signer(make("ES256"), "ES256")))
        assert "signed by no key" in answer.json()["error_description"]
