"""How long things last, as answers state it and as it then is."""

import pytest

from evergrant.testing.in_process import running
from tests.visitor import ADA, sign_in, words

DAY = 86_400


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.person(ADA)
        yield issuer


def stated(tokens):
    return tokens["refresh_token_timeout"], tokens["authorization_expires_in"]


async def test_rte_6_1_a_the_draft_s_example_of_seven_and_thirty_days(issuer):
    client, _ = await issuer.client(idle_lifetime=7 * DAY, absolute_lifetime=30 * DAY)
    tokens = await issuer.signed_in(client)
    assert stated(tokens) == (604_800, 2_592_000)
    issuer.clock.advance(7 * DAY - 1)
    tokens = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    issuer.clock.advance(1)
    tokens = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    assert stated(tokens) == (604_800, 1_987_200)
    for _ in range(3):
        issuer.clock.advance(6 * DAY)
        tokens = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    issuer.clock.advance(3 * DAY)
    tokens = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    assert stated(tokens) == (172_800, 172_800)


async def test_rte_6_1_a_a_repeat_states_what_is_left_and_not_what_was(issuer):
    client, _ = await issuer.client(idle_lifetime=7 * DAY, absolute_lifetime=30 * DAY)
    tokens = await issuer.signed_in(client)
    first = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    issuer.clock.advance(50)
    again = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    assert again["refresh_token"] == first["refresh_token"]
    assert stated(again) == (7 * DAY - 50, 30 * DAY - 50)


async def test_rte_5_a_nothing_outlives_its_authorization(issuer):
    client, _ = await issuer.client(idle_lifetime=7 * DAY, absolute_lifetime=7 * DAY, access_lifetime=3_600)
    tokens = await issuer.signed_in(client)
    assert stated(tokens) == (7 * DAY, 7 * DAY)
    issuer.clock.advance(7 * DAY - 100)
    tokens = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    assert stated(tokens) == (100, 100)
    assert tokens["expires_in"] == 100
    issuer.clock.advance(100)
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await issuer.browser().send("GET", "/userinfo", headers=bearer)).status == 401


async def test_rte_5_b_an_expired_token_stays_expired_when_the_authorization_is_renewed(issuer):
    client, _ = await issuer.client(idle_lifetime=DAY, absolute_lifetime=3 * DAY)
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    issuer.clock.advance(DAY)
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).json()["error"] == "invalid_grant"
    fresh = await issuer.signed_in(client, browser=browser)
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).json()["error"] == "invalid_grant"
    revoked = await issuer.browser().post("/revoke", {"client_id": client.id, "token": tokens["refresh_token"]})
    assert revoked.status == 200
    assert (await issuer.refresh(client, "", fresh["refresh_token"])).status == 200, "another family is not touched"


async def test_a_client_s_own_lifetimes_are_capped_by_the_server_s(issuer):
    client, _ = await issuer.client(idle_lifetime=1_000 * DAY, absolute_lifetime=10_000 * DAY)
    limits = issuer.house.settings.limits
    tokens = await issuer.signed_in(client)
    assert stated(tokens) == (limits.max_idle_lifetime, limits.max_absolute_lifetime)
    online = await issuer.signed_in(client, scope="openid")
    settings = issuer.house.settings
    assert stated(online) == (settings.session_idle, settings.session_absolute)


async def test_what_the_consent_page_promises_is_what_the_answer_states(issuer):
    client, _ = await issuer.client(idle_lifetime=10 * DAY, absolute_lifetime=20 * DAY)
    browser = issuer.browser()
    page = await browser.follow(await sign_in(browser, await issuer.authorize(browser, client)))
    assert "For up to 20 days; ends after 10 days without use." in words(page)
    tokens = await issuer.signed_in(client)
    assert stated(tokens) == (10 * DAY, 20 * DAY)
