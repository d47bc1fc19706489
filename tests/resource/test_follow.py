"""What has ended is refused within the stated bound: while the feed speaks, when it falls silent, and when it lies."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from evergrant.protocol.ending import Ending, reset_frame
from evergrant.resource import Follow, Introspection, Limits, Refused, SyncVerifier, Verifier, WhenBlind, Why
from evergrant.resource.core import NEVER
from evergrant.testing.token_issuer import TokenIssuer
from tests.resource.stand import NOW, Stand, refusal, why
from tests.resource.stream import Feed, feeding, until

QUICK = Limits(budget_seconds=1.0)
SECRET = "made up for a test"


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async with feeding() as made:
        yield made


def following(stand: Stand, feed: Feed, when_blind: WhenBlind = WhenBlind.REFUSE, **more: Any) -> Verifier:
    how = Follow("api", SECRET, when_blind, feed.url)
    return stand.verifier(follow=how, limits=QUICK, **more)


async def heard(verifier: Verifier, feed: Feed) -> None:
    """Connected, and told that everything has been told."""
    await until(lambda: feed.writers)
    feed.beat(NOW)
    await until(verifier._asking._follower._news.is_set)


async def outcome(verifier: Verifier, token: str) -> Why | None:
    """Why it is refused; None while it is accepted."""
    try:
        await verifier.verify_token(token)
    except Refused as refused:
        return refused.why
    return None


async def ended(verifier: Verifier, token: str) -> Why | None:
    """Why it is refused, as soon as it is; None when it is still accepted after ten seconds."""
    for _ in range(2_000):
        if (found := await outcome(verifier, token)) is not None:
            return found
        await asyncio.sleep(0.005)
    return None


def ending(**members: Any) -> Ending:
    return Ending(NOW, NOW + 900, **members)


async def told(verifier: Verifier, feed: Feed, of: Ending) -> None:
    before = verifier._core.ended.revision
    feed.end(of)
    await until(lambda: verifier._core.ended.revision > before)


async def test_a_token_of_an_ended_family_is_refused_at_once_on_every_verifier(issuer: TokenIssuer) -> None:
    follow = Follow(*issuer.credentials)
    async with (
        Verifier.for_issuer(issuer.url, audience=issuer.audience, follow=follow) as one,
        Verifier.for_issuer(issuer.url, audience=issuer.audience, follow=follow) as two,
    ):
        token, other = issuer.token(), issuer.token()
        for verifier in (one, two):
            await verifier.verify_token(token)
            await verifier.verify_token(other)
        await asyncio.to_thread(issuer.end, token)
        begun = time.monotonic()
        for verifier in (one, two):
            assert await ended(verifier, token) is Why.ENDED
            assert (await verifier.verify_token(other)).family
        print(f"refused {time.monotonic() - begun:.3f} s after the revocation's answer")


def test_without_await_an_ended_account_is_refused_too(issuer: TokenIssuer) -> None:
    follow = Follow(*issuer.credentials)
    with SyncVerifier.for_issuer(issuer.url, audience=issuer.audience, follow=follow) as verifier:
        token = issuer.token("eve@example.com")
        verifier.verify_token(token)
        issuer.disable("eve@example.com")
        begun = time.monotonic()
        found = None
        while found is None and time.monotonic() - begun < 10:
            try:
                verifier.verify_token(token)
            except Refused as refused:
                found = refused.why
            time.sleep(0.005)
        assert found is Why.ENDED


async def test_nothing_is_accepted_before_it_is_known_what_has_ended(stand: Stand, feed: Feed) -> None:
    async with following(stand, feed) as verifier:
        asked = asyncio.ensure_future(verifier.verify_token(stand.token(fam="fam_dead")))
        await until(lambda: feed.writers)
        feed.end(ending(families=("fam_dead",)))
        feed.beat(NOW)
        with pytest.raises(Exception, match="fam has ended") as caught:
            await asked
        assert caught.value.why is Why.ENDED
        assert (await verifier.verify_token(stand.token())).family == "fam_1"


async def test_i_06_what_was_exchanged_is_refused_when_a_token_it_comes_from_is_revoked(
    stand: Stand, feed: Feed
) -> None:
    async with following(stand, feed) as verifier:
        await heard(verifier, feed)
        first = stand.token(jti="one")
        further = stand.token(jti="three", jti_from=["two", "one"], act={"sub": "cli_api"})
        beside = stand.token(jti="four", jti_from=["one"])
        for token in (first, further, beside):
            assert await outcome(verifier, token) is None
        await told(verifier, feed, ending(jti="two"))
        assert [await outcome(verifier, token) for token in (first, further, beside)] == [None, Why.ENDED, None]
        unseen = stand.token(jti="five", jti_from=["three", "two", "one"])
        assert await outcome(verifier, unseen) is Why.ENDED


async def test_a_feed_that_never_speaks_costs_a_request_its_budget(stand: Stand, feed: Feed) -> None:
    async with following(stand, feed) as verifier:
        refused = await refusal(verifier, f"Bearer {stand.token()}")
        assert (refused.why, refused.status) == (Why.FEED_SILENT, 503)
        assert refused.challenges() == ()


async def test_everything_that_does_not_answer_costs_a_request_one_budget_together(stand: Stand, feed: Feed) -> None:
    """The feed that is waited for, the keys, a key that is new, and the introspection endpoint."""
    slow = stand.site.pages["/jwks"]
    slow.dribble, slow.pause = len(slow.body), 0.1
    stand.site.put("/introspect", {"active": True})
    stand.site.pages["/introspect"].dribble, stand.site.pages["/introspect"].pause = 3, 5.0
    asking = Introspection("api", SECRET, f"{stand.issuer}/introspect")
    async with following(stand, feed, WhenBlind.INTROSPECT, introspection=asking) as verifier:
        for token in (stand.token(), "opaque"):
            begun = time.monotonic()
            assert (await refusal(verifier, f"Bearer {token}")).status == 503
            assert time.monotonic() - begun < 1.5


async def test_the_bound_a_silent_feed_is_believed_for_three_beats_and_no_longer(stand: Stand, feed: Feed) -> None:
    async with following(stand, feed) as verifier:
        await heard(verifier, feed)
        token = stand.token()
        await verifier.verify_token(token)
        stand.clock.advance(3)
        assert (await verifier.verify_token(token)).family == "fam_1"
        stand.clock.advance(1)
        assert await why(verifier, token) is Why.FEED_SILENT
        feed.beat(NOW + 4)
        await until(lambda: verifier._core.feed_until > stand.clock.monotonic())
        assert (await verifier.verify_token(token)).family == "fam_1"


async def test_with_accept_until_expiry_a_silent_feed_changes_nothing(stand: Stand, feed: Feed) -> None:
    async with following(stand, feed, WhenBlind.ACCEPT) as verifier:
        token, dead = stand.token(), stand.token(fam="fam_dead")
        assert (await verifier.verify_token(token)).family == "fam_1"
        await heard(verifier, feed)
        await told(verifier, feed, ending(families=("fam_dead",)))
        feed.cut()
        stand.clock.advance(60)
        assert (await verifier.verify_token(token)).family == "fam_1"
        assert await why(verifier, dead) is Why.ENDED


async def test_with_introspect_the_issuer_is_asked_about_each_token_while_the_feed_is_silent(
    stand: Stand, feed: Feed
) -> None:
    stand.site.put("/introspect", {"active": True, **stand.claims()})
    asking = Introspection("api", SECRET, f"{stand.issuer}/introspect")
    async with following(stand, feed, WhenBlind.INTROSPECT, introspection=asking) as verifier:
        await heard(verifier, feed)
        token = stand.token()
        await verifier.verify_token(token)
        assert stand.asked("/introspect") == 0
        stand.clock.advance(4)
        for _ in range(3):
            await verifier.verify_token(token)
        assert stand.asked("/introspect") == 3
        stand.site.put("/introspect", {"active": False})
        assert await why(verifier, token) is Why.INACTIVE
    with pytest.raises(ValueError, match="introspection is missing"):
        following(stand, feed, WhenBlind.INTROSPECT)


async def test_a_feed_that_was_cut_is_resumed_where_it_was_cut(stand: Stand, feed: Feed) -> None:
    async with following(stand, feed) as verifier:
        await heard(verifier, feed)
        await told(verifier, feed, ending(families=("fam_a",)))
        token = stand.token(fam="fam_b")
        await verifier.verify_token(token)
        feed.cut()
        await until(lambda: len(feed.asked) == 2 and feed.writers)
        assert "last-event-id" not in feed.asked[0]
        assert feed.asked[1]["last-event-id"] == "1.x"
        assert feed.asked[1]["authorization"].startswith("Basic ")
        await told(verifier, feed, ending(families=("fam_b",)))
        feed.beat(NOW)
        assert await why(verifier, token) is Why.ENDED


@pytest.mark.parametrize(
    "lie",
    [
        b'event: ending\nid: 9.x\ndata: {"at":1}\n\n',
        b'event: ending\nid: 9.x\ndata: {"at":1,"until":2,"planet":"earth"}\n\n',
        b"event: beat\nid: 9.x\ndata: {}\n\n",
        b'event: beat\nid: 9.x\ndata: {"now":1%b,"every":1.0}\n\n' % (b"0" * 400),
        b'event: ending\nid: 9.x\ndata: {"at":1%b,"until":2,"jti":"j"}\n\n' % (b"0" * 400),
        b"event: ending\nid: nonsense\r\ndata: x\n\n",
        b"x" * 70_000,
        b"\xff\xff\n\n",
    ],
)
async def test_what_cannot_be_read_is_not_passed_over(stand: Stand, feed: Feed, lie: bytes) -> None:
    async with following(stand, feed) as verifier:
        await heard(verifier, feed)
        token = stand.token()
        await verifier.verify_token(token)
        feed.say(lie)
        await until(lambda: verifier._core.feed_until == NEVER)
        await until(lambda: len(feed.asked) == 2 and feed.writers)
        asked = asyncio.ensure_future(verifier.verify_token(token))
        feed.beat(NOW)
        assert (await asked).family == "fam_1"


async def test_what_is_dead_stays_dead_when_the_feed_begins_anew(stand: Stand, feed: Feed) -> None:
    async with following(stand, feed) as verifier:
        await heard(verifier, feed)
        await told(verifier, feed, ending(families=("fam_1",)))
        feed.say(reset_frame())
        feed.beat(NOW)
        await until(lambda: verifier._core.ended.revision == 1)
        assert await why(verifier, stand.token()) is Why.ENDED


async def test_beats_that_lay_in_a_buffer_are_as_old_as_they_are(stand: Stand, feed: Feed) -> None:
    async with following(stand, feed) as verifier:
        await heard(verifier, feed)
        token = stand.token()
        await verifier.verify_token(token)
        stand.clock.advance(60)  # this process stood still; what it reads now was said a minute ago
        feed.beat(NOW + 1)
        await until(lambda: len(feed.asked) == 2)
        assert verifier._core.feed_until < stand.clock.monotonic()
        asked = asyncio.ensure_future(verifier.verify_token(token))
        await until(lambda: feed.writers)
        feed.beat(NOW + 60)
        assert (await asked).family == "fam_1"


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    b"nonsense\r\n\r\n",
])  # fmt: skip
async def test_an_answer_that_is_no_feed_is_none_and_nobody_waits_for_it_twice(
    stand: Stand, feed: Feed, head: bytes
) -> None:
    feed.head = head
    async with following(stand, feed) as verifier:
        assert await why(verifier, stand.token()) is Why.FEED_SILENT
        begun = time.monotonic()
        for _ in range(20):
            assert await why(verifier, stand.token()) is Why.FEED_SILENT
        assert time.monotonic() - begun < 10  # twenty budgets would be twenty seconds


async def test_endings_hold_for_tokens_seen_before_and_account_and_client_go_on(stand: Stand, feed: Feed) -> None:
    async with following(stand, feed) as verifier:
        await heard(verifier, feed)
        old = stand.token(fam="fam_9", sub="usr_9", client_id="cli_9")
        await verifier.verify_token(old)
        await told(verifier, feed, ending(account_id="usr_9", client_id="cli_8"))
        await verifier.verify_token(old)
        await told(verifier, feed, ending(account_id="usr_9"))
        assert await why(verifier, old) is Why.ENDED
        stand.clock.advance(1)
        new = stand.token(fam="fam_10", sub="usr_9", client_id="cli_9")
        assert (await verifier.verify_token(new)).subject == "usr_9"


async def test_a_clock_that_ran_ahead_makes_no_ending_look_over(stand: Stand, feed: Feed) -> None:
    async with following(stand, feed) as verifier:
        await heard(verifier, feed)
        stand.clock.set(NOW + 86_400)
        await told(verifier, feed, ending(families=("fam_1",)))
        stand.clock.set(NOW)
        assert await why(verifier, stand.token()) is Why.ENDED


def test_a_leeway_that_outlasts_what_the_feed_remembers_is_told_at_once(stand: Stand) -> None:
    with pytest.raises(ValueError, match="leeway"):
        stand.verifier(follow=Follow("api", SECRET), leeway=301)


async def test_a_request_that_comes_after_the_end_begins_nothing_anew(stand: Stand, feed: Feed) -> None:
    verifier = following(stand, feed)
    async with verifier:
        await heard(verifier, feed)
        token = stand.token()
        await verifier.verify_token(token)
    stand.clock.advance(4)
    assert await why(verifier, token) is Why.FEED_SILENT
    assert not verifier._asking._follower._flight.flying
    async with verifier:  # begun again on purpose, it follows again
        await until(lambda: len(feed.asked) == 2)
