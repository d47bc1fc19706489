"""Ends of browser sessions: by a client's request, by the person, by time; and what lives on."""

import pytest

from evergrant.domain.reason import Reason
from evergrant.keys import lifecycle
from evergrant.testing.in_process import running
from tests.visitor import ADA, BOB, enter, form, heading, is_page, payload, told, words

BYE = "https://app.example/bye"


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.person(ADA)
        await issuer.person(BOB)
        yield issuer


@pytest.fixture
async def client(issuer):
    return (await issuer.client(post_logout_redirect_uris=(BYE, "https://app.example/bye?a=b")))[0]


async def signed_in(browser):
    return heading(await browser.follow(await browser.get("/account"))) == "Your account"


async def reasons(issuer):
    sessions = await issuer.house.store.read(lambda tx: tx.sessions.find())
    return [session.ended.reason if session.ended else None for session in sessions]


async def answer(browser, page, decision):
    return await browser.post("/end_session", {**form(page, "/end_session"), "decision": decision})


# ---- by a client's request


async def test_rpil_2_a_a_hint_that_fits_the_session_signs_out_at_once(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    query = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "x&y"}
    reply = await browser.get("/end_session", query)
    assert reply.status == 303
    assert reply.location == f"{BYE}?state=x%26y"
    assert not await signed_in(browser)
    assert await reasons(issuer) == [Reason.SIGNED_OUT]


async def test_rpil_2_a_an_expired_hint_is_as_good(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    issuer.clock.advance(86_400)
    reply = await browser.get("/end_session", {"id_token_hint": tokens["id_token"], "client_id": client.id})
    assert heading(reply) == "You are signed out"


async def test_rpil_2_a_a_client_s_form_is_asked_again_with_the_cookies_that_it_lacked(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    cross = issuer.browser()
    query = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "x"}
    reply = await cross.post("/end_session", query, {"origin": "https://app.example", "sec-fetch-site": "cross-site"})
    assert reply.status == 303
    assert tokens["id_token"] not in reply.location
    assert cross.cookies == {}
    assert (await browser.get(reply.location)).location == f"{BYE}?state=x"
    assert not await signed_in(browser)


async def test_rpil_2_a_s_18_a_client_s_form_without_a_hint_asks(issuer, client):
    browser = issuer.browser()
    await enter(issuer, browser)
    reply = await issuer.browser().post("/end_session", {"client_id": client.id, "post_logout_redirect_uri": BYE})
    page = await browser.get(reply.location)
    assert heading(page) == "Sign out?"
    assert heading(await browser.get(reply.location)) == "Sign out?", "a page that is reloaded is the same page"
    assert (await answer(browser, page, "sign_out")).location == BYE
    assert not await signed_in(browser)


@pytest.mark.parametrize("named", ["", "other"])
async def test_rpil_2_a_a_hint_that_is_not_ours_or_another_client_s_is_refused_and_signs_nobody_out(
    issuer, client, named
):
    other, _ = await issuer.client(name="Other")
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    hint = tokens["id_token"] if named else tokens["id_token"][:-6] + "AAAAAA"
    query = {"id_token_hint": hint, "post_logout_redirect_uri": BYE, **({"client_id": other.id} if named else {})}
    for reply in [await browser.get("/end_session", query), await browser.post("/end_session", query)]:
        assert is_page(reply, 400)
        assert not reply.location
    assert await signed_in(browser)


async def test_rpil_2_a_an_access_token_is_no_hint(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    assert is_page(await browser.get("/end_session", {"id_token_hint": tokens["access_token"]}), 400)
    assert await signed_in(browser)


async def test_rpil_2_a_a_hint_outlives_the_key_that_stopped_signing(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    house = issuer.house
    schedule = house.settings.schedule
    await house.store.write(
        lambda tx: lifecycle.rotate(tx, "ES256", house.kek, house.entropy, issuer.clock.now(), schedule)
    )
    issuer.clock.advance(schedule.publish_before + schedule.retire_after - 1)
    reply = await browser.get("/end_session", {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE})
    assert reply.location == BYE


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"client_id": "CLIENT"},
        {"client_id": "CLIENT", "post_logout_redirect_uri": BYE},
        {"id_token_hint": "OTHER PERSON"},
        {"id_token_hint": "OTHER SESSION"},
        {"state": "only"},
        {"client_id": "cli_nobody"},
        {"logout_hint": ADA, "ui_locales": "de"},
    ],
)
async def test_rpil_2_b_s_18_asvs_10_6_2_without_a_hint_that_fits_the_person_is_asked(issuer, client, query):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser)
    bob = await issuer.signed_in(client, browser=issuer.browser(), name=BOB)
    elsewhere = await issuer.signed_in(client, browser=issuer.browser())
    known = {"CLIENT": client.id, "OTHER PERSON": bob["id_token"], "OTHER SESSION": elsewhere["id_token"]}
    page = await browser.get("/end_session", {name: known.get(value, value) for name, value in query.items()})
    assert is_page(page, 200)
    assert heading(page) == "Sign out?"
    assert ADA in page.text
    assert await signed_in(browser)
    stayed = await answer(browser, page, "stay")
    assert stayed.location == "/account"
    assert await signed_in(browser)
    page = await browser.get("/end_session", {name: known.get(value, value) for name, value in query.items()})
    left = await answer(browser, page, "sign_out")
    assert left.location == (BYE if query.get("post_logout_redirect_uri") else "")
    assert not await signed_in(browser)


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        f"{BYE}/",
        f"{BYE}?x=y",
        f"{BYE}#f",
        "https://app.example/callback",
        "//app.example/bye",
        "https://app.example/bye?a=b&c=d",
    ],
)
async def test_rpil_3_a_u_11_nobody_is_sent_to_an_address_that_is_not_registered(issuer, client, uri):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    for query in [
        {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": uri},
        {"client_id": client.id, "post_logout_redirect_uri": uri},
    ]:
        reply = await browser.get("/end_session", query)
        assert is_page(reply, 400)
        assert not reply.location
        assert "evil.example" not in reply.text
    assert await signed_in(browser)


async def test_rpil_3_a_u_11_an_address_without_a_client_is_refused(issuer, client):
    browser = issuer.browser()
    await enter(issuer, browser)
    assert is_page(await browser.get("/end_session", {"post_logout_redirect_uri": BYE}), 400)


async def test_rpil_3_a_an_address_with_a_query_keeps_it(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    query = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": f"{BYE}?a=b", "state": "x"}
    assert (await browser.get("/end_session", query)).location == f"{BYE}?a=b&state=x"


async def test_rpil_3_a_an_address_taken_away_while_the_person_is_asked_is_not_used(issuer, client):
    browser = issuer.browser()
    await enter(issuer, browser)
    page = await browser.get("/end_session", {"client_id": client.id, "post_logout_redirect_uri": BYE})
    await issuer.house.clients.update(client.id, post_logout_redirect_uris=())
    reply = await answer(browser, page, "sign_out")
    assert heading(reply) == "You are signed out"


async def test_rpil_4_a_signing_out_twice_is_no_error(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    query = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE}
    for _ in range(2):
        assert (await browser.get("/end_session", query)).location == BYE
    assert heading(await browser.get("/end_session")) == "You are signed out"
    assert heading(await issuer.browser().get("/end_session")) == "You are signed out"


async def test_the_page_that_says_signed_out_does_not_lie_to_who_is_signed_in(issuer):
    browser = issuer.browser()
    await enter(issuer, browser)
    assert (await browser.get("/signed-out")).location == "/account"
    assert heading(await issuer.browser().get("/signed-out")) == "You are signed out"


async def test_s_18_a_forged_decision_signs_nobody_out(issuer):
    browser = issuer.browser()
    await enter(issuer, browser)
    page = await browser.get("/end_session")
    fields = {**form(page, "/end_session"), "decision": "sign_out"}
    strangers = await issuer.browser().get("/end_session")
    assert "csrf" not in strangers.text
    for forged in [{**fields, "csrf": "x" * 32}, {"decision": "sign_out"}, {**fields, "csrf": ""}]:
        assert is_page(await browser.post("/end_session", forged), 400)
    assert is_page(await browser.post("/end_session", fields, {"origin": "https://evil.example"}), 403)
    assert is_page(await browser.post("/end_session", fields, {"sec-fetch-site": "same-site"}), 403)
    assert await signed_in(browser)


async def test_an_identifier_of_a_sign_in_flow_is_no_sign_out_request_and_the_reverse(issuer, client):
    browser = issuer.browser()
    page = await issuer.authorize(browser, client)
    flow = form(page, "/sign-in")["flow"]
    assert heading(await browser.get("/end_session", {"request": flow})) == "You are signed out"
    await enter(issuer, browser)
    asked = form(await browser.get("/end_session"), "/end_session")["request"]
    for path in ("/sign-in", "/consent", "/notice", "/select-account"):
        assert is_page(await browser.get(path, {"flow": asked}), 400)
        csrf = form(await browser.get("/account"), "/account/session/end-all")["csrf"]
        assert is_page(await browser.post(path, {"flow": asked, "csrf": csrf, "decision": "allow"}), 400)


# ---- what ends with the session


async def test_bcl_2_7_a_r10017_6_3_2_3_d_sign_out_ends_online_families_and_keeps_offline_ones(issuer, client):
    browser = issuer.browser()
    online = await issuer.signed_in(client, browser=browser, scope="openid")
    offline = await issuer.signed_in(client, browser=browser)
    elsewhere = await issuer.signed_in(client, browser=issuer.browser(), scope="openid")
    await browser.get("/end_session", {"id_token_hint": online["id_token"]})
    refused = await issuer.refresh(client, "", online["refresh_token"])
    assert (refused.status, refused.json()["error"]) == (400, "invalid_grant")
    info = await issuer.browser().send(
        "GET", "/userinfo", headers={"authorization": f"Bearer {online['access_token']}"}
    )
    assert info.status == 401, "its access tokens end at once"
    assert (await issuer.refresh(client, "", offline["refresh_token"])).status == 200
    assert (await issuer.refresh(client, "", elsewhere["refresh_token"])).status == 200
    families = [event for event in await told(issuer) if event.what == "families.ended"]
    assert [(event.reason, event.detail) for event in families] == [("signed_out", "1")]


async def test_a_code_from_before_the_sign_out_begins_nothing(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    code = await issuer.code(browser, client)
    await browser.get("/end_session", {"id_token_hint": tokens["id_token"]})
    assert (await issuer.redeem(client, "", code)).json()["error"] == "invalid_grant"


async def test_an_unused_session_ends_with_its_online_families_and_not_with_its_offline_ones(issuer, client):
    browser = issuer.browser()
    online = await issuer.signed_in(client, browser=browser, scope="openid")
    offline = await issuer.signed_in(client, browser=browser)
    idle = issuer.house.settings.session_idle
    issuer.clock.advance(idle - 1)
    offline = (await issuer.refresh(client, "", offline["refresh_token"])).json()
    issuer.clock.advance(1)
    assert not await signed_in(browser)
    assert (await issuer.refresh(client, "", online["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await issuer.refresh(client, "", offline["refresh_token"])).status == 200


async def test_an_online_family_idles_as_long_as_a_session_also_after_a_refresh(issuer, client):
    tokens = await issuer.signed_in(client, scope="openid")
    idle = issuer.house.settings.session_idle
    assert tokens["refresh_token_timeout"] == idle
    issuer.clock.advance(10)
    tokens = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    assert tokens["refresh_token_timeout"] == idle
    issuer.clock.advance(idle)
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_silent_renewal_keeps_the_session_it_belongs_to(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser, scope="openid")
    day, settings = 86_400, issuer.house.settings
    for _ in range(2 * settings.session_idle // day):
        issuer.clock.advance(day)
        tokens = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    assert await signed_in(browser)


async def test_rte_5_a_no_renewal_carries_a_session_beyond_its_absolute_end(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser, scope="openid")
    day, settings = 86_400, issuer.house.settings
    assert tokens["authorization_expires_in"] == settings.session_absolute
    for _ in range(settings.session_absolute // day - 1):
        issuer.clock.advance(day)
        tokens = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    assert tokens["refresh_token_timeout"] == tokens["authorization_expires_in"] == day
    issuer.clock.advance(day - 5)
    tokens = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    assert tokens["expires_in"] == 5
    issuer.clock.advance(5)
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert not await signed_in(browser)


async def test_rte_5_a_a_code_redeemed_after_the_session_s_absolute_end_begins_nothing(issuer, client):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser, scope="openid")
    day, settings = 86_400, issuer.house.settings
    for _ in range(settings.session_absolute // day - 1):
        issuer.clock.advance(day)
        await browser.get("/account")
    issuer.clock.advance(day - 5)
    code = await issuer.code(browser, client, scope="openid")
    issuer.clock.advance(6)
    assert (await issuer.redeem(client, "", code, scope="openid")).json()["error"] == "invalid_grant"


async def test_an_offline_family_does_not_keep_a_session_alive(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    half = issuer.house.settings.session_idle // 2 + 1
    for _ in range(2):
        issuer.clock.advance(half)
        tokens = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    assert not await signed_in(browser)


async def test_signing_in_again_keeps_the_session_and_its_online_families(issuer, client):
    browser = issuer.browser()
    online = await issuer.signed_in(client, browser=browser, scope="openid")
    issuer.clock.advance(5_000)
    again = await issuer.signed_in(client, browser=browser, scope="openid", prompt="login")
    assert payload(again["id_token"])["sid"] == payload(online["id_token"])["sid"]
    assert (await issuer.refresh(client, "", online["refresh_token"])).status == 200


async def test_the_confirmation_names_the_client_that_asks(issuer, client):
    browser = issuer.browser()
    await enter(issuer, browser)
    page = await browser.get("/end_session", {"client_id": client.id})
    assert "App asks to sign you out" in words(page)
    assert "App" not in words(await browser.get("/end_session", {"client_id": "cli_nobody"}))
