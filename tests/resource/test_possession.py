"""Tokens bound to a key or a certificate: worth nothing without it, and a proof is good for one request."""

from typing import Any

import pytest
from msgspec import json

from evergrant.domain.base64url import encode as b64
from evergrant.keys.possession import ProofKey, make_proof_key
from evergrant.protocol.dpop import token_hash
from evergrant.resource import Dpop, Possession, Verifier, Why
from tests.resource.stand import API, NOW, Stand, refusal, signed

KEY = ProofKey(make_proof_key())
OTHER = ProofKey(make_proof_key())
ORDERS = "/orders?page=2"
DPOP = Dpop(API)


def proof(token: str, key: ProofKey = KEY, **changes: Any) -> str:
    claims = {"jti": "p1", "htm": "GET", "htu": f"{API}/orders", "iat": NOW, "ath": token_hash(token), **changes}
    return key.prove({name: value for name, value in claims.items() if value is not None})


def brought(*proofs: str, method: str = "GET", target: str = ORDERS, certificate: str = "") -> Possession:
    return Possession(method, target, proofs, certificate)


@pytest.fixture
async def holder(stand: Stand) -> Any:
    async with stand.verifier(dpop=DPOP) as verifier:
        yield verifier


async def test_r9449_4_3_8_a_bound_token_is_good_with_a_proof_of_its_key(stand: Stand, holder: Verifier) -> None:
    token = stand.token(cnf={"jkt": KEY.jkt})
    for place, scheme in enumerate(("DPoP", "dpop", "DPOP", "DPoP")):
        given = brought(proof(token, jti=f"p{place}"))
        access = await holder.verify(f"{scheme} {token}", possession=given)
        assert access.jkt == KEY.jkt


async def test_p_04_and_r9449_7_2_a_a_bound_token_is_no_bearer_token(stand: Stand, holder: Verifier) -> None:
    token = stand.token(cnf={"jkt": KEY.jkt})
    await holder.verify(f"DPoP {token}", possession=brought(proof(token)))
    for given in (brought(), brought(proof(token, jti="p2"))):
        refused = await refusal(holder, f"Bearer {token}", possession=given)
        assert (refused.why, refused.status) == (Why.BOUND_AS_BEARER, 401)
    async with stand.verifier() as without:  # an API that knows no DPoP does not take it either
        assert (await refusal(without, f"Bearer {token}")).why is Why.BOUND_AS_BEARER
        assert (await refusal(without, f"DPoP {token}", possession=brought(proof(token)))).why is Why.OTHER_SCHEME


async def test_p_04_an_unbound_token_is_no_dpop_token(stand: Stand, holder: Verifier) -> None:
    token = stand.token()
    await holder.verify(f"Bearer {token}")
    for header in (f"DPoP {token}", f" DPoP {token}", f"\tdpop  {token}", f"dPOP {token}".encode()):
        refused = await refusal(holder, header, possession=brought(proof(token)))
        assert (refused.why, refused.status) == (Why.UNBOUND_AS_DPOP, 401)


async def test_p_01_and_r9449_11_1_a_a_proof_is_used_once(stand: Stand, holder: Verifier) -> None:
    token = stand.token(cnf={"jkt": KEY.jkt})
    given = brought(proof(token))
    await holder.verify(f"DPoP {token}", possession=given)
    refused = await refusal(holder, f"DPoP {token}", possession=given)
    assert refused.why is Why.PROOF_REPLAYED
    assert refused.challenges() == ('DPoP error="invalid_dpop_proof", algs="ES256 Ed25519 EdDSA PS256 RS256"',)


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"htm": "POST"}, {}),
        ({"htu": f"{API}/other"}, {}),
        ({"htu": "https://evil.example/orders"}, {}),
        ({"ath": "x"}, {}),
        ({"ath": None}, {}),
        ({"iat": NOW - 120}, {}),
        ({"iat": NOW + 60}, {}),
        ({"jti": None}, {}),
        ({"key": OTHER}, {}),
        ({}, {"method": "POST"}),
        ({}, {"target": "/admin"}),
    ],
)
async def test_p_02_a_proof_for_another_request_proves_nothing(
    stand: Stand, holder: Verifier, changes: dict[str, Any], sent: dict[str, Any]
) -> None:
    token = stand.token(cnf={"jkt": KEY.jkt})
    given = brought(proof(token, **changes), **sent)
    assert (await refusal(holder, f"DPoP {token}", possession=given)).why is Why.PROOF


async def test_p_06_and_r9449_4_3_1_exactly_one_proof_comes_along(stand: Stand, holder: Verifier) -> None:
    token = stand.token(cnf={"jkt": KEY.jkt})
    one, two = proof(token, jti="a"), proof(token, jti="b")
    assert (await refusal(holder, f"DPoP {token}", possession=brought())).why is Why.PROOF_MISSING
    for several in (brought(one, two), brought(f"{one}, {two}"), brought("")):
        assert (await refusal(holder, f"DPoP {token}", possession=several)).why in {Why.PROOF, Why.PROOF_MISSING}
    assert (await refusal(holder, f"DPoP {token}")).why is Why.PROOF_MISSING


async def test_r9449_8_a_a_nonce_that_is_due_comes_with_the_challenge(stand: Stand) -> None:
    dpop = Dpop(API, nonce_keys=(b"n" * 32,), demand_nonce=True)
    async with stand.verifier(dpop=dpop) as verifier:
        token = stand.token(cnf={"jkt": KEY.jkt})
        refused = await refusal(verifier, f"DPoP {token}", possession=brought(proof(token)))
        assert (refused.why, refused.status, refused.error) == (Why.PROOF_NONCE, 401, "use_dpop_nonce")
        headers = dict(refused.headers())
        assert headers["WWW-Authenticate"].startswith('DPoP error="use_dpop_nonce"')
        assert headers["DPoP-Nonce"] == verifier.nonce() != ""
        await verifier.verify(f"DPoP {token}", possession=brought(proof(token, nonce=headers["DPoP-Nonce"])))
    async with stand.verifier(dpop=DPOP) as verifier:
        assert verifier.nonce() == ""


async def test_an_api_may_take_bound_tokens_alone(stand: Stand) -> None:
    async with stand.verifier(dpop=Dpop(API, required=True)) as verifier:
        for _ in range(2):
            refused = await refusal(verifier, f"Bearer {stand.token()}")
            assert refused.why is Why.PROOF_MISSING
            assert [each.split(" ")[0] for each in refused.challenges()] == ["DPoP"]
        assert [each.split(" ")[0] for each in (await refusal(verifier, None)).challenges()] == ["DPoP"]


async def test_r8705_3_a_a_token_bound_to_a_certificate_needs_it_on_every_use(stand: Stand, verifier: Verifier) -> None:
    ours, other = (b64(each * 32).decode() for each in (b"\1", b"\2"))
    token = stand.token(cnf={"x5t#S256": ours})
    assert (await verifier.verify(f"Bearer {token}", possession=brought(certificate=ours))).certificate == ours
    for wrong in (other, "", ours[:-1], "\u00e9"):
        refused = await refusal(verifier, f"Bearer {token}", possession=brought(certificate=wrong))
        assert (refused.why, refused.error) == (Why.CERTIFICATE, "invalid_token")
    assert (await refusal(verifier, f"Bearer {token}")).why is Why.CERTIFICATE


@pytest.mark.parametrize(
    "cnf", [{}, None, 7, [], {"jwk": {}}, {"kid": "a"}, {"jkt": ""}, {"jkt": 7}, {"jkt": "a", "jku": "b"}]
)
async def test_a_binding_that_is_not_understood_is_not_passed_over(stand: Stand, verifier: Verifier, cnf: Any) -> None:
    text = json.encode({**stand.claims(), "cnf": cnf})
    assert (await refusal(verifier, f"Bearer {signed(stand.signer, text)}")).why is Why.CONFIRMATION


async def test_a_token_that_is_bound_to_no_thumbprint_at_all_is_an_ordinary_refusal(
    stand: Stand, holder: Verifier
) -> None:
    token = stand.token(cnf={"jkt": "é"})
    assert (await refusal(holder, f"DPoP {token}", possession=brought(proof(token)))).why is Why.PROOF


@pytest.mark.parametrize(
    "wrong",
    [
        Dpop(""), Dpop("api.example"), Dpop("https://api.example/v1"), Dpop("https://api.example?x"),
        Dpop(API, nonce_keys=(b"short",)), Dpop(API, demand_nonce=True),
    ],
)  # fmt: skip
def test_dpop_that_is_set_up_wrongly_is_told_at_once(stand: Stand, wrong: Dpop) -> None:
    with pytest.raises(ValueError, match=r"."):
        stand.verifier(dpop=wrong)
