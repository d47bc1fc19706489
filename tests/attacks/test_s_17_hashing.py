"""Slow hashes: bounded in number, in waiting time and in length, and the rules a new password is held against."""

import asyncio
import threading
import unicodedata
from collections import Counter

import pytest

from evergrant.config import Config
from evergrant.issuer.passwords import Passwords, PasswordTooWeak, well_known
from evergrant.protocol.error import Code, Refused
from evergrant.testing.in_process import PASSWORD, running
from tests.served import wait_for
from tests.visitor import ADA, enter, heading, is_page, sign_in, words

CHEAP = Config().replace(password__memory_kib=64, password__iterations=1, password__parallelism=1)


@pytest.fixture
def passwords():
    made = Passwords(CHEAP.replace(password__workers=2, password__queue_limit=3, password__queue_timeout=1))
    yield made
    made.close()


class Held:
    """Holds the workers of a pool until it is let go."""

    def __init__(self, passwords, monkeypatch):
        self.release, self.running, self.most = threading.Event(), 0, 0
        lock, verified = threading.Lock(), passwords._verified

        def slow(known, password):
            with lock:
                self.running += 1
                self.most = max(self.most, self.running)
            self.release.wait(20)
            with lock:
                self.running -= 1
            return verified(known, password)

        monkeypatch.setattr(passwords, "_verified", slow)


async def test_s_17_no_more_hashes_run_than_workers_and_no_more_wait_than_there_is_room(passwords, monkeypatch):
    held = Held(passwords, monkeypatch)
    tasks = [asyncio.create_task(passwords.verify(None, PASSWORD)) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as refused:
        await passwords.verify(None, PASSWORD)
    assert refused.value.code is Code.TEMPORARILY_UNAVAILABLE
    assert refused.value.status == 503
    held.release.set()
    assert await asyncio.gather(*tasks) == [False] * 5
    assert held.most == 2
    assert await passwords.verify(None, PASSWORD) is False, "there is room again"


async def test_s_17_nobody_waits_longer_than_the_limit_and_who_gave_up_is_not_hashed(passwords, monkeypatch):
    held = Held(passwords, monkeypatch)
    tasks = [asyncio.create_task(passwords.verify(None, PASSWORD)) for _ in range(5)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Refused] * 5
    assert held.running == 2
    held.release.set()
    assert await asyncio.to_thread(wait_for, lambda: not held.running)
    assert held.most == 2
    assert await passwords.verify(None, PASSWORD) is False


async def test_s_17_a_full_queue_is_a_503_page_and_refreshing_goes_on(tmp_path, monkeypatch):
    async with running(tmp_path) as issuer:
        await issuer.person(ADA)
        client, secret = await issuer.client()
        tokens = await issuer.signed_in(client, secret)
        browser = issuer.browser()
        page = await browser.follow(await browser.get("/account"))
        issuer.house.passwords._room = 0
        reply = await sign_in(browser, page)
        assert is_page(reply, 503)
        assert reply.header("retry-after") == "2"
        assert "Too many people are signing in" in words(reply)
        assert (await issuer.refresh(client, secret, tokens["refresh_token"])).status == 200
        issuer.house.passwords._room = 10
        assert heading(await browser.follow(await sign_in(browser, page))) == "Your account"


async def test_s_17_hashing_does_not_stop_the_loop(passwords, monkeypatch):
    held = Held(passwords, monkeypatch)
    task = asyncio.create_task(passwords.verify(None, PASSWORD))
    ticks = 0
    while not held.running:
        await asyncio.sleep(0)
        ticks += 1
    assert not task.done()
    held.release.set()
    assert await task is False


async def test_s_17_an_endless_password_is_not_hashed_and_costs_what_any_wrong_one_does(passwords, monkeypatch):
    seen = []
    verified = passwords._verified
    monkeypatch.setattr(
        passwords, "_verified", lambda known, password: seen.append((known, len(password))) or verified(known, password)
    )
    known = await passwords.hash(PASSWORD)
    assert await passwords.verify(known, "x" * 5_000) is False
    assert await passwords.verify(known, "x" * 256) is False
    assert seen == [(None, 0), (known, 256)]


async def test_a_05_a_password_is_the_same_however_its_letters_were_composed(passwords):
    composed = "Grüße aus Ålesund für alle"
    spread = unicodedata.normalize("NFD", composed)
    assert composed != spread
    assert await passwords.verify(await passwords.hash(spread), composed)
    assert await passwords.verify(await passwords.hash(composed), spread)
    assert not await passwords.verify(await passwords.hash(composed), composed.lower())


def test_a_password_is_measured_in_what_is_seen(passwords):
    passwords.accept("e\u0301" * 4 + "abcdefgh", "ada")
    with pytest.raises(PasswordTooWeak, match="at least 12"):
        passwords.accept("e\u0301" * 4 + "abcd", "ada")
    passwords.accept(unicodedata.normalize("NFD", "éàüö" * 64), "ada")
    with pytest.raises(PasswordTooWeak, match="at most 256"):
        passwords.accept("éàüö" * 64 + "x", "ada")


@pytest.mark.parametrize(
    ("word", "name", "why"),
    [
        ("abcdefghijk", "ada", "at least 12"),
        ("ada@example.com", "ada@example.com", "user name"),
        ("ADA@EXAMPLE.COM", "ada@example.com", "user name"),
        ("adaadaadaadaada", "adaadaadaadaada@example.com", "user name"),
        ("lovelace1815lovelace1815", "lovelace1815@example.com", "user name"),
        ("abcabcabcabc", "ada", "too few"),
        ("111111111111", "ada", "tried first"),
        ("Password2025!", "ada", "tried first"),
        ("QWERTYUIOP123", "ada", "tried first"),
        ("administrator", "ada", "tried first"),
    ],
)
def test_s_08_a_guess_is_no_password(passwords, word, name, why):
    with pytest.raises(PasswordTooWeak, match=why):
        passwords.accept(word, name)


@pytest.mark.parametrize(
    "word", ["unlikely lantern orbit", "correct horse battery", "Tr0ub4dor&3x!", "日本語の長い合言葉です。夏"]
)
def test_a_password_of_one_s_own_is_one(passwords, word):
    passwords.accept(word, "ada@example.com")


def test_s_08_the_list_holds_what_could_otherwise_be_chosen():
    listed = well_known()
    assert sum(len(word) >= 12 for word in listed) > 500
    assert all(word == unicodedata.normalize("NFC", word).casefold() for word in listed)
    assert all(8 <= len(word) <= 64 and word.strip() == word for word in listed)


async def test_s_17_a_hash_of_broken_spelling_matches_nothing(passwords):
    for known in ("", "x", "$argon2id$v=19$m=7168,t=1,p=1$AA$AA", "$2b$12$" + "a" * 53, "$argon2id$"):
        assert await passwords.verify(known, PASSWORD) is False


async def test_s_17_two_hundred_sign_ins_at_once_are_answered_each_with_yes_or_later(tmp_path):
    config = Config().replace(throttle__network_limit=1_000)
    async with running(tmp_path, config=config) as issuer:
        await issuer.person(ADA)
        browsers = [issuer.browser(network=f"10.0.{n}.1") for n in range(200)]
        pages = [await browser.follow(await browser.get("/account")) for browser in browsers]
        known = issuer.browser()
        await enter(issuer, known)
        replies = await asyncio.gather(*(sign_in(b, p) for b, p in zip(browsers, pages, strict=True)))
        tally = Counter(reply.status for reply in replies)
        assert set(tally) <= {303, 429, 503}
        assert tally[303] >= 30
        assert (await known.get("/account")).status == 200
