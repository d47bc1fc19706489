"""Everything else that this product and others hand out, sent where an access token belongs: refused, and named."""

from typing import Any

import pytest

from evergrant.resource import Introspection, Verifier, Why
from evergrant.testing.token_issuer import TokenIssuer
from tests.resource.stand import Stand, compact, refusal, signed, why

SENT = {
    "egr_": Why.REFRESH_TOKEN,
    "egc_": Why.CODE,
    "egs_": Why.CLIENT_SECRET,
    "egp_": Why.API_KEY,
    "egk_": Why.COOKIE,
    "egf_": Why.COOKIE,
    "ega_": Why.OPAQUE,
}


async def test_rt_37_a_refresh_token_is_no_bearer_token_and_the_operator_reads_that_one_came(
    issuer: TokenIssuer,
) -> None:
    asking = Introspection(*issuer.credentials)
    async with Verifier.for_issuer(issuer.url, audience=issuer.audience, introspection=asking) as verifier:
        refused = await refusal(verifier, f"Bearer {issuer.refresh_token()}")
        assert (refused.why, refused.status) == (Why.REFRESH_TOKEN, 401)
        assert refused.challenges() == ('Bearer error="invalid_token"',)


@pytest.mark.parametrize(("prefix", "expected"), SENT.items())
async def test_r9068_4_b_our_own_secrets_are_known_by_their_prefix(
    stand: Stand, verifier: Verifier, prefix: str, expected: Why
) -> None:
    assert await why(verifier, prefix + "A" * 43) is expected
    assert stand.site.asked == []


LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
KINDS: dict[str, tuple[str | None, dict[str, Any], Why]] = {
    "ID token": ("JWT", {"aud": "cli_1", "at_hash": "x", "nonce": "n", "client_id": None}, Why.ID_TOKEN),
    "logout token": ("logout+jwt", {"events": {LOGOUT: {}}}, Why.LOGOUT_TOKEN),
    "untyped logout token": (None, {"events": {LOGOUT: {}}, "auth_time": None}, Why.LOGOUT_TOKEN),
    "security event": ("secevent+jwt", {"events": {"https://schemas.openid.net/x": {}}}, Why.SECURITY_EVENT),
    "introspection answer": ("token-introspection+jwt", {"token_introspection": {}}, Why.INTROSPECTION_ANSWER),
    "client assertion": ("client-authentication+jwt", {"sub": "cli_1", "iss": "cli_1"}, Why.CLIENT_ASSERTION),
    "untyped client assertion": (None, {"sub": "cli_1", "iss": "cli_1", "auth_time": None}, Why.CLIENT_ASSERTION),
    "DPoP proof": ("dpop+jwt", {"htm": "GET", "htu": "https://api.example/"}, Why.DPOP_PROOF),
    "request object": ("oauth-authz-req+jwt", {"response_type": "code"}, Why.REQUEST_OBJECT),
    "Keycloak's refresh token": ("JWT", {"typ": "Refresh"}, Why.REFRESH_TOKEN),
    "anything else": ("JOSE", {"auth_time": None}, Why.TYPE),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_j_07_and_r9068_4_b_and_r8725_3_12_a_no_other_kind_of_jwt_is_an_access_token(
    stand: Stand, verifier: Verifier, kind: str
) -> None:
    typ, changes, expected = KINDS[kind]
    refused = await refusal(verifier, f"Bearer {signed(stand.signer, stand.claims(**changes), typ=typ)}")
    assert (refused.why, refused.status) == (expected, 401)
    # Called an access token by its header, it lacks what one has, or has what none has.
    if kind in {"DPoP proof", "client assertion", "introspection answer"}:
        bare = {name: value for name, value in changes.items() if value is not None}
        assert await why(verifier, signed(stand.signer, bare)) in {Why.ISSUER, Why.AUDIENCE}


async def test_j_07_and_r9701_8_a_an_id_token_of_this_very_issuer_is_refused_by_its_type(
    issuer: TokenIssuer,
) -> None:
    async with Verifier.for_issuer(issuer.url, audience=issuer.audience) as verifier:
        token = issuer.token(typ="JWT", claims={"at_hash": "x", "nonce": "n"})
        assert await why(verifier, token) is Why.ID_TOKEN
        assert await why(verifier, issuer.token(typ="token-introspection+jwt")) is Why.INTROSPECTION_ANSWER


async def test_text_that_is_no_token_at_all_is_called_that(stand: Stand, verifier: Verifier) -> None:
    for text in ("x", "a.b", "..", "a..b", ".a.", "a.b.c", compact({}, {}), compact([], {}), "ghp_0123456789"):
        refused = await refusal(verifier, f"Bearer {text}")
        assert refused.status == 401
        assert refused.why in {Why.NOT_A_TOKEN, Why.ALGORITHM}
