"""Consent: asked, remembered, widened, refused, withdrawn, and never forged."""

import re

import pytest

from evergrant.domain.client import ClientType, Consent
from evergrant.domain.event import What
from evergrant.domain.reason import Reason
from evergrant.testing.in_process import CALLBACK, running
from tests.visitor import ADA, BOB, decide, enter, form, heading, is_page, press, sign_in, told, words

OTHER = "https://other.example/callback"


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.person(ADA)
        await issuer.person(BOB)
        yield issuer


@pytest.fixture
async def client(issuer):
    return (await issuer.client())[0]


async def asked(issuer, browser, client, name=ADA, **params):
    """Up to the consent page, signing in where needed."""
    page = await issuer.authorize(browser, client, **params)
    if heading(page) == "Sign in":
        page = await browser.follow(await sign_in(browser, page, name))
    return page


async def active(issuer, tokens):
    reply = await issuer.browser().send(
        "GET", "/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"}
    )
    return reply.status == 200


async def test_o21_7_9_a_asvs_10_7_2_the_page_says_who_what_how_long_and_how_to_take_it_back(issuer, client):
    page = await asked(issuer, issuer.browser(), client)
    said = words(page)
    for part in (
        "Allow App to use your account?",
        "app.example",
        ADA,
        "365 days",
        "30 days without use",
        "your account",
    ):
        assert part in said, part
    for scope in ("openid", "profile", "email", "offline_access"):
        assert scope in said
    online = words(await asked(issuer, issuer.browser(), client, scope="openid"))
    assert "Until you sign out of this browser" in online
    assert "Its access ends with your session" in online


async def test_consent_is_remembered_across_browsers_and_per_person(issuer, client):
    await issuer.signed_in(client)
    page = await issuer.authorize(browser := issuer.browser(), client)
    assert "code" in (await browser.follow(await sign_in(browser, page))).answered()
    assert heading(await asked(issuer, issuer.browser(), client, BOB)).startswith("Allow")


async def test_less_than_was_allowed_is_not_asked_again_and_more_is_with_the_new_part_marked(issuer, client):
    browser = issuer.browser()
    await issuer.signed_in(client, browser=browser, scope="openid profile")
    assert "code" in (await issuer.authorize(browser, client, scope="profile")).answered()
    page = await issuer.authorize(browser, client, scope="openid profile email")
    new, known = page.text.index("It asks for something new"), page.text.index("You already allowed")
    assert new < page.text.index("<code>email</code>") < known
    for scope in ("openid", "profile"):
        assert known < page.text.index(f"<code>{scope}</code>")
    await decide(browser, page)
    assert "code" in (await issuer.authorize(browser, client, scope="email")).answered()


@pytest.mark.parametrize("scope", ["email openid profile", "profile offline_access openid email"])
async def test_what_is_asked_is_listed_with_openid_first_and_the_rest_in_the_order_of_the_request(
    issuer, client, scope
):
    page = await asked(issuer, issuer.browser(), client, scope=scope)
    shown = re.findall(r"<code>(\w+)</code>", page.text)
    assert shown == ["openid", *(name for name in scope.split() if name != "openid")]


async def test_a_native_application_is_shown_with_the_port_it_listens_on(issuer):
    native, _ = await issuer.client(ClientType.NATIVE, "Native", redirect_uris=("http://127.0.0.1/cb",))
    browser = issuer.browser()
    page = await asked(issuer, browser, native, redirect_uri="http://127.0.0.1:51712/cb")
    assert "127.0.0.1:51712" in words(page)


async def test_more_that_is_refused_leaves_what_was_allowed_before(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser, scope="openid")
    page = await issuer.authorize(browser, client, scope="openid email")
    assert (await decide(browser, page, "deny")).answered()["error"] == "access_denied"
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).status == 200
    assert "code" in (await issuer.authorize(browser, client, scope="openid")).answered()
    assert heading(await issuer.authorize(browser, client, scope="openid email")).startswith("Allow")


async def test_a_refusal_is_told_to_the_client_and_in_the_audit_trail_and_is_not_remembered(issuer, client):
    browser = issuer.browser()
    reply = await decide(browser, await asked(issuer, browser, client), "deny")
    assert reply.location.startswith(CALLBACK)
    answer = reply.answered()
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "s", "http://127.0.0.1:8000")
    assert "code" not in answer
    account = await issuer.house.accounts.find(ADA)
    assert [event.account_id for event in await told(issuer, what=What.CONSENT_DENIED)] == [account.id]
    assert heading(await issuer.authorize(browser, client)).startswith("Allow")
    assert "No application is signed in" in words(await enter(issuer, browser))


async def test_s_07_r8252_8_6_a_asvs_10_7_1_a_native_application_is_asked_about_each_time(issuer):
    client, _ = await issuer.client(
        ClientType.NATIVE, "Native", redirect_uris=("com.example.app:/cb", "http://[::1]/cb")
    )
    browser = issuer.browser()
    for _ in range(3):
        page = await asked(issuer, browser, client)
        assert heading(page).startswith("Allow Native")
        assert "Not verified." in words(page)
        assert "code" in (await decide(browser, page)).answered()
    assert (await issuer.authorize(browser, client, prompt="none")).answered()["error"] == "consent_required"


async def test_a_client_that_is_always_to_be_asked_about_is(issuer):
    client, _ = await issuer.client(consent=Consent.ALWAYS)
    browser = issuer.browser()
    for _ in range(2):
        page = await asked(issuer, browser, client)
        assert heading(page).startswith("Allow")
        await decide(browser, page)


async def test_a_trusted_client_is_not_asked_about_and_still_listed_and_withdrawn(issuer):
    client, _ = await issuer.client(consent=Consent.TRUSTED, name="House")
    browser = issuer.browser()
    page = await issuer.authorize(browser, client)
    reply = await browser.follow(await sign_in(browser, page))
    tokens = (await issuer.redeem(client, "", reply.answered()["code"])).json()
    account = await enter(issuer, browser)
    assert "House" in words(account)
    await press(browser, account, "/account/grant/withdraw")
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_asvs_10_4_9_consent_taken_back_ends_families_and_access_at_once_and_is_asked_for_again(issuer, client):
    browser = issuer.browser()
    other, _ = await issuer.client(name="Other", redirect_uris=(OTHER,))
    mine = [await issuer.signed_in(client, browser=browser), await issuer.signed_in(client)]
    bobs = await issuer.signed_in(client, name=BOB)
    others = await issuer.signed_in(other, browser=browser)
    code = await issuer.code(browser, client)
    account = await enter(issuer, browser)
    ada = (await issuer.house.accounts.find(ADA)).id
    [grant] = await issuer.house.store.read(lambda tx: tx.grants.find(account_id=ada, client_id=client.id))
    page = await press(browser, account, "/account/grant/withdraw", id=grant.id)
    assert "no longer has access" in words(page)
    for tokens in mine:
        assert (await issuer.refresh(client, "", tokens["refresh_token"])).json()["error"] == "invalid_grant"
        assert not await active(issuer, tokens)
    assert (await issuer.redeem(client, "", code)).json()["error"] == "invalid_grant"
    assert (await issuer.refresh(client, "", bobs["refresh_token"])).status == 200
    assert (await issuer.refresh(other, "", others["refresh_token"])).status == 200
    refused = [e for e in await told(issuer, what=What.FAMILY_REFUSED) if e.client_id == client.id]
    assert {event.reason for event in refused} == {Reason.CONSENT_WITHDRAWN}
    page = await issuer.authorize(browser, client, scope="openid")
    assert heading(page).startswith("Allow")
    assert "something new" not in words(page)
    assert "code" in (await decide(browser, page)).answered()
    page = await issuer.authorize(browser, client, scope="openid email")
    assert heading(page).startswith("Allow"), "what was withdrawn does not come back with a smaller consent"


# ---- tampering


@pytest.mark.parametrize(
    "more",
    [
        {"scope": "openid profile email offline_access admin"},
        {"client_id": "cli_other"},
        {"redirect_uri": "https://evil.example/"},
        {"state": "evil"},
        {"account": "usr_somebody", "sub": "usr_somebody"},
        {"resource": "https://api.evil.example/"},
        {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"},
        {"lifetime": "999999999", "offline": "true"},
    ],
)
async def test_s_05_nothing_in_the_form_but_the_decision_decides(issuer, client, more):
    browser = issuer.browser()
    page = await asked(issuer, browser, client, scope="openid")
    reply = await browser.post("/consent", {**form(page, "/consent"), **more, "decision": "allow"})
    assert reply.location.startswith(f"{CALLBACK}?")
    assert reply.answered()["state"] == "s"
    tokens = (await issuer.redeem(client, "", reply.answered()["code"])).json()
    assert tokens["scope"] == "openid"
    grants = await issuer.house.store.read(lambda tx: tx.grants.find())
    ada = await issuer.house.accounts.find(ADA)
    assert [(g.account_id, g.client_id, g.scope, g.resources) for g in grants] == [(ada.id, client.id, "openid", "")]


@pytest.mark.parametrize("decision", ["", "ALLOW", "yes", "allow ", "deny,allow"])
async def test_s_05_a_decision_that_is_none_asks_again(issuer, client, decision):
    browser = issuer.browser()
    page = await asked(issuer, browser, client)
    again = await browser.follow(await decide(browser, page, decision))
    assert heading(again).startswith("Allow")
    assert await issuer.house.store.read(lambda tx: tx.grants.find()) == []


async def test_a_01_a_decision_given_twice_is_refused(issuer, client):
    browser = issuer.browser()
    fields = form(await asked(issuer, browser, client), "/consent")
    body = f"csrf={fields['csrf']}&flow={fields['flow']}&decision=deny&decision=allow".encode()
    reply = await browser.send("POST", "/consent", body, {"content-type": "application/x-www-form-urlencoded"})
    assert is_page(reply, 400)


async def test_s_05_s_15_another_browser_s_flow_is_nobody_s(issuer, client):
    browser, thief = issuer.browser(), issuer.browser(network="198.51.100.1")
    page = await asked(issuer, browser, client)
    flow = form(page, "/consent")["flow"]
    own = await asked(issuer, thief, client, BOB)
    for path in ("/sign-in", "/consent", "/select-account", "/notice"):
        assert heading(await thief.get(path, {"flow": flow})) == "This sign-in is over", path
    stolen = {**form(own, "/consent"), "flow": flow, "decision": "allow"}
    assert heading(await thief.post("/consent", stolen)) == "This sign-in is over"
    assert "code" in (await decide(browser, page)).answered()


async def test_a_flow_lives_an_hour(issuer, client):
    browser = issuer.browser()
    page = await asked(issuer, browser, client)
    issuer.clock.advance(3_599)
    assert heading(await browser.get("/consent", {"flow": form(page, "/consent")["flow"]})).startswith("Allow")
    issuer.clock.advance(1)
    reply = await decide(browser, page)
    assert is_page(reply, 400)
    assert heading(reply) == "This sign-in is over"


async def test_s_05_consent_cannot_be_given_before_signing_in(issuer, client):
    browser = issuer.browser()
    page = await issuer.authorize(browser, client)
    fields = form(page, "/sign-in")
    reply = await browser.post("/consent", {**fields, "decision": "allow"})
    assert reply.location.startswith("/sign-in")
    assert await issuer.house.store.read(lambda tx: tx.grants.find()) == []


async def test_s_05_consent_given_by_one_person_is_not_another_s_in_the_same_browser(issuer, client):
    browser = issuer.browser()
    page = await asked(issuer, browser, client)
    await decide(browser, page)
    other = await issuer.authorize(browser, client, prompt="login")
    await browser.follow(await sign_in(browser, other, BOB))
    again = await browser.follow(await decide(browser, page))
    assert "code" not in again.answered()
    grants = await issuer.house.store.read(lambda tx: tx.grants.find())
    assert [grant.account_id for grant in grants] == [(await issuer.house.accounts.find(ADA)).id]


async def test_a_registration_that_changes_under_way_decides(issuer, client):
    browser = issuer.browser()
    page = await asked(issuer, browser, client)
    await issuer.house.clients.update(client.id, redirect_uris=(OTHER,))
    reply = await decide(browser, page)
    assert is_page(reply, 400)
    assert not reply.location


async def test_rights_that_shrink_under_way_are_not_handed_out(issuer, client):
    browser = issuer.browser()
    page = await asked(issuer, browser, client)
    await issuer.house.clients.update(client.id, scopes=("openid",))
    tokens = (await issuer.redeem(client, "", (await decide(browser, page)).answered()["code"])).json()
    assert tokens["scope"] == "openid"


async def test_a_client_deleted_under_way_ends_the_flow(issuer, client):
    browser = issuer.browser()
    page = await asked(issuer, browser, client)
    await issuer.house.clients.delete(client.id)
    assert heading(await decide(browser, page)) == "This sign-in is over"


async def test_s_06_a_name_made_to_deceive_is_text_on_every_page(issuer):
    name = 'Bank"><script>alert(1)</script><b>'
    client, _ = await issuer.client(name=name)
    browser = issuer.browser()
    pages = [page := await issuer.authorize(browser, client)]
    page = await browser.follow(await sign_in(browser, page))
    pages.append(page)
    await decide(browser, page)
    pages += [await enter(issuer, browser), await browser.get("/end_session", {"client_id": client.id})]
    pages.append(await issuer.authorize(browser, client, prompt="select_account"))
    for page in pages:
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;" in page.text, heading(page)
    assert "app.example" in words(pages[1]), "the host says where it goes, whatever the name says"
