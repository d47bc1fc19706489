"""The issuer shipped for tests of APIs: what it mints is right unless asked to be wrong, and what it ends is over."""

import asyncio
from collections.abc import Iterator

import jwt
import pytest
import requests

from evergrant.testing.token_issuer import By, TokenIssuer, token_issuer
from tests.secrecy import record_secret


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    with token_issuer() as one:
        record_secret(one.credentials.client_secret)
        yield one


def by_pyjwt(issuer: TokenIssuer, token: str, alg: str = "ES256") -> dict[str, object]:
    """What another library makes of a token, with the key set as it is published."""
    if not token.endswith("."):  # an unsigned one is nobody's secret
        record_secret(token)
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(requests.get(f"{issuer.url}/jwks", timeout=10).json())}
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, object] = jwt.decode(token, key, algorithms=[alg], audience=issuer.audience, issuer=issuer.url)
    return claims


def active(issuer: TokenIssuer, token: str) -> bool:
    answer = requests.post(f"{issuer.url}/introspect", {"token": token}, auth=issuer.credentials, timeout=10)
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["active"])


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256", "Ed25519"])
def test_a_plain_token_is_what_rfc_9068_says_to_another_library(issuer: TokenIssuer, alg: str) -> None:
    token = issuer.token("ada@example.com", scope="orders:read", alg=alg)
    claims = by_pyjwt(issuer, token, "EdDSA" if alg == "Ed25519" else alg) if alg != "Ed25519" else None
    assert claims is None or {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope"} <= claims.keys()
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert active(issuer, token)


@pytest.mark.parametrize("by", [By.STRANGER, By.NOBODY, By.CONFUSED, By.UNKNOWN])
def test_what_the_issuer_did_not_sign_is_nobodys_token(issuer: TokenIssuer, by: By) -> None:
    token = issuer.token(by=by)
    with pytest.raises((jwt.InvalidTokenError, KeyError)):
        by_pyjwt(issuer, token)
    assert not active(issuer, token)


def test_every_member_can_be_wrong(issuer: TokenIssuer) -> None:
    with pytest.raises(jwt.ExpiredSignatureError):
        by_pyjwt(issuer, issuer.token(lifetime=-1))
    with pytest.raises(jwt.InvalidAudienceError):
        by_pyjwt(issuer, issuer.token(audience="https://elsewhere.example"))
    with pytest.raises(jwt.InvalidIssuerError):
        by_pyjwt(issuer, issuer.token(claims={"iss": "https://elsewhere.example"}))
    assert "scope" not in by_pyjwt(issuer, issuer.token(without=("scope",)))
    header = jwt.get_unverified_header(issuer.token(typ="JWT", header={"jku": "https://x.example", "kid": None}))
    assert header == {"typ": "JWT", "alg": "ES256", "jku": "https://x.example"}


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("how", ["end", "disable", "delete_client"])
def test_what_is_ended_is_over(issuer: TokenIssuer, how: str, opaque: bool) -> None:
    name = f"{how}-{opaque}"
    token = (issuer.opaque if opaque else issuer.token)(f"{name}@example.com", client=name)
    other = issuer.token("someone@example.com", client="someone")
    assert active(issuer, token)
    match how:
        case "end":
            issuer.end(token)
        case "disable":
            issuer.disable(f"{name}@example.com")
        case "delete_client":
            issuer.delete_client(name)
    assert not active(issuer, token)
    assert active(issuer, other)


def test_signing_out_ends_what_came_from_that_browser(issuer: TokenIssuer) -> None:
    token = issuer.token("leaver@example.com")
    issuer.sign_out(token)
    assert not active(issuer, token)


def test_a_refresh_token_refreshes_and_is_no_access_token(issuer: TokenIssuer) -> None:
    token = issuer.refresh_token(client="refresher")
    record_secret(token)
    client = issuer._clients["refresher"].id
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client}
    answer = requests.post(f"{issuer.url}/token", form, timeout=10)
    assert answer.status_code == 200, answer.text
    record_secret(answer.json()["access_token"])
    record_secret(answer.json()["refresh_token"])


def test_new_keys_disown_what_older_ones_signed() -> None:
    with token_issuer() as issuer:
        record_secret(issuer.credentials.client_secret)
        token = issuer.token()
        by_pyjwt(issuer, token)
        issuer.rotate_keys()
        with pytest.raises(KeyError):
            by_pyjwt(issuer, token)
        by_pyjwt(issuer, issuer.token())


async def test_it_serves_tests_that_await(issuer: TokenIssuer) -> None:
    assert await asyncio.to_thread(active, issuer, issuer.token())
