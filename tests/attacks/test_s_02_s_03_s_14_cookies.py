"""Session cookies: set at sign-in, changed at every rise in rights and hourly, good once, worthless in the database."""

import asyncio
from dataclasses import replace

import pytest

from evergrant.config import Config
from evergrant.testing.in_process import PASSWORD, running
from tests.visitor import ADA, BOB, enter, form, heading, is_page, sign_in

COOKIE = "evergrant"
BROWSER = "evergrant-browser"
HOUR = 3_600


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        await issuer.person(ADA)
        await issuer.person(BOB)
        yield issuer


def set_cookies(reply):
    return {value.partition("=")[0]: value.partition("; ")[2] for name, value in reply.headers if name == "set-cookie"}


async def signed_in(browser):
    return heading(await browser.follow(await browser.get("/account"))) == "Your account"


async def session(issuer):
    return next(s for s in await issuer.house.store.read(lambda tx: tx.sessions.find()) if s.ended is None)


async def test_s_14_cookies_are_out_of_reach_of_scripts_and_other_sites(issuer, tmp_path):
    browser = issuer.browser()
    page = await browser.get("/account")
    assert set_cookies(page) == {BROWSER: "Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"}
    reply = await sign_in(browser, await browser.follow(page))
    assert set_cookies(reply) == {COOKIE: "Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax"}
    secure = Config().replace(server__issuer="https://id.example.com")
    async with running(tmp_path / "secure", config=secure) as public:
        await public.person(ADA)
        browser = public.browser(host="id.example.com")
        page = await browser.follow(await browser.get("/account"))
        reply = await sign_in(browser, page)
        assert set_cookies(reply) == {"__Host-evergrant": "Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax; Secure"}
        assert set(browser.cookies) == {"__Host-evergrant", "__Host-evergrant-browser"}


async def test_s_14_the_database_holds_no_cookie(issuer):
    browser = issuer.browser()
    await enter(issuer, browser)
    held = repr(await issuer.house.store.read(lambda tx: (tx.sessions.find(), tx.buckets.find(), tx.flows.find())))
    for value in browser.cookies.values():
        assert value not in held
        assert value[4:] not in held


async def test_s_02_s_01_nobody_is_signed_in_by_a_form_from_elsewhere(issuer):
    """An attacker who has an account sends the victim's browser a sign-in form of their own."""
    attacker, victim = issuer.browser(), issuer.browser()
    page = await attacker.follow(await attacker.get("/account"))
    fields = {**form(page, "/sign-in"), "username": BOB, "password": PASSWORD}
    assert is_page(await victim.post("/sign-in", fields), 400)
    await victim.get("/account")
    assert is_page(await victim.post("/sign-in", fields), 400)
    own = form(await victim.follow(await victim.get("/account")), "/sign-in")
    mixed = {**fields, "csrf": own["csrf"]}
    assert is_page(await victim.post("/sign-in", mixed), 400), "the attacker's flow is not this browser's"
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site", "origin": "null"}):
        assert is_page(await victim.post("/sign-in", {**fields, **own}, headers), 403)
    assert COOKIE not in victim.cookies


async def test_s_02_a_browser_without_cookies_is_told_to_allow_them(issuer):
    browser = issuer.browser()
    page = await browser.follow(await browser.get("/account"))
    browser.cookies.clear()
    reply = await sign_in(browser, page)
    assert is_page(reply, 400)
    assert "cookie" in reply.text


async def test_s_03_a_session_cookie_planted_before_signing_in_is_not_used(issuer):
    attacker, victim = issuer.browser(), issuer.browser()
    await enter(issuer, attacker, BOB)
    victim.cookies[COOKIE] = attacker.cookies[COOKIE]
    client, _ = await issuer.client()
    page = await issuer.authorize(victim, client, prompt="login")
    await sign_in(victim, page)
    assert victim.cookies[COOKIE] != attacker.cookies[COOKIE]
    assert not await signed_in(attacker), "the planted session ended with the sign-in of another person"
    planted = issuer.browser()
    planted.cookies[COOKIE] = "egk_" + "A" * 43
    await enter(issuer, planted)
    assert planted.cookies[COOKIE] != "egk_" + "A" * 43


async def test_s_03_signing_in_again_changes_the_cookie_and_kills_every_copy(issuer):
    browser, copy = issuer.browser(), issuer.browser()
    await enter(issuer, browser)
    copy.cookies = dict(browser.cookies)
    client, _ = await issuer.client()
    await sign_in(browser, await issuer.authorize(browser, client, prompt="login"))
    assert await signed_in(browser)
    assert not await signed_in(copy)


async def test_s_14_the_cookie_turns_every_hour_of_use_and_the_old_one_dies_a_minute_later(issuer):
    browser, copy = issuer.browser(), issuer.browser()
    await enter(issuer, browser)
    copy.cookies = dict(browser.cookies)
    issuer.clock.advance(HOUR - 1)
    await browser.get("/")
    assert browser.cookies == copy.cookies
    issuer.clock.advance(1)
    await browser.get("/")
    assert browser.cookies[COOKIE] != copy.cookies[COOKIE]
    assert await signed_in(browser)
    assert await signed_in(copy), "a request that was on its way with the old one is not lost"
    issuer.clock.advance(61)
    assert await signed_in(browser)
    assert not await signed_in(copy)


async def test_s_14_an_answer_lost_on_its_way_signs_nobody_out(issuer):
    browser = issuer.browser()
    await enter(issuer, browser)
    for _ in range(3):
        issuer.clock.advance(HOUR)
        before = dict(browser.cookies)
        await browser.get("/")
        browser.cookies = dict(before)  # the answer with the new cookie never arrived
        issuer.clock.advance(HOUR)
        assert await signed_in(browser)
        assert browser.cookies != before


async def test_s_14_a_cookie_that_was_lost_and_replaced_is_worthless(issuer):
    browser, finder = issuer.browser(), issuer.browser()
    await enter(issuer, browser)
    issuer.clock.advance(HOUR)
    before = dict(browser.cookies)
    await browser.get("/")
    finder.cookies, browser.cookies = dict(browser.cookies), before
    issuer.clock.advance(61)
    assert await signed_in(browser), "the old one, because the new one was never used"
    assert not await signed_in(finder)


async def test_s_14_tabs_that_wake_together_do_not_sign_each_other_out(issuer):
    browser = issuer.browser()
    await enter(issuer, browser)
    issuer.clock.advance(HOUR)
    tabs = [issuer.browser() for _ in range(8)]
    for tab in tabs:
        tab.cookies = dict(browser.cookies)
    await asyncio.gather(*(tab.get("/account") for tab in tabs))
    turned = {tab.cookies[COOKIE] for tab in tabs} - {browser.cookies[COOKIE]}
    assert len(turned) == 1, "one of them got the new cookie, and the browser keeps it"
    browser.cookies[COOKIE] = turned.pop()
    issuer.clock.advance(61)
    assert await signed_in(browser)


async def test_s_14_a_session_ends_when_it_is_not_used_and_in_any_case_after_its_longest_life(issuer):
    settings = issuer.house.settings
    browser = issuer.browser()
    await enter(issuer, browser)
    issuer.clock.advance(settings.session_idle)
    assert not await signed_in(browser)
    await enter(issuer, browser)
    for _ in range(settings.session_absolute // 86_400):
        assert await signed_in(browser)
        issuer.clock.advance(86_400)
    assert not await signed_in(browser)


@pytest.mark.parametrize("value", ["", "x", "egk_", "egk_" + "A" * 43, "egr_" + "A" * 43, "egk_é", "a" * 4_000])
async def test_s_14_a_cookie_that_is_none_of_ours_is_no_session(issuer, value):
    browser = issuer.browser()
    browser.cookies[COOKIE] = value
    assert not await signed_in(browser)


async def test_s_14_a_cookie_sent_twice_counts_for_nothing(issuer):
    browser = issuer.browser()
    await enter(issuer, browser)
    value, name = browser.cookies[COOKIE], browser.cookies[BROWSER]
    twice = issuer.browser()
    reply = await twice.send(
        "GET", "/account", headers={"cookie": f"{COOKIE}=planted; {COOKIE}={value}; {BROWSER}={name}"}
    )
    assert reply.status == 303


async def test_s_14_a_session_of_another_issuer_s_store_means_nothing_here(issuer, tmp_path):
    async with running(tmp_path / "other") as other:
        await other.person(ADA)
        browser = other.browser()
        await enter(other, browser)
    here = issuer.browser()
    here.cookies = dict(browser.cookies)
    assert not await signed_in(here)


async def test_s_14_a_digest_read_from_the_database_opens_nothing(issuer):
    await enter(issuer, issuer.browser())
    held = await session(issuer)
    thief = issuer.browser()
    for value in (held.id, held.digest.hex(), "egk_" + held.digest.hex()[:43]):
        thief.cookies[COOKIE] = value
        assert not await signed_in(thief)


async def test_the_use_of_a_session_is_written_down_once_a_minute_and_not_per_request(issuer):
    browser = issuer.browser()
    await enter(issuer, browser)
    before = await session(issuer)
    for _ in range(10):
        await browser.get("/account")
    assert await session(issuer) == before
    issuer.clock.advance(60)
    browser.network = "198.51.100.9"
    await browser.get("/account")
    after = await session(issuer)
    assert (after.seen_at, after.network) == (issuer.clock.now(), "198.51.100.9")
    assert after.idle_end == issuer.clock.now() + issuer.house.settings.session_idle
    assert replace(after, seen_at=0, network="", idle_end=0) == replace(before, seen_at=0, network="", idle_end=0)
