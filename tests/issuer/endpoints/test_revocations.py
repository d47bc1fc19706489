"""The feed of endings: every end reaches it, nobody is told what they may not know, and nothing is missed."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from evergrant.config import Config
from evergrant.domain.client import ClientType
from evergrant.domain.ending import End
from evergrant.domain.reason import Reason
from evergrant.issuer.service import feed, sessions
from evergrant.issuer.service.ends import end_account, end_family, end_grant, end_session
from evergrant.issuer.service.lasting import MARGIN
from evergrant.protocol.ending import MOST_PAGE, START, Kind, entity_tag, read_page
from evergrant.testing.in_process import Issuer
from tests.following import following, page, poll, reader_of
from tests.issuing import Held, claims_of, family_of, hold, is_oauth_error, issuing, post_as

OTHER_PASSWORD = "another horse battery staple"
BEAT = 0.1


@pytest.fixture(autouse=True)
def quick_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """A follower waits for beats to know that nothing more comes; how often they come is told in each of them."""
    monkeypatch.setattr(feed, "BEAT_SECONDS", BEAT)


async def _revoke(held: Held) -> None:
    await post_as(held.issuer, "/revoke", held.client, held.secret, {"token": held.refresh})


async def _revoke_access(held: Held) -> None:
    await post_as(held.issuer, "/revoke", held.client, held.secret, {"token": held.access})


async def _sign_out(held: Held) -> None:
    await _ended(held, lambda tx, now: end_session(tx, claims_of(held.access)["sid"], Reason.SIGNED_OUT, now))


async def _sign_out_everywhere(held: Held) -> None:
    sub = claims_of(held.access)["sub"]
    await _ended(held, lambda tx, now: end_account(tx, sub, Reason.SIGNED_OUT_EVERYWHERE, now))


async def _change_password(held: Held) -> None:
    await held.issuer.house.accounts.set_password("ada@example.com", OTHER_PASSWORD)


async def _disable(held: Held) -> None:
    await held.issuer.house.accounts.disable("ada@example.com")


async def _delete_account(held: Held) -> None:
    await held.issuer.house.accounts.delete("ada@example.com")


async def _delete_client(held: Held) -> None:
    await held.issuer.house.clients.delete(held.client.id)


async def _withdraw(held: Held) -> None:
    family = await held.family()
    await _ended(held, lambda tx, now: end_grant(tx, family.grant_id, family.account_id, now))


async def _by_operator(held: Held) -> None:
    family = await held.family()
    await _ended(held, lambda tx, now: end_family(tx, family, Reason.OPERATOR, now))


async def _reuse(held: Held) -> None:
    spent = held.refresh
    await held.turn()
    await held.turn()
    held.issuer.clock.advance(3_600)
    assert (await held.present(spent)).status == 400


async def _replay(held: Held) -> None:
    code = await held.issuer.code(held.issuer.browser(), held.client)
    held.tokens = (await held.issuer.redeem(held.client, held.secret, code)).json()
    held.issuer.clock.advance(30)
    assert (await held.issuer.redeem(held.client, held.secret, code)).status == 400


async def _session_expired(held: Held) -> None:
    held.issuer.clock.advance(held.issuer.house.settings.session_absolute)
    session = await held.issuer.house.store.read(lambda tx: tx.sessions.get(claims_of(held.access)["sid"]))
    assert session is not None
    await _ended(held, lambda tx, now: sessions.expire(tx, session, now))


async def _ended(held: Held, work: Callable[[Any, int], Any]) -> None:
    now = held.issuer.clock.now()
    assert await held.issuer.house.store.write(lambda tx: work(tx, now))


ENDS: list[Callable[[Held], Awaitable[None]]] = [
    _revoke, _revoke_access, _sign_out, _sign_out_everywhere, _change_password, _disable, _delete_account,
    _delete_client, _withdraw, _by_operator, _reuse, _replay, _session_expired,
]  # fmt: skip


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__.lstrip("_"))
async def test_every_end_tells_that_the_tokens_are_dead_and_spares_everybody_else(
    both: Issuer, end: Callable[[Held], Awaitable[None]]
) -> None:
    await both.house.accounts.add("eve@example.com", "unlikely lantern orbit", email_verified=True)
    client, secret = await both.client(ClientType.WEB, scopes=("openid", "profile", "offline_access"))
    scope = "openid profile" if end in {_sign_out, _session_expired} else "openid profile offline_access"
    held = Held(both, client, secret, await both.signed_in(client, secret, scope=scope))
    other = await hold(both, ClientType.WEB, "Other")
    bystander = claims_of(other.access) | {"sub": "usr_bystander"}
    async with following(both, await reader_of(both)) as follower:
        assert not follower.dead(claims_of(held.access))
        await end(held)
        claims = claims_of(held.access)
        await follower.until(lambda me: me.dead(claims))
        await follower.beat()
        assert not follower.dead({**bystander, "fam": "fam_bystander", "jti": "bystander"})
        now = both.clock.now()
        assert all(ending.until >= now + 600 for ending in follower.endings)


async def test_what_was_issued_after_an_end_lives(both: Issuer) -> None:
    held = await hold(both, ClientType.WEB)
    async with following(both, await reader_of(both)) as follower:
        await _sign_out_everywhere(held)
        await follower.until(lambda me: me.dead(claims_of(held.access)))
        new = await both.signed_in(held.client, held.secret)
        await follower.beat()
        assert not follower.dead(claims_of(new["access_token"]))


async def test_offline_families_live_on_when_their_session_ends(both: Issuer) -> None:
    held = await hold(both, ClientType.WEB)
    async with following(both, await reader_of(both)) as follower:
        await _sign_out(held)
        await follower.beat()
        assert not follower.dead(claims_of(held.access))


async def test_who_may_read(issuer: Issuer) -> None:
    reader = await reader_of(issuer)
    web = await issuer.client(ClientType.WEB, "Web")
    assert (await poll(issuer, reader)).status == 200
    is_oauth_error(await issuer.browser().send("GET", "/revocations"), "invalid_client", 401)
    is_oauth_error(await poll(issuer, (reader[0], "egs_wrong")), "invalid_client", 401)
    is_oauth_error(await poll(issuer, web), "access_denied", 403)
    async with following(issuer, web) as follower:
        assert follower.status == 403
    assert (await issuer.browser().post("/revocations", {})).status == 405


async def test_the_metadata_name_it(issuer: Issuer) -> None:
    document = (await issuer.browser().get("/.well-known/oauth-authorization-server")).json()
    assert document["evergrant_revocations_endpoint"] == f"{document['issuer']}/revocations"


async def test_a_stream_is_never_kept_and_a_page_only_to_be_asked_about_again(issuer: Issuer) -> None:
    reader = await reader_of(issuer)
    async with following(issuer, reader) as follower:
        assert follower.headers["content-type"] == "text/event-stream"
        assert follower.headers["cache-control"] == "no-store"
        assert "content-length" not in follower.headers
    assert (await poll(issuer, reader)).header("cache-control") == "private, no-cache"


async def test_a_cut_follower_goes_on_where_it_was_and_misses_nothing(both: Issuer) -> None:
    reader = await reader_of(both)
    held = [await hold(both, ClientType.WEB, f"App {n}") for n in range(3)]
    async with following(both, reader) as follower:
        await _revoke(held[0])
        await follower.until(lambda me: me.dead(claims_of(held[0].access)))
        await follower.beat()
        cursor = follower.cursor
    await _revoke(held[1])
    async with following(both, reader, cursor) as follower:
        await _revoke(held[2])
        await follower.until(lambda me: me.dead(claims_of(held[2].access)))
        assert follower.dead(claims_of(held[1].access))
        assert not follower.dead(claims_of(held[0].access))
        assert Kind.RESET not in {frame.kind for frame in follower.frames}


async def test_a_new_follower_is_told_all_that_still_matters_and_no_more(both: Issuer) -> None:
    old, new = await hold(both, ClientType.WEB, "Old"), await hold(both, ClientType.WEB, "New")
    await _revoke(old)
    both.clock.advance(600 + MARGIN + 1)
    await _revoke(new)
    async with following(both, await reader_of(both)) as follower:
        assert not follower.dead(claims_of(old.access))
        assert follower.dead(claims_of(new.access))


async def test_o_09_what_ended_while_the_clock_stood_in_the_past_is_told_when_it_is_right_again(both: Issuer) -> None:
    held, now = await hold(both, ClientType.WEB), both.clock.now()
    both.clock.set(now - 7_200)
    await _revoke(held)
    both.clock.set(now)
    async with following(both, await reader_of(both)) as follower:
        assert follower.dead(claims_of(held.access))


@pytest.mark.parametrize("cursor", ["7.AAAAAAAA", "1.AAAAAAAA", "999999999999999999999999.AAAAAAAA", "0.1"])
async def test_a_cursor_that_is_not_known_begins_anew(both: Issuer, cursor: str) -> None:
    reader, held = await reader_of(both), await hold(both, ClientType.WEB)
    await _revoke(held)
    async with following(both, reader, cursor) as follower:
        assert follower.frames[0].kind is Kind.RESET
        assert follower.dead(claims_of(held.access))
    told = await page(both, reader, cursor)
    assert told.reset
    assert told.endings


async def test_a_store_that_was_restored_is_noticed_by_what_lies_at_the_cursor(tmp_path: Path) -> None:
    reader, cursors = None, []
    for place in ("before", "after"):
        async with issuing(tmp_path / place) as issuer:
            await issuer.person()
            reader, held = await reader_of(issuer), await hold(issuer, ClientType.WEB)
            await _revoke(held)
            cursors.append((await page(issuer, reader)).cursor)
            told = await page(issuer, reader, cursors[0])
            assert told.reset == (place == "after")
    assert [cursor.partition(".")[0] for cursor in cursors] == ["1", "1"]


@pytest.mark.parametrize("cursor", ["x", "1", "1.", "-1.a", "1.a%0d%0ab", "1." + "a" * 100])
async def test_what_is_no_cursor_is_refused(issuer: Issuer, cursor: str) -> None:
    is_oauth_error(await poll(issuer, await reader_of(issuer), cursor), "invalid_request", 400)


async def test_a_poll_that_finds_nothing_new_costs_no_body(both: Issuer) -> None:
    reader, held = await reader_of(both), await hold(both, ClientType.WEB)
    first = await poll(both, reader)
    assert read_page(first.body).cursor == START
    assert (await poll(both, reader, if_none_match=first.header("etag"))).status == 304
    weakened = f"W/{first.header('etag')}"  # by a proxy that packs what it passes on (RFC 9110 section 13.1.2)
    assert (await poll(both, reader, if_none_match=weakened)).status == 304
    await _revoke(held)
    second = await poll(both, reader, if_none_match=first.header("etag"))
    told = read_page(second.body)
    assert any(ending.takes(claims_of(held.access)) for ending in told.endings)
    assert second.header("etag") == entity_tag(told.cursor)
    third = await poll(both, reader, told.cursor, if_none_match=second.header("etag"))
    assert (third.status, third.body, third.header("content-length")) == (304, b"", "")
    assert (await page(both, reader, told.cursor)).endings == ()


async def test_many_ends_come_page_by_page(both: Issuer) -> None:
    reader, now = await reader_of(both), both.clock.now()
    many = [End(now, "reuse", jti=str(n)) for n in range(MOST_PAGE + 7)]
    await both.house.store.write(lambda tx: tx.endings.add(many))
    first = await page(both, reader)
    second = await page(both, reader, first.cursor)
    assert (first.more, second.more) == (True, False)
    assert [ending.jti for ending in (*first.endings, *second.endings)] == [end.jti for end in many]
    async with following(both, reader) as follower:
        assert [ending.jti for ending in follower.endings] == [end.jti for end in many]


async def test_followers_hear_nothing_while_the_store_cannot_be_read_and_catch_up_after(issuer: Issuer) -> None:
    reader, held = await reader_of(issuer), await hold(issuer, ClientType.WEB)
    async with following(issuer, reader) as follower:
        await follower.beat()
        issuer.house.store._closed = True  # type: ignore[attr-defined]
        await asyncio.sleep(1.5 * BEAT)
        silent = len(follower.frames)
        await asyncio.sleep(5 * BEAT)
        assert len(follower.frames) == silent
        issuer.house.store._closed = False  # type: ignore[attr-defined]
        await _revoke(held)
        await follower.until(lambda me: me.dead(claims_of(held.access)))


def _lose_the_last_end(issuer: Issuer) -> None:
    """What a failover to a standby that was behind does (attack O-03)."""
    store: Any = issuer.house.store
    number = store._tables["meta"]["last ending"]
    store._tables["meta"]["last ending"] = number - 1
    del store._tables["ending"][number]


@pytest.mark.parametrize("lost", [1, 2])
async def test_o_03_a_store_that_has_lost_ends_is_noticed_and_what_came_instead_is_told(
    issuer: Issuer, lost: int
) -> None:
    reader, others = await reader_of(issuer), [await hold(issuer, ClientType.WEB, f"App {n}") for n in range(lost)]
    held = await hold(issuer, ClientType.WEB, "Last")
    async with following(issuer, reader) as follower:
        for other in others:
            await _revoke(other)
        await follower.until(lambda me: all(me.dead(claims_of(other.access)) for other in others))
        for _ in others:
            _lose_the_last_end(issuer)
        await _revoke(held)  # under a number that the follower has passed
        await follower.until(lambda me: me.dead(claims_of(held.access)))
        assert any(frame.kind is Kind.RESET for frame in follower.frames)


async def test_o_03_whoever_polls_is_told_of_a_loss_too_when_nobody_follows_any_more(issuer: Issuer) -> None:
    reader, lost = await reader_of(issuer), await hold(issuer, ClientType.WEB, "Lost")
    held = await hold(issuer, ClientType.WEB, "Held")
    async with following(issuer, reader) as follower:
        await _revoke(lost)
        await follower.until(lambda me: me.dead(claims_of(lost.access)))
    _lose_the_last_end(issuer)
    await _revoke(held)
    told = await page(issuer, reader, follower.cursor)
    assert told.reset
    assert any(ending.takes(claims_of(held.access)) for ending in told.endings)


async def test_a_reader_that_was_deleted_or_got_nothing_but_new_secrets_is_let_go(issuer: Issuer) -> None:
    one, two = await reader_of(issuer, "One"), await reader_of(issuer, "Two")
    async with following(issuer, one) as first, following(issuer, two) as second:
        await issuer.house.clients.delete(one[0].id)
        await issuer.house.clients.rotate_secret(two[0].id, overlap=0)
        issuer.clock.advance(1)
        await first.until(lambda me: me.ended)
        await second.until(lambda me: me.ended)


async def test_hundreds_of_followers_are_told_at_once(issuer: Issuer) -> None:
    reader, held = await reader_of(issuer), await hold(issuer, ClientType.WEB)
    gathered = asyncio.Event()

    async def one() -> None:
        async with following(issuer, reader) as follower:
            await gathered.wait()
            await follower.until(lambda me: me.dead(claims_of(held.access)))

    tasks = [asyncio.create_task(one()) for _ in range(300)]
    while b"evergrant_feed_followers 300" not in issuer.house.metrics.render():  # noqa: ASYNC110 - a gauge tells nobody
        await asyncio.sleep(0.05)
    gathered.set()
    await _revoke(held)
    await asyncio.gather(*tasks)
    assert b"evergrant_feed_followers 0" in issuer.house.metrics.render()


async def test_a_lifetime_that_was_shortened_counts_until_its_last_token_has_expired(tmp_path: Path) -> None:
    from evergrant.issuer.service import lasting
    from evergrant.issuer.settings import settings_of

    async with issuing(tmp_path) as issuer:
        store, now = issuer.house.store, issuer.clock.now()
        long, short = (settings_of(Config().replace(tokens__access_lifetime=seconds)) for seconds in (3_600, 60))
        assert await store.write(lambda tx: lasting.remember(tx, long, now)) == 3_600
        assert await store.write(lambda tx: lasting.remember(tx, short, now + 60)) == 3_600
        after = now + 3_600 + MARGIN
        assert await store.write(lambda tx: lasting.remember(tx, short, after)) == 60
        await issuer.client(ClientType.SERVICE, "Long", access_lifetime=7_200)
        assert await store.write(lambda tx: lasting.remember(tx, short, after)) == 7_200


async def test_ends_are_forgotten_when_no_token_can_be_meant_by_them(both: Issuer) -> None:
    from evergrant.issuer.service.housekeeping import Housekeeper

    held = await hold(both, ClientType.WEB)
    await _revoke(held)
    housekeeper = Housekeeper(
        both.house.store, both.clock, name="here", batch=10, interval=60, retention=86_400, settings=both.house.settings
    )
    both.clock.advance(600 + MARGIN)
    await housekeeper.round()
    assert await both.house.store.read(lambda tx: tx.endings.find())
    both.clock.advance(1)
    await housekeeper.round()
    assert not await both.house.store.read(lambda tx: tx.endings.find())
    assert await family_of(both, held.access)
