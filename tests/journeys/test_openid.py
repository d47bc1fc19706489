"""OpenID Connect as a client meets it: prompts, ages, hints, claims, and ID tokens then and later."""

import hashlib
from base64 import urlsafe_b64encode

import pytest
from msgspec import json

from evergrant.domain.client import Consent
from evergrant.domain.reason import Reason
from evergrant.testing.in_process import running
from tests.visitor import ADA, BOB, decide, enter, form, heading, payload, sign_in, words


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.person(ADA)
        await issuer.person(BOB)
        yield issuer


@pytest.fixture
async def client(issuer):
    return (await issuer.client())[0]


async def ended(issuer):
    sessions = await issuer.house.store.read(lambda tx: tx.sessions.find())
    return {session.account_id: session.ended.reason for session in sessions if session.ended}


async def userinfo(issuer, tokens):
    reply = await issuer.browser().send(
        "GET", "/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"}
    )
    return reply.json()


# ---- prompt


async def test_oidc_3_1_2_1_a_none_without_a_session_is_login_required(issuer, client):
    reply = await issuer.authorize(issuer.browser(), client, prompt="none")
    assert reply.answered()["error"] == "login_required"
    assert reply.answered()["state"] == "s"
    assert reply.answered()["iss"]


async def test_oidc_3_1_2_1_a_none_without_consent_is_consent_required_and_keeps_no_flow(issuer, client):
    browser = issuer.browser()
    await enter(issuer, browser)
    before = await issuer.house.store.read(lambda tx: len(tx.flows.find()))
    reply = await issuer.authorize(browser, client, prompt="none")
    assert reply.answered()["error"] == "consent_required"
    assert await issuer.house.store.read(lambda tx: len(tx.flows.find())) == before


async def test_oidc_3_1_2_1_a_none_with_session_and_consent_is_a_code(issuer, client):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser)
    reply = await issuer.authorize(browser, client, prompt="none")
    assert (await issuer.redeem(client, "", reply.answered()["code"])).status == 200


async def test_oidc_3_1_2_1_a_none_beyond_the_consent_is_consent_required(issuer, client):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser, scope="openid")
    reply = await issuer.authorize(browser, client, prompt="none", scope="openid email")
    assert reply.answered()["error"] == "consent_required"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"max_age": "0"}, "login_required"),
        ({"max_age": "10"}, "login_required"),
        ({"max_age": "1000"}, ""),
        ({"claims": '{"id_token":{"sub":{"value":"usr_somebody_else"}}}'}, "login_required"),
    ],
)
async def test_oidc_3_1_2_1_a_none_with_more_conditions(issuer, client, more, error):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser)
    issuer.clock.advance(100)
    assert (await issuer.authorize(browser, client, prompt="none", **more)).answered().get("error", "") == error


async def test_oidc_3_1_2_1_a_none_with_the_hint_of_another_person_is_login_required(issuer, client):
    bobs = await issuer.signed_in(client, browser=issuer.browser(), name=BOB)
    browser = issuer.browser()
    own = await issuer.signed_in(client, browser=browser)
    other = await issuer.authorize(browser, client, prompt="none", id_token_hint=bobs["id_token"])
    assert other.answered()["error"] == "login_required"
    same = await issuer.authorize(browser, client, prompt="none", id_token_hint=own["id_token"])
    assert "code" in same.answered()


async def test_oidc_3_1_2_1_a_none_does_not_hide_a_notice_of_theft(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    await issuer.refresh(client, "", tokens["refresh_token"])
    issuer.clock.advance(61)
    await issuer.refresh(client, "", tokens["refresh_token"])
    reply = await issuer.authorize(browser, client, prompt="none")
    assert reply.answered()["error"] == "interaction_required"


@pytest.mark.parametrize("prompt", ["none login", "none consent", "sometimes", "login none select_account"])
async def test_oidc_3_1_2_1_a_prompts_that_contradict_each_other_are_refused(issuer, client, prompt):
    reply = await issuer.authorize(issuer.browser(), client, prompt=prompt)
    assert reply.answered()["error"] == "invalid_request"


async def test_oidc_3_1_2_1_b_login_asks_whoever_is_signed_in_and_renews_auth_time(issuer, client):
    browser = issuer.browser()
    first = await issuer.signed_in(client, browser=browser)
    cookie = browser.cookies["evergrant"]
    issuer.clock.advance(500)
    page = await issuer.authorize(browser, client, prompt="login")
    assert heading(page) == "Sign in"
    reply = await browser.follow(await sign_in(browser, page))
    second = (await issuer.redeem(client, "", reply.answered()["code"])).json()
    one, two = payload(first["id_token"]), payload(second["id_token"])
    assert two["auth_time"] == one["auth_time"] + 500
    assert two["sid"] == one["sid"], "the same person keeps the session"
    assert browser.cookies["evergrant"] != cookie


async def test_oidc_3_1_2_1_b_reloading_after_login_does_not_ask_for_the_password_again(issuer, client):
    browser = issuer.browser()
    page = await issuer.authorize(browser, client, prompt="login")
    flow = form(page, "/sign-in")["flow"]
    await sign_in(browser, page)
    assert heading(await browser.follow(await browser.get("/sign-in", {"flow": flow}))).startswith("Allow")


async def test_oidc_3_1_2_1_b_a_sign_in_elsewhere_before_does_not_count_for_login(issuer, client):
    browser = issuer.browser()
    page = await issuer.authorize(browser, client, prompt="login")
    await enter(issuer, browser)
    flow = form(page, "/sign-in")["flow"]
    again = await browser.follow(await browser.get("/sign-in", {"flow": flow}))
    assert heading(again) == "Sign in", "this flow asked for a sign-in of its own"


async def test_consent_asks_although_everything_was_allowed(issuer, client):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser)
    page = await issuer.authorize(browser, client, prompt="consent")
    assert heading(page) == "Allow App to use your account?"
    assert "something new" not in page.text
    assert "code" in (await decide(browser, page)).answered()


async def test_consent_asks_for_a_client_that_is_trusted(issuer):
    client, _ = await issuer.client(consent=Consent.TRUSTED)
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser)
    assert "code" in (await issuer.authorize(browser, client)).answered()
    assert heading(await issuer.authorize(browser, client, prompt="consent")).startswith("Allow")


async def test_login_and_consent_together_ask_for_both(issuer, client):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser)
    page = await issuer.authorize(browser, client, prompt="login consent")
    assert heading(page) == "Sign in"
    page = await browser.follow(await sign_in(browser, page))
    assert heading(page).startswith("Allow")
    assert "code" in (await decide(browser, page)).answered()


async def test_select_account_goes_on_as_the_same_person_without_a_password(issuer, client):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser)
    page = await issuer.authorize(browser, client, prompt="select_account")
    assert heading(page) == "Choose an account"
    assert ADA in page.text
    assert "code" in (await press_choice(browser, page, "continue")).answered()


async def press_choice(browser, page, choice):
    fields = form(page, "/select-account")
    return await browser.follow(await browser.post("/select-account", {**fields, "choice": choice}))


async def test_select_account_without_a_session_is_a_sign_in_and_nothing_more(issuer, client):
    browser = issuer.browser()
    page = await issuer.authorize(browser, client, prompt="select_account")
    assert heading(page) == "Sign in"
    assert heading(await browser.follow(await sign_in(browser, page))).startswith("Allow")


async def test_s_03_another_account_replaces_the_session_and_ends_its_online_families_only(issuer, client):
    browser = issuer.browser()
    online = await issuer.signed_in(client, browser=browser, scope="openid")
    offline = await issuer.signed_in(client, browser=browser)
    page = await issuer.authorize(browser, client, prompt="select_account")
    page = await press_choice(browser, page, "other")
    assert heading(page) == "Sign in"
    assert await ended(issuer) == {}
    page = await browser.follow(await sign_in(browser, page, BOB))
    tokens = (await issuer.redeem(client, "", (await decide(browser, page)).answered()["code"])).json()
    ada, bob = await issuer.house.accounts.find(ADA), await issuer.house.accounts.find(BOB)
    assert payload(tokens["id_token"])["sub"] == bob.id
    assert await ended(issuer) == {ada.id: Reason.REPLACED}
    assert (await issuer.refresh(client, "", online["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await issuer.refresh(client, "", offline["refresh_token"])).status == 200


async def test_changing_one_s_mind_about_another_account_signs_nobody_out(issuer, client):
    browser = issuer.browser()
    online = await issuer.signed_in(client, browser=browser, scope="openid")
    page = await issuer.authorize(browser, client, prompt="select_account")
    await press_choice(browser, page, "other")
    assert heading(await browser.get("/account")) == "Your account"
    assert (await issuer.refresh(client, "", online["refresh_token"])).status == 200


async def test_another_account_may_turn_out_to_be_the_same_one(issuer, client):
    browser = issuer.browser()
    online = await issuer.signed_in(client, browser=browser, scope="openid")
    page = await issuer.authorize(browser, client, prompt="select_account", scope="openid")
    page = await press_choice(browser, page, "other")
    assert "code" in (await browser.follow(await sign_in(browser, page))).answered()
    assert (await issuer.refresh(client, "", online["refresh_token"])).status == 200


# ---- max_age


@pytest.mark.parametrize(
    ("max_age", "passed", "asks"),
    [("0", 0, 1), ("0", 5, 1), ("1", 1, 0), ("1", 2, 1), ("10000", 10_000, 0), ("10000", 10_001, 1)],
)
async def test_oidc_3_1_2_1_b_max_age_asks_when_the_sign_in_is_older(issuer, client, max_age, passed, asks):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser)
    issuer.clock.advance(passed)
    reply = await issuer.authorize(browser, client, max_age=max_age)
    if not asks:
        assert "code" in reply.answered()
        return
    assert heading(reply) == "Sign in"
    reply = await browser.follow(await sign_in(browser, reply))
    tokens = (await issuer.redeem(client, "", reply.answered()["code"])).json()
    assert payload(tokens["id_token"])["auth_time"] == issuer.clock.now()


@pytest.mark.parametrize("max_age", ["-1", "1.5", "soon", "٣", "9999999999", "0x10"])
async def test_a_max_age_that_is_no_number_of_seconds_is_refused(issuer, client, max_age):
    reply = await issuer.authorize(issuer.browser(), client, max_age=max_age)
    assert reply.answered()["error"] == "invalid_request"


async def test_r9470_4_a_a_slow_person_is_fresh_enough_after_signing_in(issuer, client):
    browser = issuer.browser()
    page = await issuer.authorize(browser, client, max_age="5")
    page = await browser.follow(await sign_in(browser, page))
    issuer.clock.advance(600)
    assert "code" in (await decide(browser, page)).answered(), "reading the consent page is no reason to sign in again"


# ---- hints


async def test_an_expired_hint_still_names_its_subject(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    issuer.clock.advance(86_400)
    assert payload(tokens["id_token"])["exp"] < issuer.clock.now()
    reply = await issuer.authorize(browser, client, prompt="none", id_token_hint=tokens["id_token"])
    assert "code" in reply.answered()


async def test_a_hint_of_another_client_or_of_nobody_is_refused(issuer, client):
    other, _ = await issuer.client(name="Other")
    tokens = await issuer.signed_in(other)
    access = tokens["access_token"]
    forged = tokens["id_token"][:-8] + "AAAAAAAA"
    for hint in (tokens["id_token"], access, forged, "not.a.token", tokens["refresh_token"]):
        reply = await issuer.authorize(issuer.browser(), client, id_token_hint=hint)
        assert reply.answered()["error"] == "invalid_request", hint


async def test_a_hint_for_another_person_asks_for_that_person_and_says_so(issuer, client):
    bobs = await issuer.signed_in(client, browser=issuer.browser(), name=BOB)
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser)
    page = await issuer.authorize(browser, client, id_token_hint=bobs["id_token"])
    assert heading(page) == "Sign in"
    assert f"You are signed in as {ADA}" in words(page)
    assert BOB not in page.text
    page = await browser.follow(await sign_in(browser, page))
    assert heading(page) == "Sign in", "Ada is not whom the application asked for"
    assert f"You are signed in as {ADA}" in words(page)
    reply = await browser.follow(await sign_in(browser, page, BOB))
    tokens = (await issuer.redeem(client, "", reply.answered()["code"])).json()
    assert payload(tokens["id_token"])["sub"] == payload(bobs["id_token"])["sub"]


async def test_a_hint_and_a_claim_that_name_two_people_are_refused(issuer, client):
    tokens = await issuer.signed_in(client)
    reply = await issuer.authorize(
        issuer.browser(), client, id_token_hint=tokens["id_token"],
        claims='{"id_token":{"sub":{"value":"usr_somebody_else"}}}',
    )  # fmt: skip
    assert reply.answered()["error"] == "invalid_request"


async def test_a_login_hint_is_filled_in_and_nothing_more(issuer, client):
    page = await issuer.authorize(issuer.browser(), client, login_hint='bob@example.com"><b>')
    assert 'value="bob@example.com&#34;&gt;&lt;b&gt;"' in page.text
    assert "<b>" not in page.text


# ---- claims and levels


async def test_claims_are_told_where_they_were_asked_for(issuer, client):
    asked = {
        "userinfo": {"email": {"essential": True}, "phone_number": None},
        "id_token": {"name": None, "email_verified": {"essential": True}, "unheard_of": {"essential": True}},
    }
    tokens = await issuer.signed_in(client, scope="openid", claims=json.encode(asked).decode())
    claims = payload(tokens["id_token"])
    assert (claims["name"], claims["email_verified"]) == ("Ada", True)
    assert "email" not in claims
    assert "unheard_of" not in claims
    assert await userinfo(issuer, tokens) == {"sub": claims["sub"], "email": ADA}


async def test_claims_asked_for_once_are_told_after_a_refresh_too(issuer, client):
    tokens = await issuer.signed_in(client, scope="openid", claims='{"id_token":{"name":null}}')
    again = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    assert payload(again["id_token"])["name"] == "Ada"


async def test_a_subject_that_is_demanded_is_met_or_asked_for(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    ada = payload(tokens["id_token"])["sub"]
    met = await issuer.authorize(browser, client, claims=f'{{"id_token":{{"sub":{{"value":"{ada}"}}}}}}')
    assert "code" in met.answered()
    bob = (await issuer.house.accounts.find(BOB)).id
    page = await issuer.authorize(browser, client, claims=f'{{"id_token":{{"sub":{{"value":"{bob}"}}}}}}')
    assert heading(page) == "Sign in"


@pytest.mark.parametrize(
    ("acr", "met"),
    [
        ('{"essential":true,"value":"urn:evergrant:password"}', True),
        ('{"essential":true,"values":["urn:x","urn:evergrant:password"]}', True),
        ('{"essential":true,"value":"urn:mace:incommon:iap:silver"}', False),
        ('{"essential":true,"values":["phr","phrh"]}', False),
        ('{"essential":false,"value":"phr"}', True),
        ('{"value":"phr"}', True),
        ('{"essential":true}', True),
        ("null", True),
    ],
)
async def test_r9470_4_a_an_essential_level_that_is_not_reached_is_an_error(issuer, client, acr, met):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser)
    reply = await issuer.authorize(browser, client, claims=f'{{"id_token":{{"acr":{acr}}}}}')
    if met:
        tokens = (await issuer.redeem(client, "", reply.answered()["code"])).json()
        assert payload(tokens["id_token"])["acr"] == "urn:evergrant:password"
    else:
        assert reply.answered()["error"] == "unmet_authentication_requirements"


async def test_r9470_4_a_a_voluntary_level_is_reported_as_it_is(issuer, client):
    tokens = await issuer.signed_in(client, acr_values="phrh phr")
    assert payload(tokens["id_token"])["acr"] == "urn:evergrant:password"
    assert payload(tokens["id_token"])["amr"] == ["pwd"]


# ---- ID tokens


async def test_the_first_id_token_is_bound_to_request_code_and_access_token(issuer, client):
    tokens = await issuer.signed_in(client, nonce="a nonce of the client's")
    claims = payload(tokens["id_token"])
    assert claims["nonce"] == "a nonce of the client's"
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == urlsafe_b64encode(half).rstrip(b"=").decode()
    assert claims["aud"] == client.id
    assert claims["auth_time"] == claims["iat"] == issuer.clock.now()


async def test_oidc_12_2_a_r9470_6_b_a_renewed_id_token_keeps_all_but_its_time(issuer, client):
    tokens = await issuer.signed_in(client)
    first = payload(tokens["id_token"])
    for _ in range(3):
        issuer.clock.advance(1_000)
        tokens = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
        later = payload(tokens["id_token"])
        assert {name: later[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid")} == {
            name: first[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid")
        }
        assert later["iat"] == issuer.clock.now()
        assert "nonce" not in later
        assert "azp" not in first
        assert "azp" not in later
        half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
        assert later["at_hash"] == urlsafe_b64encode(half).rstrip(b"=").decode()
        access = payload(tokens["access_token"])
        assert (access["auth_time"], access["acr"]) == (first["auth_time"], first["acr"])


async def test_oidc_12_2_a_a_later_sign_in_does_not_change_the_auth_time_of_an_older_family(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    issuer.clock.advance(1_000)
    await issuer.signed_in(client, browser=browser, prompt="login")
    again = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    assert payload(again["id_token"])["auth_time"] == payload(tokens["id_token"])["auth_time"]


async def test_oidc_12_2_c_without_openid_there_is_no_id_token(issuer, client):
    tokens = await issuer.signed_in(client, scope="profile")
    assert "id_token" not in tokens
    both = await issuer.signed_in(client, scope="openid profile")
    narrowed = (await issuer.refresh(client, "", both["refresh_token"], scope="profile")).json()
    assert "id_token" not in narrowed
