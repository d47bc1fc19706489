"""What somebody else signed is believed by the keys they publish, and by nothing else."""

import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from evergrant.keys.foreign import Signed, check, claims_of

CLAIMS = {"iss": "https://as.example", "sub": "ada"}
RSA, EC, ED = RSAKey.generate_key(2048), ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")


def signed(key: Any, alg: str, kid: str | None = "k1", **header: Any) -> str:
    named = {"alg": alg, **({"kid": kid} if kid else {}), **header}
    return jws.serialize_compact(named, json.dumps(CLAIMS).encode(), key, algorithms=[alg])


def published(key: Any, **more: Any) -> dict[str, Any]:
    return {"kid": "k1", **key.as_dict(private=False), **more}


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "Ed25519")])
def test_a_signature_by_a_published_key_is_good_and_any_other_is_not(key, alg):
    token = signed(key, alg)
    assert claims_of(token) == CLAIMS
    assert check(token, {"keys": [published(key)]}) is Signed.GOOD
    head, body, signature = token.split(".")
    assert check(f"{head}.{body}.{signature[:-4]}AAAA", {"keys": [published(key)]}) is Signed.BAD
    assert check(f"{head}.{body[:-2]}AA.{signature}", {"keys": [published(key)]}) is Signed.BAD


def test_a_key_that_is_not_in_the_set_may_have_been_published_since():
    token = signed(RSA, "RS256", "k2")
    for keys in (
        {"keys": []},
        {"keys": [published(RSA)]},
        {"keys": [published(EC, kid="k2")]},
        {},
        {"keys": 7},
        [],
        None,
    ):
        assert check(token, keys) is Signed.NO_KEY


def test_without_a_key_id_every_fitting_key_is_tried():
    token = signed(RSA, "RS256", None)
    other = RSAKey.generate_key(2048)
    assert check(token, {"keys": [published(other), published(EC), published(RSA, kid="k9")]}) is Signed.GOOD
    assert check(token, {"keys": [published(other)]}) is Signed.BAD


def test_a_public_key_is_never_an_hmac_secret_and_no_signature_is_none():
    public = RSA.as_pem(private=False)
    token = signed(OctKey.import_key(b"x" * 32), "HS256")
    assert check(token, {"keys": [published(RSA)]}) is Signed.BAD
    assert check(token, {"keys": [{"kty": "oct", "kid": "k1", "k": "eHh4eA"}]}) is Signed.BAD
    assert public
    body = token.split(".")[1]
    for head in ("eyJhbGciOiJub25lIn0", "eyJhbGciOiJOT05FIn0"):
        assert check(f"{head}.{body}.", {"keys": [published(RSA)]}) is Signed.BAD


def test_a_key_for_encryption_or_for_another_algorithm_verifies_nothing():
    token = signed(RSA, "RS256")
    assert check(token, {"keys": [published(RSA, use="enc")]}) is Signed.NO_KEY
    assert check(token, {"keys": [published(RSA, alg="RS512")]}) is Signed.NO_KEY
    assert check(token, {"keys": [published(RSA, use="sig", alg="RS256")]}) is Signed.GOOD


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "a.b.c.d", "." * 2, "x" * 20_000, "é.é.é", "e30.W10.x"])
def test_what_is_no_token_has_no_claims_and_no_signature(text):
    assert claims_of(text) is None
    assert check(text, {"keys": [published(RSA)]}) is Signed.BAD


def test_a_header_that_asks_for_what_we_do_not_know_is_refused():
    head = "eyJhbGciOiJSUzI1NiIsImNyaXQiOlsiYjY0Il0sImI2NCI6ZmFsc2V9"
    body, signature = signed(RSA, "RS256").split(".")[1:]
    assert check(f"{head}.{body}.{signature}", {"keys": [published(RSA)]}) is Signed.BAD


def test_a_published_key_that_is_broken_only_does_not_fit():
    token = signed(RSA, "RS256")
    for broken in ({"kty": "RSA", "kid": "k1"}, {"kty": "RSA", "kid": "k1", "n": 7, "e": []}, 7, None):
        assert check(token, {"keys": [broken, published(RSA)]}) is Signed.GOOD
