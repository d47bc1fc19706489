"""People click twice, go back, and use two tabs. None of that may end in an error where going on is possible."""

import asyncio

import pytest

from evergrant.domain.client import ClientType
from evergrant.store.port import Which
from evergrant.store.sqlite import SqliteStore
from evergrant.testing.in_process import PASSWORD, running
from tests.visitor import ADA, BOB, decide, enter, form, heading, is_page, sign_in


@pytest.fixture(params=["memory", "sqlite"])
async def issuer(request, tmp_path):
    store = SqliteStore.open(tmp_path / "other.db") if request.param == "sqlite" else None
    async with running(tmp_path, store=store) as issuer:
        await issuer.person(ADA)
        await issuer.person(BOB)
        yield issuer


async def live_sessions(issuer):
    return await issuer.house.store.read(lambda tx: [s for s in tx.sessions.find() if s.ended is None])


async def families(issuer):
    accounts = await issuer.house.accounts.page()
    return await issuer.house.store.read(
        lambda tx: [f for account in accounts for f in tx.families.find(Which(account_id=account.id))]
    )


async def test_a_second_click_on_allow_ends_at_the_client_with_a_code_that_works(issuer):
    client, secret = await issuer.client()
    browser = issuer.browser()
    page = await browser.follow(await sign_in(browser, await issuer.authorize(browser, client)))
    first = await decide(browser, page)
    second = await decide(browser, page)
    assert first.status == second.status == 303
    assert second.answered()["state"] == "s"
    assert (await issuer.redeem(client, secret, second.answered()["code"])).status == 200
    lost = await issuer.redeem(client, secret, first.answered()["code"])
    assert lost.json()["error"] == "invalid_grant"
    assert len(await families(issuer)) == 1


async def test_two_clicks_on_allow_at_once_both_end_at_the_client(issuer):
    client, _ = await issuer.client()
    browser = issuer.browser()
    page = await browser.follow(await sign_in(browser, await issuer.authorize(browser, client)))
    replies = await asyncio.gather(*(decide(browser, page) for _ in range(5)))
    assert [reply.status for reply in replies] == [303] * 5
    assert all("code" in reply.answered() for reply in replies)
    live = await issuer.house.store.read(lambda tx: tx.codes.find())
    assert len(live) == 1, "only the last answer is shown to the person, so only its code lives"


async def test_a_click_after_the_code_was_redeemed_gives_no_second_family(issuer):
    client, secret = await issuer.client()
    browser = issuer.browser()
    page = await browser.follow(await sign_in(browser, await issuer.authorize(browser, client)))
    tokens = (await issuer.redeem(client, secret, (await decide(browser, page)).answered()["code"])).json()
    again = await decide(browser, page)
    assert is_page(again, 400)
    assert heading(again) == "This sign-in is over"
    assert (await issuer.refresh(client, secret, tokens["refresh_token"])).status == 200


async def test_a_second_click_on_deny_ends_at_the_client_too(issuer):
    client, _ = await issuer.client()
    browser = issuer.browser()
    page = await browser.follow(await sign_in(browser, await issuer.authorize(browser, client)))
    for reply in [await decide(browser, page, "deny"), await decide(browser, page, "deny")]:
        assert reply.answered()["error"] == "access_denied"


@pytest.mark.parametrize(("first", "second"), [("deny", "allow"), ("allow", "deny")])
async def test_the_first_decision_stands(issuer, first, second):
    client, _ = await issuer.client()
    browser = issuer.browser()
    page = await browser.follow(await sign_in(browser, await issuer.authorize(browser, client)))
    await decide(browser, page, first)
    answer = (await decide(browser, page, second)).answered()
    assert ("code" in answer) == (first == "allow")


async def test_a_second_click_on_sign_in_goes_on_and_makes_one_session(issuer):
    client, _ = await issuer.client()
    browser = issuer.browser()
    page = await issuer.authorize(browser, client)
    fields = {**form(page, "/sign-in"), "username": ADA, "password": PASSWORD}
    waiting = dict(browser.cookies)
    first = await browser.post("/sign-in", fields)
    browser.cookies = dict(waiting)  # the browser never got the first answer
    second = await browser.post("/sign-in", fields)
    assert first.status == second.status == 303
    page = await browser.follow(second)
    assert heading(page).startswith("Allow")
    assert len(await live_sessions(issuer)) == 1
    assert "code" in (await decide(browser, page)).answered()


async def test_a_second_click_on_sign_in_ends_at_the_client_when_nothing_else_is_to_ask(issuer):
    client, secret = await issuer.client()
    await issuer.signed_in(client, secret)
    browser = issuer.browser()
    page = await issuer.authorize(browser, client)
    waiting = dict(browser.cookies)
    first = await sign_in(browser, page)
    assert "code" in first.answered()
    browser.cookies = dict(waiting)
    second = await sign_in(browser, page)
    assert (await issuer.redeem(client, secret, second.answered()["code"])).status == 200
    assert (await issuer.redeem(client, secret, first.answered()["code"])).status == 400


async def test_two_clicks_on_sign_in_at_once_both_go_on(issuer):
    client, _ = await issuer.client()
    browser = issuer.browser()
    page = await issuer.authorize(browser, client)
    replies = await asyncio.gather(*(sign_in(browser, page) for _ in range(3)))
    assert [reply.status for reply in replies] == [303] * 3
    assert len(await live_sessions(issuer)) == 1


async def test_a_second_click_on_sign_in_to_the_account_area_arrives_there(issuer):
    browser = issuer.browser()
    page = await browser.follow(await browser.get("/account"))
    waiting = dict(browser.cookies)
    await sign_in(browser, page)
    browser.cookies = dict(waiting)
    assert heading(await browser.follow(await sign_in(browser, page))) == "Your account"


async def test_a_second_click_on_sign_out_ends_at_the_client_too(issuer):
    client, _ = await issuer.client(post_logout_redirect_uris=("https://app.example/bye",))
    browser = issuer.browser()
    await enter(issuer, browser)
    query = {"client_id": client.id, "post_logout_redirect_uri": "https://app.example/bye", "state": "x"}
    page = await browser.get("/end_session", query)
    fields = {**form(page, "/end_session"), "decision": "sign_out"}
    first = await browser.post("/end_session", fields)
    second = await browser.post("/end_session", fields)
    assert first.location == second.location == "https://app.example/bye?state=x"


async def test_going_back_after_a_minute_says_that_the_sign_in_is_over(issuer):
    client, _ = await issuer.client()
    browser = issuer.browser()
    page = await browser.follow(await sign_in(browser, await issuer.authorize(browser, client)))
    await decide(browser, page)
    issuer.clock.advance(60)
    assert heading(await decide(browser, page)) == "This sign-in is over"


async def test_s_15_two_tabs_carry_two_flows_to_their_own_ends(issuer):
    browser = issuer.browser()
    one, _ = await issuer.client(name="One", redirect_uris=("https://one.example/cb",))
    two, _ = await issuer.client(ClientType.NATIVE, "Two", redirect_uris=("http://127.0.0.1/cb",))
    tab_one = await issuer.authorize(browser, one, state="state-1")
    tab_two = await issuer.authorize(browser, two, state="state-2")
    tab_two = await browser.follow(await sign_in(browser, tab_two))
    assert heading(tab_two) == "Allow Two to use your account?"
    tab_one = await browser.follow(await browser.get("/sign-in", {"flow": form(tab_one, "/sign-in")["flow"]}))
    assert heading(tab_one) == "Allow One to use your account?"
    done_two, done_one = await decide(browser, tab_two), await decide(browser, tab_one)
    assert done_one.location.startswith("https://one.example/cb?")
    assert done_one.answered()["state"] == "state-1"
    assert done_two.location.startswith("http://127.0.0.1/cb?")
    assert done_two.answered()["state"] == "state-2"


async def test_s_15_signing_in_as_another_in_one_tab_asks_that_one_in_the_other_tab(issuer):
    client, secret = await issuer.client()
    browser = issuer.browser()
    tab_one = await browser.follow(await sign_in(browser, await issuer.authorize(browser, client)))
    assert ADA in tab_one.text
    tab_two = await issuer.authorize(browser, client, prompt="login")
    await browser.follow(await sign_in(browser, tab_two, BOB))
    page = await browser.follow(await decide(browser, tab_one))
    assert heading(page).startswith("Allow"), "what was shown to one person is not decided by another"
    assert BOB in page.text
    assert ADA not in page.text
    after = await decide(browser, page)
    tokens = (await issuer.redeem(client, secret, after.answered()["code"])).json()
    bob = await issuer.house.accounts.find(BOB)
    info = await issuer.browser().send(
        "GET", "/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"}
    )
    assert info.json()["sub"] == bob.id
