"""Guessing passwords and names: slowed down by account, network and browser; strangers learn and block nothing."""

import asyncio
from collections import Counter
from dataclasses import replace

import argon2
import pytest

from evergrant.config import Config
from evergrant.domain.event import What
from evergrant.issuer.service.sign_in import ACCOUNT_FACTOR, network_prefix
from evergrant.testing.in_process import PASSWORD, Browser, running
from tests.visitor import ADA, BOB, enter, form, heading, is_page, sign_in, told, words

WRONG = "not the right password"


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path, config=Config().replace(throttle__network_limit=20)) as issuer:
        await issuer.person(ADA)
        await issuer.person(BOB)
        yield issuer


@pytest.fixture
def pace(issuer):
    return issuer.house.settings.pace


async def attempt(issuer, name=ADA, password=WRONG, network="192.0.2.1", browser=None):
    browser = browser or issuer.browser(network=network)
    browser.network = network
    page = await browser.follow(await browser.get("/account"))
    return await sign_in(browser, page, name, password)


async def fail(issuer, times, **how):
    return [await attempt(issuer, **how) for _ in range(times)]


# ---- S-08


async def test_s_08_the_wait_grows_and_is_told_as_429_on_the_page_and_in_a_header(issuer, pace):
    assert [reply.status for reply in await fail(issuer, pace.free)] == [401] * pace.free
    for seconds in (1, 2, 4, 8):
        judged, held = await fail(issuer, 2)
        assert judged.header("retry-after") == held.header("retry-after") == str(seconds)
        assert is_page(held, 429)
        assert "There were too many tries." in words(held)
        assert f"Wait {seconds} second" in words(held)
        issuer.clock.advance(seconds)


async def test_s_08_the_longest_wait_is_capped(issuer, pace):
    await fail(issuer, pace.free)
    longest = 0
    for _ in range(20):
        held = await attempt(issuer)
        longest = max(longest, int(held.header("retry-after") or 0))
        issuer.clock.advance(int(held.header("retry-after") or 0))
    assert longest == pace.most


async def test_s_08_while_one_waits_not_even_the_right_password_is_looked_at(issuer, pace, hashed):
    await fail(issuer, pace.free + 1)
    before = hashed.total()
    assert (await attempt(issuer, password=PASSWORD)).status == 429
    assert hashed.total() == before
    issuer.clock.advance(1)
    assert (await attempt(issuer, password=PASSWORD)).status == 303


async def test_s_08_success_clears_what_went_before(issuer, pace):
    for _ in range(3):
        await fail(issuer, pace.free - 1)
        assert (await attempt(issuer, password=PASSWORD)).status == 303
    assert [reply.status for reply in await fail(issuer, pace.free)] == [401] * pace.free


async def test_s_08_a_quiet_hour_forgets(issuer, pace):
    await fail(issuer, pace.free)
    issuer.clock.advance(pace.window)
    assert [reply.status for reply in await fail(issuer, pace.free)] == [401] * pace.free


async def test_s_08_parallel_guesses_are_all_charged(issuer, pace, hashed):
    browsers = [issuer.browser() for _ in range(40)]
    pages = [await browser.follow(await browser.get("/account")) for browser in browsers]
    replies = await asyncio.gather(*(sign_in(b, p, ADA, WRONG) for b, p in zip(browsers, pages, strict=True)))
    tally = Counter(reply.status for reply in replies)
    assert hashed.total() == pace.free + 1, "one may be on its way when the wait begins, and no more"
    assert tally[429] >= 40 - pace.free - 1


async def test_s_08_one_network_against_many_users_is_slowed_down(issuer, pace):
    limit = issuer.house.settings.network_limit
    replies = [await attempt(issuer, name=f"user{n}@example.com") for n in range(limit + 2)]
    assert [reply.status for reply in replies[:limit]] == [401] * limit
    assert replies[-1].status == 429
    assert (await attempt(issuer, name=BOB, password=PASSWORD)).status == 429, "nobody on that network for now"
    assert (await attempt(issuer, name=BOB, password=PASSWORD, network="192.0.2.2")).status == 303


async def test_s_08_honest_sign_ins_do_not_use_up_their_network(issuer):
    limit = issuer.house.settings.network_limit
    for n in range(limit + 5):
        await issuer.person(f"colleague{n}@example.com")
    replies = [await attempt(issuer, name=f"colleague{n}@example.com", password=PASSWORD) for n in range(limit + 5)]
    assert {reply.status for reply in replies} == {303}


async def test_s_08_many_networks_against_one_user_are_slowed_down(issuer, pace):
    free = (pace.free + 1) * ACCOUNT_FACTOR
    replies = [await attempt(issuer, network=f"198.51.{n // 200}.{n % 200}") for n in range(free + 2)]
    assert [reply.status for reply in replies[:free]] == [401] * free
    assert replies[-1].status == 429
    fresh = await attempt(issuer, password=PASSWORD, network="203.0.113.1")
    assert fresh.status == 429, "a browser nobody knows has to wait with the strangers"


async def test_s_08_a_browser_that_signed_in_before_has_its_own_way_in(issuer, pace):
    browser = issuer.browser(network="203.0.113.1")
    await enter(issuer, browser)
    del browser.cookies["evergrant"]
    free = (pace.free + 1) * ACCOUNT_FACTOR
    for n in range(free + 2):
        await attempt(issuer, network=f"198.51.{n // 200}.{n % 200}")
    await fail(issuer, pace.free + 2, network="203.0.113.1")
    issuer.clock.advance(1)
    assert heading(await enter(issuer, browser)) == "Your account"


async def test_s_08_the_own_way_in_is_slowed_down_as_well(issuer, pace):
    browser = issuer.browser()
    await enter(issuer, browser)
    del browser.cookies["evergrant"]
    replies = [await attempt(issuer, browser=browser) for _ in range(pace.free + 2)]
    assert [reply.status for reply in replies] == [401] * pace.free + [429] * 2
    assert (await attempt(issuer)).status == 401, "and only that one is"


async def test_s_08_the_own_way_in_is_for_one_account(issuer, pace):
    browser = issuer.browser()
    await enter(issuer, browser, BOB)
    del browser.cookies["evergrant"]
    free = (pace.free + 1) * ACCOUNT_FACTOR
    for n in range(free + 2):
        await attempt(issuer, network=f"198.51.{n // 200}.{n % 200}")
    assert (await attempt(issuer, browser=browser, password=PASSWORD)).status == 429


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("", "not an address", True),
    ],
)
def test_s_08_a_network_is_an_address_or_the_half_of_one_that_a_subscriber_gets(one, two, same):
    assert (network_prefix(one) == network_prefix(two)) is same


async def test_s_08_a_busy_server_charges_nobody(issuer, pace):
    passwords = issuer.house.passwords
    passwords._room = 0
    for _ in range(pace.free + 3):
        busy = await attempt(issuer, password=PASSWORD)
        assert is_page(busy, 503)
        assert busy.header("retry-after")
    passwords._room = 10
    assert (await attempt(issuer, password=PASSWORD)).status == 303


async def test_s_08_failures_are_in_the_audit_trail_with_their_network(issuer):
    await attempt(issuer, network="198.51.100.7")
    await attempt(issuer, name="nobody@example.com")
    events = await told(issuer, what=What.SIGN_IN_FAILED)
    ada = await issuer.house.accounts.find(ADA)
    assert [(event.account_id, event.network) for event in events] == [(ada.id, "198.51.100.7"), ("", "192.0.2.1")]
    assert all("nobody" not in repr(event) for event in events), "what is typed as a name may be a password"


@pytest.mark.parametrize(
    "word",
    ["password1234", "PassWord1234", "qwertyuiop123", "iloveyou1234", "1q2w3e4r5t6y", "123456789012", "p@ssw0rd1234"],
)
async def test_s_08_what_everybody_tries_first_is_no_password(issuer, word):
    with pytest.raises(ValueError, match="tried first"):
        await issuer.house.accounts.add("new@example.com", word)


# ---- S-09


@pytest.fixture
def hashed(monkeypatch):
    """Counts slow hashes by their cost."""
    counts: Counter[str] = Counter()
    verify, make = argon2.PasswordHasher.verify, argon2.PasswordHasher.hash

    def counted(self, known, password):
        counts[f"verify {known.split('$')[3]}"] += 1
        return verify(self, known, password)

    def made(self, password, **more):
        counts["hash"] += 1
        return make(self, password, **more)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    monkeypatch.setattr(argon2.PasswordHasher, "hash", made)
    return counts


KINDS = {
    "known": (ADA, WRONG),
    "unknown": ("nobody@example.com", WRONG),
    "disabled": ("gone@example.com", PASSWORD),
    "deleted": ("left@example.com", PASSWORD),
    "unspeakable": ("\u200b", WRONG),
    "empty": ("", WRONG),
    "too long": ("x" * 300 + "@example.com", WRONG),
    "right name, endless password": (ADA, "y" * 4_000),
    "unknown name, endless password": ("nobody@example.com", "y" * 4_000),
}


async def crowd(issuer):
    await issuer.person("gone@example.com")
    await issuer.person("left@example.com")
    await issuer.house.accounts.disable("gone@example.com")
    await issuer.house.accounts.delete("left@example.com")


async def test_s_09_every_refusal_is_the_same_page_and_the_same_work(issuer, hashed):
    await crowd(issuer)
    hashed.clear()
    seen = {}
    for kind, (name, password) in KINDS.items():
        browser = issuer.browser(network=f"192.0.2.{len(seen)}")
        page = await browser.follow(await browser.get("/account"))
        writes = _counting(issuer)
        reply = await sign_in(browser, page, name, password)
        work, count = Counter(hashed), writes()
        hashed.clear()
        text = (
            reply.text.replace(" autofocus", "")
            .replace(form(page, "/sign-in")["csrf"], "C")
            .replace(form(page, "/sign-in")["flow"], "F")
        )
        shown = text.split('id="username"')[1].split(">", 1)[0]
        seen[kind] = (reply.status, text.replace(shown, "N"), tuple(work.items()), count, _names(reply))
    assert len(set(seen.values())) == 1, {kind: (s[0], s[2], s[3]) for kind, s in seen.items()}
    assert seen["known"][2] == (("verify m=64,t=1,p=1", 1),)


def _names(reply):
    return tuple(sorted(name for name, _ in reply.headers))


def _counting(issuer):
    """Count what is asked of the store until the returned function is called."""
    store, counts = issuer.house.store, Counter()
    originals = {name: getattr(store, name) for name in ("read", "write", "settle")}
    for name, method in originals.items():

        async def counted(*work, name=name, method=method):
            counts[name] += 1
            return await method(*work)

        setattr(store, name, counted)

    def stop():
        for name in originals:
            delattr(store, name)
        return tuple(sorted(counts.items()))

    return stop


async def test_s_09_the_delays_are_the_same_for_names_that_exist_and_names_that_do_not(issuer, pace):
    await crowd(issuer)
    seen = {}
    for kind, (name, password) in KINDS.items():
        how = {"name": name, "password": password, "network": f"192.0.2.{len(seen)}"}
        replies = await fail(issuer, pace.free + 3, **how)
        seen[kind] = [(reply.status, reply.header("retry-after")) for reply in replies]
    assert len({tuple(item) for item in seen.values()}) == 1, seen


async def test_s_09_the_first_unknown_name_after_a_start_costs_no_more_than_the_next(issuer, hashed):
    for _ in range(3):
        hashed.clear()
        await attempt(issuer, name="nobody@example.com")
        assert hashed == {"verify m=64,t=1,p=1": 1}


async def test_s_09_a_name_is_never_reflected_unless_it_was_typed(issuer):
    client, _ = await issuer.client()
    for hint in (ADA, "nobody@example.com"):
        page = await issuer.authorize(issuer.browser(), client, login_hint=hint)
        assert page.text.count(hint) == 1
    bodies = {await _body(issuer, client, hint) for hint in (ADA, "nobody@example.com")}
    assert len(bodies) == 1


async def _body(issuer, client, hint):
    browser: Browser = issuer.browser()
    page = await issuer.authorize(browser, client, login_hint=hint)
    fields = form(page, "/sign-in")
    return page.text.replace(hint, "").replace(fields["csrf"], "").replace(fields["flow"], "")


async def test_a_hash_of_older_settings_is_replaced_and_a_second_click_is_no_wrong_password(issuer, hashed):
    older = argon2.PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)
    account = await issuer.house.accounts.find(ADA)
    await issuer.house.store.write(lambda tx: tx.accounts.put(replace(account, password_hash=older.hash(PASSWORD))))
    browser = issuer.browser()
    page = await browser.follow(await browser.get("/account"))
    replies = await asyncio.gather(*(sign_in(browser, page) for _ in range(3)))
    assert [reply.status for reply in replies] == [303] * 3
    held = await issuer.house.accounts.find(ADA)
    assert "t=1" in held.password_hash
    assert (await attempt(issuer, password=PASSWORD)).status == 303
