"""Other people's keys at work: by the vectors of Wycheproof and the RFCs, and beside two libraries."""

import json
from typing import Any

import jwt
import pytest
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from evergrant.domain.base64url import decode
from evergrant.keys.checking import ALGORITHMS, UnfitKey, algorithms_of, checker
from evergrant.keys.signing import Signer, make
from evergrant.protocol.compact import Unreadable, json_object, raw, raw_exact
from evergrant.resource import Refused
from evergrant.resource.keyset import BadKeySet, chosen, read_header, read_set
from tests.keys.test_wycheproof import ABSENT, VECTORS, groups, public_of

pytestmark = pytest.mark.filterwarnings(f"default:{ABSENT}")

OURS = {
    "Figure20": "the key is for PS256, the token says PS384: the key fixes the algorithm",
    "Figure27": "the key says ES521, which is no algorithm",
}
"""What is valid by the vectors, and refused here for a reason."""


@pytest.mark.parametrize(
    ("name", "alg"), [("ecdsa_secp256r1_sha256_p1363_test.json", "ES256"), ("ed25519_test.json", "Ed25519")]
)
def test_j_11_every_signature_vector_is_judged_as_wycheproof_says(name: str, alg: str) -> None:
    wrong, checked = [], 0
    for group in groups(name):
        check = checker(public_of(group), alg)
        for vector in group["tests"]:
            checked += 1
            if check(bytes.fromhex(vector["msg"]), bytes.fromhex(vector["sig"])) != (vector["result"] == "valid"):
                wrong.append((vector["tcId"], vector["comment"], vector["result"]))
    assert wrong == []
    assert checked > 100 or not VECTORS.is_dir()


def accepts(token: str, public: Any) -> bool:
    """Whether the verifier's own way from header to key to signature takes *token*."""
    key_set = public if "keys" in public else {"keys": [public]}
    parts = token.encode().split(b".")
    try:
        keys = read_set(json.dumps(key_set).encode(), ALGORITHMS)
        if len(parts) != 3:
            return False
        kid, alg, _ = read_header(json_object(raw(parts[0])), ALGORITHMS)
        raw(parts[1])
        check = chosen(keys, kid, alg)
        return check is not None and check(parts[0] + b"." + parts[1], raw_exact(parts[2]))
    except (BadKeySet, Unreadable, Refused):
        return False


@pytest.mark.parametrize(
    "name", ["json_web_signature_test.json", "json_web_crypto_test.json", "json_web_key_test.json"]
)
def test_j_01_j_02_j_11_every_jws_vector_with_a_public_key_is_judged_as_wycheproof_says(name: str) -> None:
    wrong, checked = [], 0
    for group in groups(name):
        for vector in group["tests"]:
            if "public" not in group or not isinstance(vector.get("jws"), str) or vector["comment"] in OURS:
                continue
            checked += 1
            if accepts(vector["jws"], group["public"]) != (vector["result"] == "valid"):
                wrong.append((vector["tcId"], group["comment"], vector["comment"], vector["result"]))
    assert wrong == []
    assert checked or not VECTORS.is_dir()


RFC7515 = {
    "A.3": (
        {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
         "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        "ES256",
        "eyJhbGciOiJFUzI1NiJ9",
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
    # RFC 8037 appendix A.4, with the algorithm as it was called then
    "RFC 8037 A.4": (
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        "EdDSA",
        "eyJhbGciOiJFZERTQSJ9",
        "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RFC7515)
def test_the_examples_of_the_rfcs_are_good(name: str) -> None:
    jwk, alg, head, claims, signature = RFC7515[name]
    message = f"{head}.{claims}"
    check = checker(jwk, alg)
    assert check(message.encode(), decode(signature))
    assert not check(message.encode() + b"x", decode(signature))


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256", "Ed25519"])
def test_our_own_keys_check_what_they_signed_and_nothing_else(alg: str) -> None:
    signer = Signer(make(alg), alg)
    check, signature = checker(signer.public, alg), signer.raw(b"message")
    assert check(b"message", signature)
    assert not check(b"massage", signature)
    for bad in (b"", signature[:-1], signature + b"\0", bytes(len(signature)), signature[::-1]):
        assert not check(b"message", bad)
    assert algorithms_of(signer.public) == (alg,)


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256"])
def test_joserfc_and_pyjwt_judge_the_same_signatures_as_we_do(alg: str) -> None:
    signer = Signer(make(alg), alg)
    check, theirs, other = checker(signer.public, alg), import_key(dict(signer.public)), jwt.PyJWK(signer.public)
    good = signer.sign("JWT", b'{"sub":"a"}')
    message, _, signature = good.rpartition(".")
    spoiled = [good] + [
        f"{message}.{signature[:place]}{'A' if signature[place] != 'A' else 'B'}{signature[place + 1 :]}"
        for place in range(0, len(signature) - 1, max(len(signature) // 20, 1))
    ]
    for token in spoiled:
        text, _, part = token.rpartition(".")
        ours = check(text.encode(), decode(part))
        assert ours == _joserfc(token, theirs, alg) == _pyjwt(token, other, alg) == (token == good)


def _joserfc(token: str, key: Any, alg: str) -> bool:
    try:
        jws.deserialize_compact(token, key, algorithms=[alg])
    except JoseError:
        return False
    return True


def _pyjwt(token: str, key: Any, alg: str) -> bool:
    try:
        jwt.decode(token, key, algorithms=[alg])
    except jwt.PyJWTError:
        return False
    return True


def test_a_key_for_one_algorithm_makes_no_checker_for_another() -> None:
    public = Signer(make("RS256"), "RS256").public
    for alg in ALGORITHMS:
        if alg != "RS256":
            with pytest.raises(UnfitKey):
                checker(public, alg)
    without = {name: value for name, value in public.items() if name != "alg"}
    assert set(algorithms_of(without)) == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
