"""What people see: the consent page and the device page, with no script, and nothing of the request in their HTML."""

import re

import httpx2
import pytest

from evergrant.keeper.provider.model import Provider
from evergrant.testing.chaos import PLAIN
from tests.testing.chaos.caller import CALLBACK, Caller, calling, landed, members

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


async def decided(caller: Caller, shown: httpx2.Response, decision: str, user: str = "bob") -> httpx2.Response:
    form = dict(re.findall(r'<input[^>]*name="(\w+)" value="([^"]*)"', shown.text))
    address = caller.chaos.url + re.search(r'action="([^"]+)"', shown.text)[1]
    return await caller.http.post(address, data={**form, "user": user, "decision": decision})


async def test_a_person_allows_and_the_code_is_theirs():
    async with calling(user=None) as caller:
        shown = await caller.authorize()
        assert "<code>read</code>" in shown.text
        back = landed(await decided(caller, shown, "allow"))
        given = members(await caller.exchange(back["code"]))
        assert (await caller.call(given["access_token"])).json()["sub"] == "bob"
        assert (back["state"], back["iss"]) == ("s", caller.chaos.url)


async def test_a_person_denies_and_the_application_is_told():
    async with calling(user=None) as caller:
        back = landed(await decided(caller, await caller.authorize(), "deny"))
        assert back == {"error": "access_denied", "state": "s", "iss": caller.chaos.url, "mine": "1"}


async def test_a_page_is_good_for_one_answer():
    async with calling(user=None) as caller:
        shown = await caller.authorize()
        assert (await decided(caller, shown, "allow")).status_code == 302
        assert (await decided(caller, shown, "allow")).status_code == 400


async def test_what_the_request_says_is_shown_as_text():
    async with calling(user=None) as caller:
        shown = await caller.authorize(scope="<script>alert(1)</script>", login_hint='"><img src=x>')
        assert shown.status_code == 200
        assert "<script" not in shown.text
        assert "<img" not in shown.text
        assert "default-src 'none'" in shown.headers["content-security-policy"]


async def test_a_login_hint_is_who_consents_where_nobody_is_asked():
    async with calling() as caller:
        given = members(await caller.exchange(await caller.code(login_hint="carol")))
        assert (await caller.call(given["access_token"])).json()["sub"] == "carol"


@pytest.mark.parametrize("wrong", [{"client_id": "somebody"}, {"redirect_uri": "javascript:alert(1)"}])
async def test_nobody_is_sent_back_where_it_is_unclear_where_to(wrong):
    async with calling() as caller:
        answer = await caller.authorize(**wrong)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ],
)
async def test_a_request_that_is_wrong_is_told_to_the_application(wrong, error):
    async with calling() as caller:
        assert landed(await caller.authorize(**wrong))["error"] == error


async def test_scopes_are_separated_as_the_provider_separates_them():
    async with calling(user=None) as caller:
        facts: Provider = PLAIN
        assert "<code>read</code>" in (await caller.authorize()).text
        assert facts.scope_separator == " "
    async with calling("slack") as caller:
        raw = {"client_id": caller.chaos.client_id, "redirect_uri": CALLBACK, "response_type": "code", "scope": "a b"}
        answer = await caller.http.get(caller.chaos.provider.authorize_url, params=raw)
        assert landed(answer)["error"] == "invalid_scope"


async def device(caller: Caller) -> dict:
    form = {"client_id": caller.chaos.client_id, "scope": "read"}
    return (await caller.http.post(caller.chaos.provider.device_url, data=form)).json()


async def polled(caller: Caller, asked: dict) -> dict:
    return members(await caller.token({"grant_type": DEVICE, "device_code": asked["device_code"]}))


async def test_a_device_waits_for_its_person_and_is_told_to_slow_down():
    async with calling(user=None) as caller:
        asked = await device(caller)
        assert (await polled(caller, asked))["error"] == "authorization_pending"
        assert (await polled(caller, asked))["error"] == "slow_down"
        shown = await caller.http.get(asked["verification_uri_complete"])
        assert asked["user_code"] in shown.text
        await decided(caller, shown, "allow", "dora")
        caller.clock.advance(5)
        given = await polled(caller, asked)
        assert (await caller.call(given["access_token"])).json()["sub"] == "dora"
        assert (await caller.refresh(given["refresh_token"])).status_code == 200


async def test_a_device_that_is_refused_and_one_that_waited_too_long_are_told_so():
    async with calling(user=None) as caller:
        asked = await device(caller)
        assert caller.chaos.decide_device(asked["user_code"], allow=False)
        assert (await polled(caller, asked))["error"] == "access_denied"
        late = await device(caller)
        caller.clock.advance(600)
        assert (await polled(caller, late))["error"] == "expired_token"
        assert not caller.chaos.decide_device("NOBODY")


async def test_openid_clients_find_everything_where_discovery_says_and_the_id_token_verifies():
    from joserfc import jwt
    from joserfc.jwk import KeySet

    async with calling() as caller:
        told = (await caller.http.get(caller.chaos.provider.discovery_url)).json()
        assert told["issuer"] == caller.chaos.url
        assert told["token_endpoint"] == caller.chaos.provider.token_url
        given = members(await caller.exchange(await caller.code(scope="openid", nonce="n-1")))
        keys = KeySet.import_key_set((await caller.http.get(told["jwks_uri"])).json())
        claims = jwt.decode(given["id_token"], keys, algorithms=["ES256"]).claims
        assert (claims["sub"], claims["aud"], claims["nonce"]) == ("ada", caller.chaos.client_id, "n-1")


async def test_introspection_tells_the_client_alone_what_is_good():
    async with calling() as caller:
        given = caller.chaos.grant("ada", "read")
        url = caller.chaos.provider.introspect_url
        said = members(await caller.token({"token": given.access_token}, url))
        assert (said["active"], said["sub"], said["exp"]) == (True, "ada", caller.clock.now() + 3_600)
        assert members(await caller.token({"token": given.refresh_token}, url))["active"] is True
        assert (await caller.http.post(url, data={"token": given.access_token})).status_code == 401
        caller.chaos.withdraw("ada")
        assert members(await caller.token({"token": given.access_token}, url)) == {"active": False}
