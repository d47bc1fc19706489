"""Authorization codes and PKCE under attack (attack C-01 and on)."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evergrant.domain.client import ClientType
from evergrant.domain.event import What
from evergrant.domain.reason import Reason
from evergrant.domain.secret import digest
from evergrant.issuer.service.ends import end_grant
from evergrant.issuer.service.redeem import CODE_DIGEST, RACE_SECONDS
from evergrant.keys import lifecycle
from evergrant.testing.in_process import CALLBACK, SCOPES, Browser, Issuer, Reply, pkce
from tests.issuing import Held, events, family_of, hold, is_oauth_error, stored, unchanged, whats

OTHER_CALLBACK = "https://app.example/other"
CODES = frozenset({"event", "bucket", "meta", "code"})


async def bearer(issuer: Issuer, token: str) -> int:
    reply = await issuer.browser().send("GET", "/userinfo", headers={"authorization": f"Bearer {token}"})
    return reply.status


@pytest.mark.parametrize("later", [RACE_SECONDS + 1, 60, 600])
async def test_c_01_and_r6749_4_1_2_b_a_second_valid_use_ends_what_the_first_gave(both: Issuer, later: int) -> None:
    client, _ = await both.client()
    code = await both.code(both.browser(), client)
    first = (await both.redeem(client, "", code)).json()
    assert await bearer(both, first["access_token"]) == 200
    both.clock.advance(later)

    is_oauth_error(await both.redeem(client, "", code), "invalid_grant")

    assert await bearer(both, first["access_token"]) == 401
    is_oauth_error(await both.refresh(client, "", first["refresh_token"]), "invalid_grant")
    family = await family_of(both, first["access_token"])
    assert family.ended is not None
    assert family.ended.reason is Reason.CODE_REPLAYED
    assert (await whats(both))[-3:-1] == [What.CODE_REPLAYED, What.FAMILY_ENDED]


async def test_c_01_a_replay_ends_a_family_that_has_been_refreshed_since(both: Issuer) -> None:
    client, _ = await both.client()
    code = await both.code(both.browser(), client)
    held = Held(both, client, "", (await both.redeem(client, "", code)).json())
    both.clock.advance(30)
    await held.turn()
    is_oauth_error(await both.redeem(client, "", code), "invalid_grant")
    is_oauth_error(await held.present(held.refresh), "invalid_grant")


async def test_c_02_and_o21_7_5_2_a_a_replay_by_a_stranger_ends_nothing(both: Issuer, tmp_path: Path) -> None:
    client, _ = await both.client(redirect_uris=(CALLBACK, OTHER_CALLBACK))
    other, secret = await both.client(ClientType.WEB, "Other")
    code = await both.code(both.browser(), client)
    first = (await both.redeem(client, "", code)).json()
    both.clock.advance(60)
    before = stored(both, tmp_path, but=CODES)
    for attempt in (
        both.redeem(client, "", code, code_verifier="w" * 64),
        both.redeem(other, secret, code),
        both.redeem(client, "", code, redirect_uri=OTHER_CALLBACK),
        both.redeem(client, "", code, redirect_uri="https://evil.example/"),
    ):
        is_oauth_error(await attempt, "invalid_grant")
    assert stored(both, tmp_path, but=CODES) == before
    assert await bearer(both, first["access_token"]) == 200
    assert (await both.refresh(client, "", first["refresh_token"])).status == 200


@pytest.mark.parametrize("at_once", [2, 8])
async def test_c_03_two_exchanges_at_once_give_one_success_that_the_losers_do_not_end(
    both: Issuer, at_once: int
) -> None:
    client, _ = await both.client()
    code = await both.code(both.browser(), client)
    replies = await asyncio.gather(*(both.redeem(client, "", code) for _ in range(at_once)))
    won = [reply for reply in replies if reply.status == 200]
    assert len(won) == 1
    for reply in replies:
        if reply is not won[0]:
            is_oauth_error(reply, "invalid_grant")
    tokens = won[0].json()
    assert await bearer(both, tokens["access_token"]) == 200
    assert (await both.refresh(client, "", tokens["refresh_token"])).status == 200
    assert (await whats(both)).count(What.FAMILY_STARTED) == 1
    assert (await whats(both)).count(What.CODE_REPLAYED) == at_once - 1


@pytest.mark.parametrize("type_", [ClientType.SPA, ClientType.WEB])
async def test_c_04_a_code_serves_only_its_own_client(both: Issuer, tmp_path: Path, type_: ClientType) -> None:
    client, _ = await both.client()
    other, secret = await both.client(type_, "Other")
    code = await both.code(both.browser(), client)
    with unchanged(both, tmp_path):
        is_oauth_error(await both.redeem(other, secret, code), "invalid_grant")
    assert (await both.redeem(client, "", code)).status == 200


@pytest.mark.parametrize("type_", [ClientType.SPA, ClientType.NATIVE, ClientType.WEB])
async def test_c_05_r9700_4_8_2_a_and_o21_4_1_2_1_a_without_a_challenge_there_is_no_code_to_downgrade(
    issuer: Issuer, tmp_path: Path, type_: ClientType
) -> None:
    client, _ = await issuer.client(type_)
    with unchanged(issuer, tmp_path):
        reply = await issuer.authorize(issuer.browser(), client, code_challenge="", code_challenge_method="")
    assert reply.status == 303
    assert reply.location.startswith(CALLBACK + "?")
    assert reply.answered()["error"] == "invalid_request"
    assert "code" not in reply.answered()


async def test_c_05_r9700_2_1_1_b_and_o21_4_1_3_a_the_exchange_needs_the_verifier_of_the_challenge(
    issuer: Issuer, tmp_path: Path
) -> None:
    client, _ = await issuer.client()
    code = await issuer.code(issuer.browser(), client)
    with unchanged(issuer, tmp_path):
        is_oauth_error(await issuer.redeem(client, "", code, code_verifier=""), "invalid_request")
    assert (await issuer.redeem(client, "", code)).status == 200


@pytest.mark.parametrize("method", ["plain", "", "s256", "S512", "S256 ", "none"])
async def test_c_06_r7636_7_2_a_and_r7636_4_3_a_plain_or_unnamed_challenge_methods_are_refused(
    issuer: Issuer, tmp_path: Path, method: str
) -> None:
    client, _ = await issuer.client()
    with unchanged(issuer, tmp_path):
        reply = await issuer.authorize(issuer.browser(), client, code_challenge_method=method)
    assert reply.answered()["error"] == "invalid_request"
    assert reply.answered()["state"] == "s"


@pytest.mark.parametrize(("type_", "tries"), [(ClientType.WEB, 1), (ClientType.SPA, 3), (ClientType.NATIVE, 3)])
async def test_c_07_and_r7636_4_6_a_wrong_verifiers_are_counted_then_the_code_dies(
    both: Issuer, type_: ClientType, tries: int
) -> None:
    client, secret = await both.client(type_)
    for wrong in range(tries + 1):
        code = await both.code(both.browser(), client, prompt="consent")
        for _ in range(wrong):
            is_oauth_error(await both.redeem(client, secret, code, code_verifier="w" * 43), "invalid_grant")
        reply = await both.redeem(client, secret, code)
        assert reply.status == (200 if wrong < tries else 400), wrong
    refused = [event.reason for event in await events(both, What.CODE_REFUSED)]
    assert refused.count("too many wrong verifiers") == 1


async def test_c_07_guessing_at_once_is_counted_as_guessing_in_turn(both: Issuer) -> None:
    client, _ = await both.client()
    code = await both.code(both.browser(), client)
    guesses = (both.redeem(client, "", code, code_verifier=letter * 43) for letter in "abcdefgh")
    assert {reply.status for reply in await asyncio.gather(*guesses)} == {400}
    is_oauth_error(await both.redeem(client, "", code), "invalid_grant")


async def asked(issuer: Issuer, client: Any, seed: str, nonce: str, browser: Browser) -> None:
    _, challenge = pkce(seed)
    await issuer.code(browser, client, code_challenge=challenge, nonce=nonce)


async def test_c_08_and_r9700_2_1_1_a_a_challenge_or_nonce_used_again_is_noticed(both: Issuer) -> None:
    client, _ = await both.client()
    other, _ = await both.client(name="Other")
    browser = both.browser()
    for seed, nonce in (("a", "1"), ("b", "2"), ("b", "3"), ("c", "1")):
        await asked(both, client, seed, nonce, browser)
    await asked(both, other, "a", "1", browser)
    told = await events(both, What.PROOF_REPEATED)
    assert [(event.client_id, event.reason) for event in told] == [(client.id, "challenge"), (client.id, "nonce")]
    both.clock.advance(86_400)
    await asked(both, client, "a", "1", browser)
    assert len(await events(both, What.PROOF_REPEATED)) == 2


async def test_c_09_and_r6749_4_1_3_a_the_exchange_compares_the_address_with_the_one_stored(
    both: Issuer, tmp_path: Path
) -> None:
    client, _ = await both.client(redirect_uris=(CALLBACK, OTHER_CALLBACK))
    code = await both.code(both.browser(), client, redirect_uri=CALLBACK)
    with unchanged(both, tmp_path):
        for uri in (OTHER_CALLBACK, CALLBACK + "/", CALLBACK + "?", CALLBACK.upper(), "https://evil.example/"):
            is_oauth_error(await both.redeem(client, "", code, redirect_uri=uri), "invalid_grant")
    assert (await both.redeem(client, "", code, redirect_uri=CALLBACK)).status == 200


@pytest.mark.parametrize(("age", "status"), [(59, 200), (60, 400), (600, 400)])
async def test_c_10_r6749_4_1_2_a_and_asvs_10_4_3_a_code_lives_a_minute(both: Issuer, age: int, status: int) -> None:
    client, _ = await both.client()
    code = await both.code(both.browser(), client)
    both.clock.advance(age)
    assert (await both.redeem(client, "", code)).status == status


async def test_c_10_a_code_dies_with_its_client_even_if_one_of_that_id_comes_back(both: Issuer) -> None:
    client, _ = await both.client()
    code = await both.code(both.browser(), client)
    await both.house.clients.delete(client.id)
    is_oauth_error(await both.redeem(client, "", code), "invalid_client")
    await both.house.clients.add(client)
    is_oauth_error(await both.redeem(client, "", code), "invalid_grant")


async def test_c_10_a_change_of_keys_revives_no_code_and_kills_none_before_its_minute_is_over(both: Issuer) -> None:
    """A code is a random name for a row, under no key: it lives its minute, once, whatever the keys do."""
    client, _ = await both.client()
    browser, house, now = both.browser(), both.house, both.clock.now()
    used, late, young = [await both.code(browser, client) for _ in range(3)]
    assert (await both.redeem(client, "", used)).status == 200

    def change(tx: Any) -> None:
        lifecycle.rotate(tx, "ES256", house.kek, house.entropy, now, lifecycle.Schedule(0, 1))
        lifecycle.rotate_mac(tx, house.kek, house.entropy, now, lifecycle.Schedule(0, 1))

    await house.store.write(change)
    assert (await both.redeem(client, "", young)).status == 200
    is_oauth_error(await both.redeem(client, "", used), "invalid_grant")
    both.clock.advance(60)
    is_oauth_error(await both.redeem(client, "", late), "invalid_grant")


async def test_c_11_a_code_injected_into_another_sign_in_is_useless(both: Issuer, tmp_path: Path) -> None:
    """The thief's browser brings the victim's code to the client, which proves its own verifier with it."""
    client, _ = await both.client()
    victim, thief = both.browser(), both.browser(network="203.0.113.66")
    _, challenge = pkce("victim")
    stolen = await both.code(victim, client, code_challenge=challenge)
    await both.authorize(thief, client)
    is_oauth_error(await both.redeem(client, "", stolen, code_verifier=pkce("thief")[0]), "invalid_grant")
    assert stored(both, tmp_path)["family"] == []


async def raw(issuer: Issuer, path: str, body: bytes) -> Reply:
    return await issuer.browser().send("POST", path, body, {"content-type": "application/x-www-form-urlencoded"})


async def test_c_12_a_code_in_the_token_address_is_refused(both: Issuer, tmp_path: Path) -> None:
    client, _ = await both.client()
    code = await both.code(both.browser(), client)
    form = f"grant_type=authorization_code&client_id={client.id}&code_verifier={pkce()[0]}"
    with unchanged(both, tmp_path):
        is_oauth_error(await raw(both, f"/token?code={code}", form.encode()), "invalid_request")
        is_oauth_error(await raw(both, f"/token?code={code}", f"{form}&code={code}".encode()), "invalid_request")
        is_oauth_error(await raw(both, f"/token?{form}&code={code}", b""), "invalid_request")
    assert (await both.redeem(client, "", code)).status == 200


async def test_r7636_4_4_a_the_challenge_cannot_be_read_back(issuer: Issuer) -> None:
    client, _ = await issuer.client()
    _, challenge = pkce()
    reply = await issuer.authorize(issuer.browser(), client)
    code = await issuer.code(issuer.browser(), client)
    tokens = await issuer.redeem(client, "", code)
    assert challenge not in reply.text + code + tokens.text


async def test_r6749_10_4_a_codes_are_stored_as_digests(both: Issuer, tmp_path: Path) -> None:
    client, _ = await both.client()
    code = await both.code(both.browser(), client)
    assert code not in repr(stored(both, tmp_path, but=frozenset()))
    kept = await both.house.store.read(lambda tx: tx.codes.get(digest(CODE_DIGEST, code)))
    assert kept is not None


@pytest.mark.parametrize("agreed_again", ["openid", " ".join(SCOPES)])
async def test_c_10_taking_consent_back_kills_the_code_for_good(both: Issuer, agreed_again: str) -> None:
    """Given again meanwhile, to less or to the same, the consent must not bring the old code back to life."""
    client, _ = await both.client()
    browser = both.browser()
    code = await both.code(browser, client)
    grants = await both.house.store.read(lambda tx: tx.grants.find(client_id=client.id))
    now = both.clock.now()
    await both.house.store.write(lambda tx: end_grant(tx, grants[0].id, grants[0].account_id, now))
    await both.code(browser, client, scope=agreed_again)
    is_oauth_error(await both.redeem(client, "", code), "invalid_grant")


async def test_inv_9_a_code_gives_no_more_than_the_consent_that_stands_when_it_is_used(both: Issuer) -> None:
    client, _ = await both.client()
    code = await both.code(both.browser(), client)
    grant = (await both.house.store.read(lambda tx: tx.grants.find(client_id=client.id)))[0]
    await both.house.store.write(lambda tx: tx.grants.put(replace(grant, scope="openid")))
    is_oauth_error(await both.redeem(client, "", code), "invalid_grant")
    await both.house.store.write(lambda tx: tx.grants.put(grant))
    assert (await both.redeem(client, "", code)).status == 200


async def test_c_10_a_password_change_kills_every_code_on_its_way(both: Issuer) -> None:
    held = await hold(both)
    codes = [await both.code(both.browser(), held.client) for _ in range(3)]
    await both.house.accounts.set_password("ada@example.com", "another horse battery staple")
    for code in codes:
        is_oauth_error(await both.redeem(held.client, "", code), "invalid_grant")
