"""What is in an access token (RFC 9068) and an ID token, under every algorithm, checked by somebody else's library."""

import hashlib
import hmac
from typing import Any

import jwt
import pytest
from msgspec import json

from evergrant.domain import base64url
from evergrant.domain.client import ClientType
from evergrant.keys.signing import ALGORITHMS
from evergrant.resource.rules import rules
from evergrant.resource.usual import judge_usual
from evergrant.testing.in_process import ISSUER, Issuer
from tests.issuing import Held, claims_of, header_of, hold


async def key_of(issuer: Issuer, token: str) -> Any:
    """The published key that a token names."""
    keys = (await issuer.browser().get("/jwks")).json()["keys"]
    return jwt.PyJWK(next(key for key in keys if key["kid"] == header_of(token)["kid"]), _name(token))


def _name(token: str) -> str:
    # PyJWT knows Ed25519 by the older, polymorphic name only (RFC 9864).
    return {"Ed25519": "EdDSA"}.get(header_of(token)["alg"], header_of(token)["alg"])


async def checked(issuer: Issuer, token: str, audience: str) -> dict[str, Any]:
    """The claims, after PyJWT verified signature, issuer and audience; the clock is the issuer's own."""
    head = header_of(token)
    body = token if head["alg"] != "Ed25519" else None
    options: Any = {"verify_exp": False, "verify_iat": False, "require": ["exp", "iat", "iss", "aud", "sub"]}
    key = await key_of(issuer, token)
    if body is None:
        signed, _, signature = token.rpartition(".")
        key.key.verify(base64url.decode(signature), signed.encode())
        return claims_of(token)
    claims: dict[str, Any] = jwt.decode(
        token, key.key, algorithms=[head["alg"]], audience=audience, issuer=ISSUER, options=options
    )
    return claims


async def test_an_access_token_is_written_as_a_resource_server_judges_it_at_one_glance(issuer: Issuer) -> None:
    held = await hold(issuer)
    access = judge_usual(
        base64url.decode(held.access.split(".")[1]), rules(ISSUER, f"{ISSUER}/resource"), issuer.clock.now()
    )
    assert access is not None
    assert dict(access.claims).keys() == claims_of(held.access).keys()


@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_r9068_2_1_a_r9068_2_2_a_and_r9068_2_2_3_a_an_access_token_is_typed_signed_and_complete(
    issuer: Issuer, alg: str
) -> None:
    held = await hold(issuer, access_token_alg=alg)
    head = header_of(held.access)
    assert (head["typ"], head["alg"]) == ("at+jwt", alg)
    assert set(head) == {"typ", "alg", "kid"}
    claims = await checked(issuer, held.access, f"{ISSUER}/resource")
    now = issuer.clock.now()
    assert {name: claims[name] for name in ("iss", "client_id", "iat", "exp", "scope")} == {
        "iss": ISSUER, "client_id": held.client.id, "iat": now, "exp": now + held.tokens["expires_in"],
        "scope": held.tokens["scope"],
    }  # fmt: skip
    assert claims["sub"].startswith("usr_")
    assert claims["aud"] == [f"{ISSUER}/resource", f"{ISSUER}/userinfo"]
    assert len(base64url.decode(claims["jti"])) >= 16
    assert (claims["auth_time"], claims["acr"]) == (now, "urn:evergrant:password")


async def test_r9700_2_3_a_access_tokens_are_short_and_for_one_audience_unless_more_is_asked(issuer: Issuer) -> None:
    held = await hold(issuer)
    assert held.tokens["expires_in"] <= 600
    await held.turn(scope="profile")
    assert claims_of(held.access)["aud"] == f"{ISSUER}/resource"


async def test_r9470_6_a_and_r9470_6_b_tokens_tell_when_and_how_and_refreshing_renews_nothing_of_it(
    issuer: Issuer,
) -> None:
    held = await hold(issuer)
    first = claims_of(held.access)
    issuer.clock.advance(86_400)
    await held.turn()
    for token in (held.access, held.tokens["id_token"]):
        assert (claims_of(token)["auth_time"], claims_of(token)["acr"]) == (first["auth_time"], first["acr"])
        assert claims_of(token)["iat"] == first["iat"] + 86_400


@pytest.mark.parametrize("alg", ALGORITHMS)
async def test_an_id_token_is_for_the_client_alone_and_its_at_hash_belongs_to_the_algorithm(
    issuer: Issuer, alg: str
) -> None:
    held = await hold(issuer, id_token_alg=alg)
    claims = await checked(issuer, held.tokens["id_token"], held.client.id)
    assert header_of(held.tokens["id_token"])["alg"] == alg
    assert claims["aud"] == held.client.id
    assert claims["sub"] == claims_of(held.access)["sub"]
    hashed = hashlib.new("sha512" if alg == "Ed25519" else "sha256", held.access.encode()).digest()
    assert base64url.decode(claims["at_hash"]) == hashed[: len(hashed) // 2]


async def test_r6749_10_3_a_access_tokens_cannot_be_made_up_changed_or_signed_with_nothing(issuer: Issuer) -> None:
    held = await hold(issuer, ClientType.WEB)
    head, body, signature = held.access.split(".")
    claims = claims_of(held.access)
    none = base64url.encode(json.encode({**header_of(held.access), "alg": "none"})).decode()
    longer = base64url.encode(json.encode({**claims, "exp": claims["exp"] + 10_000})).decode()
    published = (await issuer.browser().get("/jwks")).body
    hs256 = base64url.encode(json.encode({**header_of(held.access), "alg": "HS256"})).decode() + "." + body
    by_public_key = f"{hs256}.{base64url.encode(hmac.digest(published, hs256.encode(), 'sha256')).decode()}"
    made_up = [
        f"{none}.{body}.", f"{none}.{body}.{signature}", f"{head}.{longer}.{signature}", f"{head}.{body}.",
        f"{head}.{body}.{signature[:-4]}AAAA", by_public_key, f"{head}.{body}", held.tokens["id_token"],
        ".".join((held.tokens["id_token"].split(".")[0], body, signature)), held.access + ".", "." + held.access,
    ]  # fmt: skip
    for token in made_up:
        reply = await issuer.browser().send("GET", "/userinfo", headers={"authorization": f"Bearer {token}"})
        assert reply.status == 401, token
        assert not await held.active(token)
    assert await held.active(held.access)


async def test_an_opaque_token_says_nothing_to_whoever_holds_it_and_cannot_be_changed(apis: Issuer) -> None:
    client, secret = await apis.client(ClientType.WEB, scopes=("openid", "vault:open"))
    tokens = await apis.signed_in(client, secret, scope="openid vault:open", resource="https://vault.example")
    held = Held(apis, client, secret, tokens)
    body = base64url.decode(held.access[4:])
    assert b"usr_" not in body
    assert b"iss" not in body
    assert await held.active(held.access)
    for at in range(0, len(body), 11):
        forged = bytearray(body)
        forged[at] ^= 1
        assert not await held.active("ega_" + base64url.encode(bytes(forged)).decode())
    for text in ("ega_", "ega_AA", "ega_" + "\u00fc" * 40, "ega_" + "!" * 40, held.access[:-8], held.access[4:]):
        assert not await held.active(text)


async def test_an_expired_access_token_is_worth_nothing(both: Issuer) -> None:
    held = await hold(both, ClientType.WEB)
    both.clock.advance(held.tokens["expires_in"] - 1)
    assert await held.active(held.access)
    both.clock.advance(1)
    assert not await held.active(held.access)
