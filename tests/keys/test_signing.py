"""Signing: every algorithm, a constant header, and libraries nobody here wrote that agree."""

import base64
import json
import warnings
from hashlib import sha256

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import import_key

from evergrant.keys.port import KeyUnusable
from evergrant.keys.signing import ALGORITHMS, Signer, b64, from_der, make, to_der
from evergrant.keys.verifying import public_key, verify

SIGNERS = {alg: Signer(make(alg), alg) for alg in ALGORITHMS}
KEYS = {signer.kid: (alg, public_key(signer.public)) for alg, signer in SIGNERS.items()}
PYJWT_NAMES = {"Ed25519": "EdDSA"}  # RFC 9864 renamed it; the library knows the older name
claims = st.dictionaries(
    st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.text(max_size=20), max_size=6
)


def part(token: str, number: int) -> bytes:
    text = token.split(".")[number]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(payload: dict) -> bytes:
    return json.dumps(payload).encode()


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_was_signed_verifies_and_says_what_was_signed(alg):
    @settings(max_examples=settings().max_examples // 4)
    @given(claims)
    def story(payload):
        token = SIGNERS[alg].sign("at+jwt", encoded(payload))
        assert verify(token, "at+jwt", KEYS) == payload
        assert verify(token, "JWT", KEYS) is None

    story()


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_r9068_2_1_a_the_header_is_constant_and_holds_three_members(alg):
    signer = SIGNERS[alg]
    headers = {signer.sign("at+jwt", encoded({"n": n})).split(".")[0] for n in range(3)}
    assert len(headers) == 1
    header = json.loads(part(signer.sign("at+jwt", b"{}"), 0))
    assert header == {"typ": "at+jwt", "alg": alg, "kid": signer.kid}
    assert json.loads(part(signer.sign("JWT", b"{}"), 0))["typ"] == "JWT"


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_the_text_is_base64url_without_padding(alg):
    for n in range(40):
        token = SIGNERS[alg].sign("JWT", encoded({"n": "x" * n}))
        assert "=" not in token
        assert "+" not in token
        assert "/" not in token
        assert len(token.split(".")) == 3
        assert part(token, 1) == encoded({"n": "x" * n})


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_joserfc_agrees(alg):
    signer = SIGNERS[alg]
    token = signer.sign("JWT", encoded({"sub": "ada"}))
    found = jws.deserialize_compact(token, import_key(dict(signer.public)), algorithms=[alg])
    assert json.loads(found.payload) == {"sub": "ada"}
    with pytest.raises(Exception, match=r"(?i)signature|bad"):
        jws.deserialize_compact(token, import_key(dict(Signer(make(alg), alg).public)), algorithms=[alg])


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_pyjwt_agrees(alg):
    signer = SIGNERS[alg]
    name = PYJWT_NAMES.get(alg, alg)
    key = pyjwt.PyJWK({**signer.public, "alg": name})
    token = signer.sign("JWT", encoded({"sub": "ada"}))
    if alg == name:
        assert pyjwt.decode(token, key, algorithms=[name]) == {"sub": "ada"}
    signing_input, _, signature = token.rpartition(".")
    algorithm = pyjwt.get_algorithm_by_name(name)
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    assert algorithm.verify(signing_input.encode(), key.key, raw)
    assert not algorithm.verify(signing_input.encode() + b"x", key.key, raw)


@pytest.mark.parametrize("alg", [alg for alg in ALGORITHMS if alg not in PYJWT_NAMES])
def test_authlib_agrees(alg):
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")  # it says that it will be joserfc one day
        from authlib.jose import JsonWebKey, JsonWebToken

    signer = SIGNERS[alg]
    token = signer.sign("JWT", encoded({"sub": "ada"}))
    assert JsonWebToken([alg]).decode(token, JsonWebKey.import_key(dict(signer.public))) == {"sub": "ada"}


@pytest.mark.parametrize("alg", [alg for alg in ALGORITHMS if alg not in PYJWT_NAMES])
def test_what_pyjwt_signs_with_our_key_verifies_here(alg):
    private = make(alg)
    signer = Signer(private, alg)
    token = pyjwt.encode({"sub": "ada"}, private, algorithm=alg, headers={"kid": signer.kid, "typ": "at+jwt"})
    assert verify(token, "at+jwt", {signer.kid: (alg, public_key(signer.public))}) == {"sub": "ada"}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_the_public_key_holds_nothing_private(alg):
    public = SIGNERS[alg].public
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(public)
    assert public["use"] == "sig"
    assert public["alg"] == alg
    assert "d" not in import_key(dict(public)).as_dict(private=False)


def test_the_key_id_is_the_keys_own_and_names_its_algorithm():
    private = make("ES256")
    assert Signer(private, "ES256").kid == Signer(private, "ES256").kid
    assert Signer(private, "ES256").kid != Signer(make("ES256"), "ES256").kid
    pair = make("RS256")
    assert Signer(pair, "RS256").kid != Signer(pair, "PS256").kid


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_coordinates_and_moduli_keep_their_length(alg):
    for _ in range(1 if alg.endswith("S256") and alg[0] in "RP" else 300):
        public = Signer(make(alg), alg).public
        if public["kty"] == "EC":
            assert len(public["x"]) == len(public["y"]) == 43
        elif public["kty"] == "OKP":
            assert len(public["x"]) == 43
        else:
            assert len(public["n"]) == 342
            assert public["e"] == "AQAB"


def test_es256_signatures_have_64_bytes_however_small_their_numbers():
    signer = SIGNERS["ES256"]
    lengths = {len(signer.sign("JWT", encoded({"n": n})).rsplit(".", 1)[1]) for n in range(400)}
    assert lengths == {86}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_private_key_survives_its_der(alg):
    signer = SIGNERS[alg]
    private = make(alg)
    assert Signer(from_der(to_der(private)), alg).kid == Signer(private, alg).kid != signer.kid


@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", "EdDSA", "RSA-OAEP", "", "es256"])
def test_an_algorithm_that_is_not_offered_is_one_sentence(alg):
    with pytest.raises(KeyUnusable, match=f"no such signing algorithm: {alg}; choose one of ES256"):
        make(alg)


@pytest.mark.parametrize("raw", [b"", b"not a key", to_der(make("ES256"))[:-3], b"\x30\x82"])
def test_a_private_key_that_cannot_be_read_is_one_sentence(raw):
    with pytest.raises(KeyUnusable, match="cannot be read"):
        from_der(raw)


def test_a_private_key_of_another_kind_is_one_sentence():
    with pytest.raises(KeyUnusable, match="unknown kind"):
        from_der(to_der(dsa.generate_private_key(2_048)))


def test_kid_is_a_thumbprint_over_the_required_members():
    public = SIGNERS["ES256"].public
    members = {name: public[name] for name in ("crv", "kty", "x", "y")}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    assert public["kid"] == b64(sha256(canonical + b"ES256").digest()).decode()


def test_keys_are_as_strong_as_promised():
    assert isinstance(make("ES256").curve, ec.SECP256R1)
    pair = make("PS256")
    assert isinstance(pair, rsa.RSAPrivateKey)
    assert pair.key_size >= 2_048
