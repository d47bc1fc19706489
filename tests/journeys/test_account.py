"""The account area: what is signed in is listed as it is, and ends when its owner says so, and for nobody else."""

import re
from dataclasses import replace

import pytest

from evergrant.domain import id as ids
from evergrant.domain.event import What
from evergrant.domain.reason import Reason
from evergrant.store.port import Which
from evergrant.testing.in_process import PASSWORD, running
from tests.visitor import ADA, BOB, enter, form, heading, is_page, press, sign_in, told, words

NEW = "entirely different words 7"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_2 like Mac OS X) AppleWebKit/605.1.15 Version/19.2 Safari/604.1"


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.person(ADA)
        await issuer.person(BOB)
        yield issuer


@pytest.fixture
async def client(issuer):
    return (await issuer.client())[0]


async def sessions(issuer, name=ADA):
    account = await issuer.house.accounts.find(name)
    return await issuer.house.store.read(lambda tx: tx.sessions.find(account_id=account.id))


async def live(issuer, name=ADA):
    return [session for session in await sessions(issuer, name) if session.ended is None]


async def signed_in(browser):
    return heading(await browser.follow(await browser.get("/account"))) == "Your account"


async def refused_with(issuer, client, tokens):
    """The reason stored for a family that a refresh is refused for."""
    reply = await issuer.refresh(client, "", tokens["refresh_token"])
    assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")
    return (await told(issuer, what=What.FAMILY_REFUSED))[-1].reason


async def test_browsers_are_listed_with_label_network_and_last_use(issuer):
    browser = issuer.browser(agent=FIREFOX, network="192.0.2.7")
    phone = issuer.browser(agent=SAFARI, network="2001:db8::7")
    await enter(issuer, browser)
    await enter(issuer, phone)
    issuer.clock.advance(7_200)
    page = await browser.get("/account")
    said = words(page)
    assert "Firefox on Linux This browser Active now · 192.0.2.7" in said
    assert "Safari on iPhone Last used 2 hours ago · 2001:db8::7" in said
    await issuer.browser().get("/account")
    assert len(await live(issuer)) == 2


async def test_families_are_listed_with_client_device_last_use_and_end(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    await issuer.signed_in(client, browser=browser, scope="openid")
    issuer.clock.advance(86_400)
    elsewhere = issuer.browser(network="203.0.113.9", agent="curl/8")
    await issuer.refresh(client, "", tokens["refresh_token"], elsewhere)
    said = words(await browser.get("/account"))
    assert "last used just now · 203.0.113.9" in said
    assert "ends with its browser session" in said
    assert re.search(r"Since 1\d November 2023 · ends (in|on) [\w ]+ at the latest", said)
    assert said.count("openid") == 1, "one grant, whatever the families"


async def test_a_session_kept_alive_by_an_application_is_listed(issuer, client):
    quiet = issuer.browser(agent=SAFARI)
    tokens = await issuer.signed_in(client, browser=quiet, scope="openid")
    for _ in range(20):
        issuer.clock.advance(86_400)
        tokens = (await issuer.refresh(client, "", tokens["refresh_token"])).json()
    assert "Safari on iPhone" in words(await enter(issuer, issuer.browser(agent=FIREFOX)))


async def test_a_browser_is_listed_however_many_have_ended(issuer):
    browser = issuer.browser()
    for _ in range(12):
        other = issuer.browser()
        page = await enter(issuer, other)
        await press(other, page, "/account/session/end-all")
    account = await issuer.house.accounts.find(ADA)

    def crowd(tx):
        session = tx.sessions.find(1, account_id=account.id)[0]
        for n in range(450):
            tx.sessions.put(replace(session, id=f"ses_{n:03}", digest=n.to_bytes(32, "big"), previous=None))

    await issuer.house.store.write(crowd)
    page = await enter(issuer, browser)
    assert "This browser" in words(page)


async def test_ending_another_browser_ends_it_and_its_online_families(issuer, client):
    browser, other = issuer.browser(), issuer.browser(agent=SAFARI)
    online = await issuer.signed_in(client, browser=other, scope="openid")
    offline = await issuer.signed_in(client, browser=other)
    await enter(issuer, browser)
    theirs = next(session for session in await sessions(issuer) if "iPhone" in session.label)
    page = await press(browser, await browser.get("/account"), "/account/session/end", id=theirs.id)
    assert "That browser is signed out." in words(page)
    assert not await signed_in(other)
    assert await signed_in(browser)
    assert await refused_with(issuer, client, online) == Reason.ENDED_BY_USER
    assert (await issuer.refresh(client, "", offline["refresh_token"])).status == 200


async def test_ending_this_browser_says_signed_out_and_clears_the_cookie(issuer, client):
    browser = issuer.browser()
    online = await issuer.signed_in(client, browser=browser, scope="openid")
    own = (await sessions(issuer))[0]
    page = await press(browser, await enter(issuer, browser), "/account/session/end", id=own.id)
    assert heading(page) == "You are signed out"
    assert "evergrant" not in browser.cookies
    assert not await signed_in(browser)
    assert await refused_with(issuer, client, online) == Reason.SIGNED_OUT


async def test_ending_one_family_ends_that_one(issuer, client):
    browser = issuer.browser()
    one = await issuer.signed_in(client, browser=browser)
    issuer.clock.advance(1)
    two = await issuer.signed_in(client, browser=browser)
    page = await enter(issuer, browser)
    newest = form(page, "/account/family/end")["id"]
    page = await press(browser, page, "/account/family/end", id=newest)
    assert "signed out on that device" in words(page)
    assert newest not in page.text
    assert await refused_with(issuer, client, two) == Reason.ENDED_BY_USER
    assert (await issuer.refresh(client, "", one["refresh_token"])).status == 200
    assert await signed_in(browser)


async def test_signing_out_everywhere_ends_everything_of_this_person_and_nothing_of_others(issuer, client):
    browser, other = issuer.browser(), issuer.browser()
    mine = [
        await issuer.signed_in(client, browser=browser),
        await issuer.signed_in(client, browser=other, scope="openid"),
    ]
    code = await issuer.code(other, client)
    bobs = await issuer.signed_in(client, name=BOB)
    page = await press(browser, await enter(issuer, browser), "/account/session/end-all")
    assert heading(page) == "You are signed out"
    for tokens in mine:
        assert await refused_with(issuer, client, tokens) == Reason.SIGNED_OUT_EVERYWHERE
    assert (await issuer.redeem(client, "", code)).json()["error"] == "invalid_grant"
    assert not await signed_in(other)
    assert await live(issuer) == []
    assert (await issuer.refresh(client, "", bobs["refresh_token"])).status == 200
    assert len(await live(issuer, BOB)) == 1


@pytest.mark.parametrize("path", ["/account/session/end", "/account/family/end", "/account/grant/withdraw"])
async def test_somebody_else_s_things_are_left_alone_and_nothing_is_told_about_them(issuer, client, path):
    tokens = await issuer.signed_in(client, name=BOB)
    bob = await issuer.house.accounts.find(BOB)

    def found(tx):
        family = tx.families.find(Which(account_id=bob.id))[0]
        return {
            "/account/session/end": tx.sessions.find(account_id=bob.id)[0].id,
            "/account/family/end": ids.text(ids.Kind.FAMILY, family.id),
            "/account/grant/withdraw": tx.grants.find(account_id=bob.id)[0].id,
        }[path]

    theirs = await issuer.house.store.read(found)
    browser = issuer.browser()
    page = await enter(issuer, browser)
    csrf = form(page, "/account/session/end-all")["csrf"]
    replies = [
        await browser.post(path, {"csrf": csrf, "id": given})
        for given in (theirs, theirs[:-1] + "A", "fam_" + "A" * 22, "", "nonsense", "é")
    ]
    assert len({(reply.status, reply.location, reply.body) for reply in replies}) == 1
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).status == 200
    assert len(await live(issuer, BOB)) == 1
    assert (await issuer.house.store.read(lambda tx: tx.grants.find(account_id=bob.id)))[0].withdrawn_at == 0


async def test_without_a_session_every_button_leads_to_signing_in_and_does_nothing(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    page = await enter(issuer, browser)
    fields = form(page, "/account/family/end")
    cookie = browser.cookies.pop("evergrant")
    assert heading(await browser.follow(await browser.post("/account/family/end", fields))) == "Sign in"
    assert heading(await browser.follow(await browser.post("/account/password", fields))) == "Sign in"
    browser.cookies["evergrant"] = cookie
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).status == 200


async def test_s_01_r6749_10_12_a_a_forged_form_ends_nothing(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    page = await enter(issuer, browser)
    fields = form(page, "/account/family/end")
    other = issuer.browser()
    strangers = form(await enter(issuer, other, BOB), "/account/session/end-all")["csrf"]
    signing_in = form(await browser.follow(await issuer.authorize(browser, client, prompt="login")), "/sign-in")["csrf"]
    for csrf in (strangers, signing_in, "", "x", "é", fields["csrf"][:-1]):
        assert is_page(await browser.post("/account/family/end", {**fields, "csrf": csrf}), 400), csrf
    for headers in (
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1"},
    ):
        assert is_page(await browser.post("/account/family/end", fields, headers), 403)
    assert is_page(await browser.post("/account/family/end", fields, {"content-type": "text/plain"}), 400)
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).status == 200
    good = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}
    assert (await browser.post("/account/family/end", fields, good)).status == 303


async def test_s_01_a_form_is_bound_to_the_session_it_was_shown_in(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    fields = form(await enter(issuer, browser), "/account/family/end")
    page = await issuer.authorize(browser, client, prompt="login")
    await sign_in(browser, page, BOB)
    reply = await browser.post("/account/family/end", fields)
    assert is_page(reply, 400)
    assert "reload" in words(reply)
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).status == 200


# ---- changing the password


async def change(browser, current=PASSWORD, new=NEW):
    page = await browser.get("/account/password")
    fields = {**form(page, "/account/password"), "current_password": current, "new_password": new}
    return await browser.post("/account/password", fields)


async def test_r9700_4_14_2_e_changing_the_password_ends_everything_but_this_session(issuer, client):
    browser, other = issuer.browser(), issuer.browser()
    mine = [
        await issuer.signed_in(client, browser=browser),
        await issuer.signed_in(client, browser=browser, scope="openid"),
        await issuer.signed_in(client, browser=other, scope="openid"),
    ]
    code = await issuer.code(other, client)
    reply = await browser.follow(await change(browser))
    assert "The password is changed, and everything else is signed out." in words(reply)
    for tokens in mine:
        assert await refused_with(issuer, client, tokens) == Reason.PASSWORD_CHANGED
    assert (await issuer.redeem(client, "", code)).json()["error"] == "invalid_grant"
    assert not await signed_in(other)
    assert [session.ended.reason for session in await sessions(issuer) if session.ended] == [Reason.PASSWORD_CHANGED]
    assert await signed_in(browser)
    fresh = issuer.browser()
    assert heading(await enter(issuer, fresh)) == "Sign in"
    assert heading(await enter(issuer, fresh, password=NEW)) == "Your account"


async def test_s_03_a_copy_of_the_cookie_does_not_survive_a_change_of_password(issuer):
    browser, thief = issuer.browser(), issuer.browser(network="198.51.100.1")
    await enter(issuer, browser)
    thief.cookies = dict(browser.cookies)
    await change(browser)
    assert await signed_in(browser)
    assert not await signed_in(thief)


async def test_a_wrong_current_password_changes_nothing_and_is_throttled(issuer):
    browser = issuer.browser()
    await enter(issuer, browser)
    for _ in range(issuer.house.settings.pace.free + 1):
        reply = await change(browser, current="not the right one")
        assert is_page(reply, 401)
        assert "The current password is not right." in words(reply)
    held = await change(browser)
    assert is_page(held, 429)
    assert held.header("retry-after") == "1"
    assert "Wait 1 second" in words(held)
    assert heading(await enter(issuer, issuer.browser())) == "Your account", "the password is what it was"
    issuer.clock.advance(1)
    assert (await change(browser)).status == 303


@pytest.mark.parametrize(
    ("new", "told_"),
    [
        ("short", "at least 12 characters"),
        ("", "at least 12 characters"),
        ("x" * 300, "at most 256 characters"),
        ("aaaaaaaaaaaa", "repeats too few characters"),
        ("Password123!", "tried first"),
        ("qwertyuiop123", "tried first"),
        ("ADA@example.com", "must not be the user name"),
    ],
)
async def test_a_weak_new_password_is_explained_costs_no_try_and_ends_nothing(issuer, client, new, told_):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    for _ in range(issuer.house.settings.pace.free + 2):
        reply = await change(browser, new=new)
        assert is_page(reply, 400)
        assert told_ in words(reply)
        assert 'id="new_password" name="new_password" type="password" autocomplete="new-password"' in reply.text
        assert PASSWORD not in reply.text
        assert not new or new not in reply.text
    assert (await issuer.refresh(client, "", tokens["refresh_token"])).status == 200
    assert (await change(browser)).status == 303


# ---- theft


async def stolen(issuer, client, browser=None, tokens=None):
    """A family whose spent token came back from elsewhere; its owner's last refresh was at 203.0.113.1."""
    tokens = tokens or await issuer.signed_in(client, browser=browser)
    owner = issuer.browser(network="203.0.113.1", agent="Owner/1")
    thief = issuer.browser(network="198.51.100.66", agent="Thief/6")
    issuer.clock.advance(10)
    await issuer.refresh(client, "", tokens["refresh_token"], owner)
    issuer.clock.advance(100)
    await issuer.refresh(client, "", tokens["refresh_token"], thief)


async def test_rt_31_theft_is_told_at_the_next_sign_in_with_both_parties_and_acknowledged_once(issuer, client):
    await stolen(issuer, client)
    browser = issuer.browser()
    page = await browser.follow(await sign_in(browser, await browser.follow(await browser.get("/account"))))
    assert heading(page) == "We ended your sign-in to App"
    said = words(page)
    for part in ("203.0.113.1", "Owner/1", "198.51.100.66", "Thief/6", "22:13:30 UTC", "22:15:10 UTC"):
        assert part in said, part
    fields = form(page, "/notice")
    assert heading(await browser.follow(await browser.post("/notice", fields))) == "Your account"
    assert heading(await browser.follow(await browser.post("/notice", fields))) == "Your account"
    assert len(await told(issuer, what=What.NOTICE_ACKNOWLEDGED)) == 1
    assert heading(await enter(issuer, issuer.browser())) == "Your account"


async def test_rt_31_a_client_s_request_meets_the_notice_before_anything_is_answered(issuer, client):
    browser = issuer.browser()
    await stolen(issuer, client, browser)
    page = await issuer.authorize(browser, client)
    assert heading(page) == "We ended your sign-in to App"
    flow = form(page, "/notice")["flow"]
    assert heading(await browser.follow(await browser.get("/consent", {"flow": flow}))).startswith("We ended")
    reply = await browser.follow(await browser.post("/notice", form(page, "/notice")))
    assert "code" in reply.answered()


async def test_two_thefts_are_two_notices(issuer, client):
    for tokens in [await issuer.signed_in(client), await issuer.signed_in(client)]:
        await stolen(issuer, client, tokens=tokens)
    browser = issuer.browser()
    page = await browser.follow(await sign_in(browser, await browser.follow(await browser.get("/account"))))
    for _ in range(2):
        assert heading(page).startswith("We ended")
        page = await browser.follow(await browser.post("/notice", form(page, "/notice")))
    assert heading(page) == "Your account"


async def test_a_notice_is_told_to_its_owner_alone(issuer, client):
    await stolen(issuer, client)
    assert heading(await enter(issuer, issuer.browser(), BOB)) == "Your account"
    account = await issuer.house.accounts.find(ADA)
    await issuer.house.clients.delete(client.id)
    page = await enter(issuer, issuer.browser())
    assert heading(page) == "We ended your sign-in to a removed application"
    assert account.id not in page.text


# ---- disabled and deleted


STEPS = ("sign_in", "select", "consent", "redeem", "refresh", "account", "password", "userinfo")


@pytest.mark.parametrize("end", ["disable", "delete"])
@pytest.mark.parametrize("step", STEPS)
async def test_rt_16_whoever_is_disabled_or_deleted_goes_no_step_further(issuer, client, step, end):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    pages = {
        "sign_in": lambda: issuer.authorize(browser, client, prompt="login"),
        "select": lambda: issuer.authorize(browser, client, prompt="select_account"),
        "consent": lambda: issuer.authorize(browser, client, prompt="consent"),
        "account": lambda: browser.get("/account"),
        "password": lambda: browser.get("/account/password"),
    }
    page = await pages[step]() if step in pages else None
    code = await issuer.code(browser, client) if step == "redeem" else ""
    await getattr(issuer.house.accounts, end)(ADA)
    if step == "redeem":
        assert (await issuer.redeem(client, "", code)).json()["error"] == "invalid_grant"
    elif step == "refresh":
        assert (await issuer.refresh(client, "", tokens["refresh_token"])).json()["error"] == "invalid_grant"
    elif step == "userinfo":
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        assert (await issuer.browser().send("GET", "/userinfo", headers=bearer)).status == 401
    elif step == "sign_in":
        reply = await sign_in(browser, page)
        assert is_page(reply, 401)
        assert "The name or the password is not right." in words(reply)
    else:
        path = {"select": "/select-account", "consent": "/consent", "account": "/account/session/end-all"}
        path = path.get(step, "/account/password")
        more = {"choice": "continue", "decision": "allow", "current_password": PASSWORD, "new_password": NEW}
        reply = await browser.follow(await browser.post(path, {**form(page, path), **more}))
        assert heading(reply) in {"Sign in", "You are signed out"}
        assert not reply.location
    assert await issuer.house.store.read(lambda tx: [c for c in tx.codes.find() if not c.spent_at]) == []


async def test_rt_16_disabled_and_enabled_again_starts_from_nothing(issuer, client):
    browser = issuer.browser()
    tokens = await issuer.signed_in(client, browser=browser)
    await issuer.house.accounts.disable(ADA)
    await issuer.house.accounts.enable(ADA)
    assert not await signed_in(browser)
    assert await refused_with(issuer, client, tokens) == Reason.ACCOUNT_DISABLED
    assert heading(await enter(issuer, browser)) == "Your account"


async def test_rt_16_disabled_while_the_password_is_being_checked_is_not_let_in(issuer):
    browser = issuer.browser()
    page = await browser.follow(await browser.get("/account"))
    passwords = issuer.house.passwords
    verify = passwords.verify

    async def slow(known, password):
        right = await verify(known, password)
        await issuer.house.accounts.disable(ADA)
        return right

    passwords.verify = slow
    try:
        assert is_page(await sign_in(browser, page), 401)
    finally:
        del passwords.verify
    assert await live(issuer) == []
