"""Tokens bound to a key, at the issuer's own endpoints (attack section 1.7, RFC 9449)."""

import asyncio
from pathlib import Path

import pytest

from evergrant.config import Config
from evergrant.domain.client import ClientType
from evergrant.domain.event import What
from evergrant.domain.policy import Preset
from evergrant.proof.nonce import WINDOW
from evergrant.protocol.dpop import ALGORITHMS
from evergrant.testing.in_process import Issuer, exchange
from tests.bound import TOKEN_URL, USERINFO_URL, Bound, hold_bound
from tests.issuing import (
    OPAQUE_API,
    Held,
    claims_of,
    events,
    hold,
    is_oauth_error,
    issuing,
    post_as,
    unchanged,
)
from tests.proving import Prover, ath

DAY = 86_400


async def test_r9449_5_a_a_proof_makes_a_token_of_the_type_dpop_that_names_the_key(issuer: Issuer) -> None:
    held = await hold_bound(issuer)
    assert held.tokens["token_type"] == "DPoP"
    assert claims_of(held.access)["cnf"] == {"jkt": held.prover.jkt}
    first = held.refresh
    await held.turn()
    assert held.refresh != first
    assert held.tokens["token_type"] == "DPoP"
    assert claims_of(held.access)["cnf"] == {"jkt": held.prover.jkt}


async def test_without_a_proof_tokens_are_bearer_tokens_as_ever(issuer: Issuer) -> None:
    held = await hold(issuer)
    assert held.tokens["token_type"] == "Bearer"
    assert "cnf" not in claims_of(held.access)
    assert (await held.family()).binding == ""


async def test_rt_33_inv_11_r9449_5_b_and_r9449_2_b_no_failed_proof_spends_a_token_or_starts_the_overlap(
    both: Issuer, tmp_path: Path
) -> None:
    held = await hold_bound(both)
    wrong = {
        "no proof": ({}, "invalid_grant"),
        "another key": ({"dpop": held.with_key(Prover()).proof()}, "invalid_grant"),
        "another address": ({"dpop": held.proof(url=USERINFO_URL)}, "invalid_dpop_proof"),
        "another method": ({"dpop": held.proof("GET")}, "invalid_dpop_proof"),
        "no JWT": ({"dpop": "x"}, "invalid_dpop_proof"),
        "two proofs": ({"dpop": f"{held.proof()}, {held.proof()}"}, "invalid_dpop_proof"),
        "too old": ({"dpop": held.proof(iat=both.clock.now() - 3_600)}, "use_dpop_nonce"),
        "from the future": ({"dpop": held.proof(iat=both.clock.now() + 11)}, "use_dpop_nonce"),
        "another server's nonce": ({"dpop": held.proof(nonce="theirs")}, "use_dpop_nonce"),
        "broken": ({"dpop": held.proof()[:-4] + "AAAA"}, "invalid_dpop_proof"),
    }
    for name, (headers, error) in wrong.items():
        with unchanged(both, tmp_path):
            reply = await held.sent(held.refresh, headers)
            is_oauth_error(reply, error)
            assert bool(reply.header("dpop-nonce")) is (error == "use_dpop_nonce"), name
    both.clock.advance(DAY)
    await held.turn()


async def test_p_06_and_r9449_4_3_1_two_headers_are_refused(issuer: Issuer, tmp_path: Path) -> None:
    held = await hold_bound(issuer)
    form = f"grant_type=refresh_token&client_id={held.client.id}&refresh_token={held.refresh}".encode()
    scope = {
        "type": "http", "method": "POST", "path": "/token", "raw_path": b"/token", "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"content-type", b"application/x-www-form-urlencoded"),
                    (b"dpop", held.proof().encode()), (b"dpop", held.proof().encode())],
        "client": ("192.0.2.1", 1),
    }  # fmt: skip
    with unchanged(issuer, tmp_path):
        is_oauth_error(await exchange(issuer.app, scope, form), "invalid_request")
    await held.turn()


async def test_rt_04_inv_10_inside_the_overlap_only_the_key_gets_the_successor_again(
    both: Issuer, tmp_path: Path
) -> None:
    held = await hold_bound(both)
    first = held.refresh
    await held.turn()
    both.clock.advance(3_600)
    with unchanged(both, tmp_path):
        is_oauth_error(await held.with_key(Prover()).present(first), "invalid_grant")
        is_oauth_error(await held.sent(first, {}), "invalid_grant")
    again = await held.present(first)
    assert again.json()["refresh_token"] == held.refresh
    assert claims_of(again.json()["access_token"])["cnf"] == {"jkt": held.prover.jkt}
    assert (await events(both, What.FAMILY_REFUSED))[-1].reason == "wrong_key"


async def test_rt_32_a_thief_of_the_token_alone_gets_nothing_at_any_time(issuer: Issuer, tmp_path: Path) -> None:
    held = await hold_bound(issuer)
    thief = held.with_key(Prover())
    for _ in range(3):
        stolen = held.refresh
        with unchanged(issuer, tmp_path):
            is_oauth_error(await thief.present(stolen), "invalid_grant")
        await held.turn()
        with unchanged(issuer, tmp_path):
            is_oauth_error(await thief.present(stolen), "invalid_grant")
        issuer.clock.advance(30 * 60)
    assert await held.turn()


async def test_rt_36_an_old_token_of_a_bound_family_ends_nothing_without_the_key(
    issuer: Issuer, tmp_path: Path
) -> None:
    held = await hold_bound(issuer)
    old = held.refresh
    await held.turn()
    await held.turn()
    with unchanged(issuer, tmp_path):
        is_oauth_error(await held.with_key(Prover()).present(old), "invalid_grant")
        is_oauth_error(await held.sent(old, {}), "invalid_grant")
    await held.turn()


async def test_the_overlap_of_a_bound_family_lasts_until_its_successor_is_used_for_a_day_at_most(
    both: Issuer,
) -> None:
    held = await hold_bound(both)
    first = held.refresh
    await held.turn()
    both.clock.advance(DAY)
    assert (await held.present(first)).json()["refresh_token"] == held.refresh
    await held.turn()
    is_oauth_error(await held.present(first), "invalid_grant")
    assert (await held.family()).ended is not None


async def test_a_bound_client_with_an_overlap_of_its_own_keeps_it(issuer: Issuer) -> None:
    held = await hold_bound(issuer, overlap=30)
    first = held.refresh
    await held.turn()
    issuer.clock.advance(31)
    is_oauth_error(await held.present(first), "invalid_grant")


async def test_r9449_5_c_a_confidential_client_may_change_its_key(both: Issuer) -> None:
    held = await hold_bound(both, ClientType.WEB)
    assert (await held.family()).binding == ""
    other = held.with_key(Prover())
    await other.turn()
    assert claims_of(other.access)["cnf"] == {"jkt": other.prover.jkt}
    assert other.prover.jkt != held.prover.jkt
    without = await other.sent(other.refresh, {})
    assert without.json()["token_type"] == "Bearer"


async def test_p_01_the_same_request_again_gets_the_same_successor_and_its_proof_with_another_token_nothing(
    both: Issuer, tmp_path: Path
) -> None:
    held = await hold_bound(both)
    first, proof = held.refresh, held.proof()
    replies = await asyncio.gather(*(held.sent(first, {"dpop": proof}) for _ in range(8)))
    assert {reply.status for reply in replies} == {200}
    (successor,) = {reply.json()["refresh_token"] for reply in replies}
    with unchanged(both, tmp_path):
        is_oauth_error(await held.sent(successor, {"dpop": proof}), "invalid_dpop_proof")
    held.tokens["refresh_token"] = successor
    await held.turn()


async def test_p_01_and_r9449_11_1_a_a_proof_that_redeemed_a_code_redeems_no_other(issuer: Issuer) -> None:
    held = await hold_bound(issuer)
    codes = [await issuer.code(issuer.browser(), held.client) for _ in range(2)]
    headers = {"dpop": held.proof()}
    assert (await issuer.redeem(held.client, "", codes[0], headers)).status == 200
    is_oauth_error(await issuer.redeem(held.client, "", codes[1], headers), "invalid_dpop_proof")
    assert (await issuer.redeem(held.client, "", codes[1], {"dpop": held.proof()})).status == 200


async def test_r9449_10_a_a_code_for_a_key_is_redeemed_by_that_key_alone(both: Issuer, tmp_path: Path) -> None:
    held = await hold_bound(both)
    code = await both.code(both.browser(), held.client, dpop_jkt=held.prover.jkt)
    with unchanged(both, tmp_path):
        for headers in ({}, {"dpop": held.with_key(Prover()).proof()}):
            is_oauth_error(await both.redeem(held.client, "", code, headers), "invalid_grant")
    reply = await both.redeem(held.client, "", code, {"dpop": held.proof()})
    assert reply.json()["token_type"] == "DPoP"


@pytest.mark.parametrize("named", ["x", "x" * 44, "x" * 42 + "=", "é" * 43])
async def test_r9449_10_a_a_dpop_jkt_that_is_no_thumbprint_is_refused(issuer: Issuer, named: str) -> None:
    client, _ = await issuer.client()
    reply = await issuer.authorize(issuer.browser(), client, dpop_jkt=named)
    assert reply.answered()["error"] == "invalid_request"


async def test_a_client_registered_for_dpop_gets_nothing_without_a_proof(issuer: Issuer, tmp_path: Path) -> None:
    held = await hold_bound(issuer, dpop_bound=True)
    code = await issuer.code(issuer.browser(), held.client)
    with unchanged(issuer, tmp_path):
        is_oauth_error(await issuer.redeem(held.client, "", code), "invalid_dpop_proof")
        is_oauth_error(await held.sent(held.refresh, {}), "invalid_dpop_proof")
    await held.turn()


async def test_a_service_registered_for_dpop_gets_bound_tokens(issuer: Issuer) -> None:
    client, secret = await issuer.client(ClientType.SERVICE, dpop_bound=True)
    held = Bound(issuer, client, secret, {})
    form = {"grant_type": "client_credentials"}
    is_oauth_error(await issuer.token(client, secret, form), "invalid_dpop_proof")
    headers = {"dpop": held.proof()}
    reply = await issuer.token(client, secret, form, headers=headers)
    assert reply.json()["token_type"] == "DPoP"
    assert claims_of(reply.json()["access_token"])["cnf"] == {"jkt": held.prover.jkt}
    is_oauth_error(await issuer.token(client, secret, form, headers=headers), "invalid_dpop_proof")


async def test_the_fapi2_preset_keeps_its_token_and_binds_what_comes_of_it(both: Issuer) -> None:
    held = await hold_bound(both, ClientType.WEB, preset=Preset.FAPI2, dpop_bound=True)
    first = held.refresh
    for prover in (held.prover, Prover()):
        turned = held.with_key(prover)
        assert (await turned.turn())["refresh_token"] == first
        assert claims_of(turned.access)["cnf"] == {"jkt": prover.jkt}


async def test_r9449_6_2_a_introspection_tells_the_key_and_the_type(apis: Issuer) -> None:
    held = await hold_bound(apis, ClientType.WEB, scopes=("openid", "offline_access", "vault:open"))
    told = (await post_as(apis, "/introspect", held.client, held.secret, {"token": held.access})).json()
    assert (told["token_type"], told["cnf"]) == ("DPoP", {"jkt": held.prover.jkt})
    code = await apis.code(apis.browser(), held.client, resource=OPAQUE_API, scope="vault:open")
    opaque = (await apis.redeem(held.client, held.secret, code, {"dpop": held.proof()})).json()
    assert opaque["token_type"] == "DPoP"
    told = (await post_as(apis, "/introspect", held.client, held.secret, {"token": opaque["access_token"]})).json()
    assert (told["token_type"], told["cnf"]) == ("DPoP", {"jkt": held.prover.jkt})
    plain = await hold(apis, ClientType.WEB, "Plain")
    told = (await post_as(apis, "/introspect", plain.client, plain.secret, {"token": plain.access})).json()
    assert told["token_type"] == "Bearer"
    assert "cnf" not in told


async def test_r9449_4_3_8_userinfo_takes_a_bound_token_with_a_proof_for_it(issuer: Issuer) -> None:
    held = await hold_bound(issuer)
    reply = await held.userinfo(dpop=held.proof("GET", USERINFO_URL, token=held.access))
    assert reply.status == 200
    assert reply.json()["sub"] == claims_of(held.access)["sub"]
    lower = await held.userinfo("dpop", dpop=held.proof("GET", USERINFO_URL, token=held.access))
    assert lower.status == 200


def challenged(reply, error: str, scheme: str = "DPoP") -> None:
    assert reply.status == 401, reply.text
    told = reply.header("www-authenticate")
    assert told.startswith(f'{scheme} realm="evergrant", error="{error}"'), told
    if scheme == "DPoP":
        assert f'algs="{" ".join(ALGORITHMS)}"' in told


async def test_p_04_and_r9449_7_2_a_a_bound_token_is_no_bearer_token_and_an_unbound_one_no_dpop_token(
    issuer: Issuer,
) -> None:
    held = await hold_bound(issuer)
    challenged(await held.userinfo("Bearer"), "invalid_token")
    challenged(await held.userinfo("Bearer", dpop=held.proof("GET", USERINFO_URL, token=held.access)), "invalid_token")
    plain = await hold(issuer, name="Plain")
    proof = held.proof("GET", USERINFO_URL, token=plain.access)
    challenged(await held.userinfo("DPoP", plain.access, dpop=proof), "invalid_dpop_proof")
    assert (await held.userinfo("Bearer", plain.access)).status == 200


async def test_p_02_and_r9449_7_1_a_userinfo_refuses_every_other_proof_with_the_challenge_of_the_scheme(
    issuer: Issuer,
) -> None:
    held = await hold_bound(issuer)
    get = ("GET", USERINFO_URL)
    used = held.proof(*get, token=held.access)
    assert (await held.userinfo(dpop=used)).status == 200
    for proof in (
        used,
        held.proof(*get),
        held.proof(*get, ath=ath("another")),
        held.proof("POST", USERINFO_URL, token=held.access),
        held.proof("GET", TOKEN_URL, token=held.access),
        held.with_key(Prover()).proof(*get, token=held.access),
        "x",
    ):
        challenged(await held.userinfo(dpop=proof), "invalid_dpop_proof")
    challenged(await held.userinfo(), "invalid_dpop_proof")
    challenged(await held.userinfo(access="ega_x", dpop=held.proof(*get, token="ega_x")), "invalid_token")


async def test_r9449_7_1_a_without_a_token_both_schemes_are_offered(issuer: Issuer) -> None:
    reply = await issuer.browser().get("/userinfo")
    told = [value for name, value in reply.headers if name == "www-authenticate"]
    assert [value.split()[0] for value in told] == ["Bearer", "DPoP"]
    assert not any("error" in value for value in told)


@pytest.mark.parametrize("at", ["token", "userinfo"])
async def test_r9449_8_a_and_p_03_where_nonces_are_demanded_each_proof_needs_a_living_one(
    tmp_path: Path, at: str
) -> None:
    async with issuing(tmp_path, config=Config().replace(tokens__dpop_nonce=True)) as issuer:
        await issuer.person()
        client, _ = await issuer.client()
        held = Bound(issuer, client, "", {})
        code = await issuer.code(issuer.browser(), client)
        first = await issuer.redeem(client, "", code, {"dpop": held.proof()})
        is_oauth_error(first, "use_dpop_nonce")
        nonce = first.header("dpop-nonce")
        assert sum(name == "dpop-nonce" for name, _ in first.headers) == 1
        assert "DPoP-Nonce" in first.header("access-control-expose-headers")
        reply = await issuer.redeem(client, "", code, {"dpop": held.proof(nonce=nonce)})
        held.tokens = reply.json()

        async def ask(nonce: str):
            if at == "token":
                return await held.sent(held.refresh, {"dpop": held.proof(nonce=nonce)})
            return await held.userinfo(dpop=held.proof("GET", USERINFO_URL, token=held.access, nonce=nonce))

        issuer.clock.advance(WINDOW)
        renewed = await ask(nonce)
        assert renewed.status == 200
        newer = renewed.header("dpop-nonce")
        assert newer not in {"", nonce}
        if at == "token":
            held.tokens = renewed.json()
        issuer.clock.advance(WINDOW)
        refused = await ask(nonce)
        assert refused.json()["error"] == "use_dpop_nonce"
        assert refused.status == (400 if at == "token" else 401)
        assert (await ask(refused.header("dpop-nonce"))).status == 200


async def test_metadata_names_the_algorithms(issuer: Issuer) -> None:
    found = (await issuer.browser().get("/.well-known/openid-configuration")).json()
    assert found["dpop_signing_alg_values_supported"] == list(ALGORITHMS)
    assert "tls_client_certificate_bound_access_tokens" not in found


async def test_a_bearer_family_is_not_taken_over_by_a_key(issuer: Issuer) -> None:
    """A thief of an unbound token cannot lock its holder out by proving a key of his own."""
    held: Held = await hold(issuer)
    thief = Bound(issuer, held.client, "", held.tokens)
    assert (await thief.present(held.refresh)).status == 200
    assert (await held.family()).binding == ""
    await held.turn()
