"""Refreshing while something ends, and after it has: revocation, sign-out, passwords, accounts, clients, consent.

One order holds in every race (invariant 5): an end that was answered leaves nothing usable, whichever came first.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from evergrant.domain.client import ClientType
from evergrant.domain.reason import Reason
from evergrant.issuer.service.ends import end_grant, end_session
from evergrant.testing.in_process import PASSWORD, Browser, Issuer
from tests.issuing import Held, claims_of, hold, is_oauth_error, post_as, stored, whats

NEW_PASSWORD = "another horse battery staple"


async def revoke(held: Held) -> None:
    reply = await post_as(held.issuer, "/revoke", held.client, held.secret, {"token": held.refresh})
    assert (reply.status, reply.body) == (200, b"")


async def change_password(held: Held) -> None:
    await held.issuer.house.accounts.set_password("ada@example.com", NEW_PASSWORD)


async def disable(held: Held) -> None:
    await held.issuer.house.accounts.disable("ada@example.com")


async def delete_account(held: Held) -> None:
    await held.issuer.house.accounts.delete("ada@example.com")


async def delete_client(held: Held) -> None:
    await held.issuer.house.clients.delete(held.client.id)


async def withdraw(held: Held) -> None:
    family, now = await held.family(), held.issuer.clock.now()
    await held.issuer.house.store.write(lambda tx: end_grant(tx, family.grant_id, family.account_id, now))


async def sign_out(held: Held) -> None:
    session_id, now = claims_of(held.access)["sid"], held.issuer.clock.now()
    await held.issuer.house.store.write(lambda tx: end_session(tx, session_id, Reason.SIGNED_OUT, now))


End = Callable[[Held], Awaitable[None]]
ENDS: dict[End, Reason] = {
    revoke: Reason.REVOKED,
    change_password: Reason.PASSWORD_CHANGED,
    disable: Reason.ACCOUNT_DISABLED,
    delete_account: Reason.ACCOUNT_DELETED,
    delete_client: Reason.CLIENT_DELETED,
    withdraw: Reason.CONSENT_WITHDRAWN,
    sign_out: Reason.SIGNED_OUT,
}
every_end = pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)


async def online(issuer: Issuer) -> Held:
    """A family that every one of the ends closes: sign-out ends the online ones only."""
    client, secret = await issuer.client(ClientType.WEB, access_lifetime=86_400)
    tokens = await issuer.signed_in(client, secret, scope="openid profile")
    return Held(issuer, client, secret, tokens)


async def usable(held: Held, access: str, refresh: str) -> list[str]:
    """Which of two tokens still buy anything."""
    found = []
    reply = await held.issuer.browser().send("GET", "/userinfo", headers={"authorization": f"Bearer {access}"})
    found += ["access token"] if reply.status != 401 else []
    found += ["refresh token"] if (await held.present(refresh)).status == 200 else []
    return found


@every_end
async def test_rt_15_nothing_is_usable_after_an_end_and_the_reason_is_stored(both: Issuer, end: End) -> None:
    held = await online(both)
    family_id = (await held.family()).id
    await held.turn()
    await end(held)
    assert await usable(held, held.access, held.refresh) == []
    family = await both.house.store.read(lambda tx: tx.families.get(family_id))
    assert family is not None
    assert family.ended is not None
    assert family.ended.reason is ENDS[end]
    assert family.head.sealed is None


@every_end
@pytest.mark.parametrize("first", [0, 1, 2, 3])
async def test_rt_14_and_rt_15_in_a_race_the_end_wins_whichever_came_first(both: Issuer, end: End, first: int) -> None:
    """Refreshes begin before, with and after the end; what they were given is worth nothing once all are answered."""
    held = await online(both)

    async def at(place: int, step: Awaitable[Any]) -> Any:
        for _ in range(place):
            await asyncio.sleep(0)
        return await step

    presented = [at(place, held.present(held.refresh)) for place in (0, 1, 2, 3, 5, 8)]
    _, *replies = await asyncio.gather(at(first, end(held)), *presented)

    assert {reply.status for reply in replies} <= {200, 400, 401}
    for reply in replies:
        if reply.status == 200:
            assert await usable(held, reply.json()["access_token"], reply.json()["refresh_token"]) == []
    assert await usable(held, held.access, held.refresh) == []


async def test_rt_14_a_refresh_that_starts_after_the_revocation_was_answered_gets_nothing(both: Issuer) -> None:
    held = await online(both)
    await asyncio.gather(*(held.present(held.refresh) for _ in range(8)), revoke(held))
    replies = await asyncio.gather(*(held.present(held.refresh) for _ in range(8)))
    assert {(reply.status, reply.json()["error"]) for reply in replies} == {(400, "invalid_grant")}


async def test_rt_15_sign_out_spares_offline_families(both: Issuer) -> None:
    held = await hold(both)
    await sign_out(held)
    await held.turn()


async def test_rt_16_a_disabled_user_redeems_no_code_and_finishes_no_flow_begun_before(issuer: Issuer) -> None:
    client, _ = await issuer.client()
    browser = issuer.browser()
    page = await issuer.authorize(browser, client)
    code = await issuer.code(browser, client, prompt="consent")
    await issuer.house.accounts.disable("ada@example.com")

    is_oauth_error(await issuer.redeem(client, "", code), "invalid_grant")
    form = {**page.hidden(), "username": "ada@example.com", "password": PASSWORD}
    reply = await browser.follow(await browser.post("/sign-in", form))
    assert "code=" not in reply.location
    assert 'name="password"' in reply.text

    await issuer.house.accounts.enable("ada@example.com")
    is_oauth_error(await issuer.redeem(client, "", code), "invalid_grant")


async def test_rt_16_a_user_disabled_between_sign_in_and_consent_gets_no_code(issuer: Issuer) -> None:
    client, _ = await issuer.client()
    browser = issuer.browser()
    page = await issuer.authorize(browser, client)
    form = {**page.hidden(), "username": "ada@example.com", "password": PASSWORD}
    consent = await browser.follow(await browser.post("/sign-in", form))
    assert 'name="decision"' in consent.text
    await issuer.house.accounts.disable("ada@example.com")
    reply = await browser.follow(await browser.post("/consent", {**consent.hidden(), "decision": "allow"}))
    assert "code=" not in reply.location


async def test_rt_16_disabling_keeps_out_and_enabling_brings_nothing_back(both: Issuer) -> None:
    held = await hold(both)
    await disable(held)
    await both.house.accounts.enable("ada@example.com")
    is_oauth_error(await held.present(held.refresh), "invalid_grant")
    await both.signed_in(held.client)


async def test_rt_28_each_authorization_is_its_own_family_and_reuse_in_one_spares_the_other(both: Issuer) -> None:
    phone, laptop = Browser(both.app, network="192.0.2.10"), Browser(both.app, network="192.0.2.20")
    client, _ = await both.client()
    one = Held(both, client, "", await both.signed_in(client, browser=phone))
    two = Held(both, client, "", await both.signed_in(client, browser=laptop))
    assert (await one.family()).id != (await two.family()).id
    spent = one.refresh
    await one.turn()
    await one.turn()
    before = await two.family()
    is_oauth_error(await one.present(spent), "invalid_grant")
    assert (await one.family()).ended is not None
    assert await two.family() == before
    await two.turn()


async def test_inv_8_ending_one_family_changes_no_other_row(both: Issuer, tmp_path: Any) -> None:
    one, two = await hold(both), await hold(both, name="Other")
    before = [row for row in stored(both, tmp_path)["family"] if (await two.family()).id in _flat(row)]
    await revoke(one)
    after = stored(both, tmp_path)["family"]
    assert all(row in after for row in before)
    assert len(before) == 1


def _flat(row: Any) -> tuple[Any, ...]:
    return (row[0], *row[1]) if isinstance(row[1], tuple) else tuple(row)


async def test_rt_15_every_end_is_in_the_trail_with_its_reason(issuer: Issuer) -> None:
    held = await online(issuer)
    await change_password(held)
    assert [what.value for what in await whats(issuer)][-3:] == [
        "account.password_changed",
        "families.ended",
        "session.ended",
    ]
