"""Verifying: the algorithm comes from the key, and nothing in a token changes how it is judged."""

import base64
import json
import string

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hmac import HMAC
from hypothesis import given
from hypothesis import strategies as st

from evergrant.keys.signing import ALGORITHMS, Signer, b64, make
from evergrant.keys.verifying import MAX_TOKEN, public_key, verify

PRIVATE = {alg: make(alg) for alg in ALGORITHMS}
SIGNERS = {alg: Signer(PRIVATE[alg], alg) for alg in ALGORITHMS}
KEYS = {signer.kid: (alg, public_key(signer.public)) for alg, signer in SIGNERS.items()}
ES = SIGNERS["ES256"]
TOKENS = {alg: signer.sign("at+jwt", b'{"sub":"ada"}') for alg, signer in SIGNERS.items()}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


leaves = st.none() | st.booleans() | st.text(max_size=5)


def text(value) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return b64(raw).decode()


def forged(header, payload=b'{"sub":"ada"}', signature: bytes = b"") -> str:
    return f"{text(header)}.{text(payload)}.{text(signature)}"


def head(of: str, **changes) -> dict:
    return {"typ": "at+jwt", "alg": of, "kid": SIGNERS[of].kid} | changes


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_the_token_these_tests_change_is_good(alg):
    assert verify(TOKENS[alg], "at+jwt", KEYS) == {"sub": "ada"}


@pytest.mark.parametrize("none", ["none", "None", "NONE", "nOnE", "", None, 0, False, [], {}])
@pytest.mark.parametrize("alg", ALGORITHMS)
def test_j_01_no_algorithm_is_no_signature(alg, none):
    assert verify(forged(head(alg, alg=none)), "at+jwt", KEYS) is None
    assert verify(forged(head(alg, alg=none), signature=b"x" * 64), "at+jwt", KEYS) is None


def mac(key: bytes, message: str) -> bytes:
    digest = HMAC(key, hashes.SHA256())
    digest.update(message.encode())
    return digest.finalize()


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_j_02_a_public_key_is_no_mac_secret(alg):
    public = PRIVATE[alg].public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    secrets = [
        public.public_bytes(serialization.Encoding.PEM, spki),
        public.public_bytes(serialization.Encoding.DER, spki),
        json.dumps(SIGNERS[alg].public).encode(),
        SIGNERS[alg].public.get("n", SIGNERS[alg].public.get("x", "")).encode(),
        b"",
    ]
    for secret in secrets:
        for claimed in ("HS256", alg):
            message = f"{text(head(alg, alg=claimed))}.{text(b'{}')}"
            assert verify(f"{message}.{text(mac(secret, message))}", "at+jwt", KEYS) is None


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("other", [*ALGORITHMS, "ES384", "ES256K", "EdDSA", "RS512", "HS256"])
def test_j_02_no_token_chooses_its_algorithm(alg, other):
    if other == alg:
        return
    message = f"{text(head(alg, alg=other))}.{text(b'{}')}"
    assert verify(f"{message}.{text(SIGNERS[alg]._sign(message.encode()))}", "at+jwt", KEYS) is None


def test_j_02_one_rsa_key_does_not_verify_the_other_padding():
    message = f"{text(head('PS256'))}.{text(b'{}')}"
    signature = PRIVATE["PS256"].sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
    assert verify(f"{message}.{text(signature)}", "at+jwt", KEYS) is None


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": Signer(make("ES256"), "ES256").public},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
    ],
)
def test_j_03_j_04_a_key_that_comes_with_the_token_is_not_used(extra):
    evil = make("ES256")
    message = f"{text(head('ES256', **extra))}.{text(b'{}')}"
    signature = Signer(evil, "ES256")._sign(message.encode())
    assert verify(f"{message}.{text(signature)}", "at+jwt", KEYS) is None


@pytest.mark.parametrize(
    "kid",
    [
        "", "unknown", "../../dev/null", "/etc/passwd", "' OR 1=1 --", "x" * 5_000, None, 0, 1.5, True, [], {},
        [ES.kid],
        {"kid": ES.kid}, ES.kid.lower(), ES.kid + "=", ES.kid + "\0", SIGNERS["RS256"].kid,
    ],
    ids=lambda _: "kid",  # a fresh key's id in a test's name would give every worker other tests
)  # fmt: skip
def test_j_05_only_a_known_key_id_finds_a_key(kid):
    message = f"{text(head('ES256', kid=kid))}.{text(b'{}')}"
    assert verify(f"{message}.{text(ES._sign(message.encode()))}", "at+jwt", KEYS) is None


def test_j_05_a_token_without_key_id_finds_no_key():
    message = f"{text({'typ': 'at+jwt', 'alg': 'ES256'})}.{text(b'{}')}"
    assert verify(f"{message}.{text(ES._sign(message.encode()))}", "at+jwt", KEYS) is None


@pytest.mark.parametrize(
    "extra", [{"crit": ["exp"]}, {"crit": []}, {"crit": None}, {"crit": ["b64"], "b64": False}, {"crit": "x"}]
)
def test_j_06_a_critical_member_is_refused_even_signed_by_us(extra):
    message = f"{text(head('ES256', **extra))}.{text(b'{}')}"
    assert verify(f"{message}.{text(ES._sign(message.encode()))}", "at+jwt", KEYS) is None


@pytest.mark.parametrize("typ", ["JWT", "AT+JWT", "at+jwt ", "application/at+jwt", "logout+jwt", "", None])
def test_j_07_another_type_is_another_thing(typ):
    message = f"{text(head('ES256', typ=typ))}.{text(b'{}')}"
    assert verify(f"{message}.{text(ES._sign(message.encode()))}", "at+jwt", KEYS) is None


@pytest.mark.parametrize(
    "numbers",
    [
        (0, 0), (0, 1), (1, 0), (ORDER, 1), (1, ORDER), (ORDER, ORDER), (ORDER - 1, ORDER - 1), (1, 1),
        (2**256 - 1, 2**256 - 1),
    ],
)  # fmt: skip
def test_j_11_degenerate_signatures_are_refused(numbers):
    raw = b"".join(number.to_bytes(32, "big") for number in numbers)
    assert verify(forged(head("ES256"), signature=raw), "at+jwt", KEYS) is None


@pytest.mark.parametrize("size", [0, 1, 32, 63, 65, 70, 71, 72, 96, 128])
def test_j_11_a_signature_of_another_length_is_refused(size):
    raw = base64.urlsafe_b64decode(TOKENS["ES256"].rsplit(".", 1)[1] + "==")
    assert verify(forged(head("ES256"), signature=(raw * 2)[:size]), "at+jwt", KEYS) is None


def test_j_11_a_der_signature_is_no_jose_signature():
    message = f"{text(head('ES256'))}.{text(b'{}')}"
    der = PRIVATE["ES256"].sign(message.encode(), ec.ECDSA(hashes.SHA256()))
    assert verify(f"{message}.{text(der)}", "at+jwt", KEYS) is None


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_r6749_10_3_a_changing_any_letter_of_header_or_payload_gives_nothing(alg):
    token = TOKENS[alg]
    last = token.rindex(".")
    for place in range(last):
        for letter in ("A", "x", ".", "=", "-", "\0", " "):
            if letter != token[place]:
                assert verify(token[:place] + letter + token[place + 1 :], "at+jwt", KEYS) is None


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_r6749_10_3_a_changing_any_byte_of_the_signature_gives_nothing(alg):
    message, _, signature = TOKENS[alg].rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        assert verify(f"{message}.{text(changed)}", "at+jwt", KEYS) is None


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_truncated_and_extended_tokens_give_nothing(alg):
    token = TOKENS[alg]
    for length in range(0, len(token), 7):
        assert verify(token[:length], "at+jwt", KEYS) is None
    for more in (".", "..", ".x", "AAAA", "\n", "é", "\ud800"):
        assert verify(token + more, "at+jwt", KEYS) is None
        assert verify(more + token, "at+jwt", KEYS) is None


@pytest.mark.parametrize(
    "header",
    [
        b"", b"null", b"[]", b"1", b'"x"', b"{", b"[" * 6_000, b'{"a":' * 1_200, b"\xff\xfe", b"\0", b'{"typ":"at+jwt"',
        b"{}" * 10, b'{"kid":"\\ud800"}',
    ],
)  # fmt: skip
def test_j_13_inv_14_no_header_whatever_raises(header):
    assert verify(forged(header), "at+jwt", KEYS) is None


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[]", b"1", b'"x"', b"{", b"[" * 4_000, b'{"a":' * 900, b"\xff", b"NaN", b"{}{}"]
)
def test_j_13_inv_14_a_payload_that_is_no_object_is_refused_even_signed_by_us(payload):
    assert verify(ES.sign("at+jwt", payload), "at+jwt", KEYS) is None


def test_j_13_a_token_that_is_too_long_is_not_looked_at():
    fits = ES.sign("at+jwt", json.dumps({"x": "y" * 5_000}).encode())
    assert len(fits) <= MAX_TOKEN
    assert verify(fits, "at+jwt", KEYS) is not None
    assert verify(ES.sign("at+jwt", json.dumps({"x": "y" * 8_000}).encode()), "at+jwt", KEYS) is None
    assert verify("." * 10**6, "at+jwt", KEYS) is None


@given(st.text(max_size=120) | st.text(string.ascii_letters + "-_=.", max_size=120))
def test_inv_14_no_text_whatever_raises(garbage):
    assert verify(garbage, "at+jwt", KEYS) is None
    assert verify(f"{garbage}.{garbage}.{garbage}", "at+jwt", KEYS) is None


@given(st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner)))
def test_inv_14_no_json_whatever_raises(value):
    assert verify(forged(value), "at+jwt", KEYS) is None
    assert verify(forged({"typ": "at+jwt", "alg": value, "kid": value}), "at+jwt", KEYS) is None


def test_no_keys_verify_nothing():
    assert verify(TOKENS["ES256"], "at+jwt", {}) is None
