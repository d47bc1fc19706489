"""Project Wycheproof's vectors, where they lie beside the repository: they are not part of it.

Where they are missing the run says so; the same classes of attack have vectors of our own in `test_verifying`.
"""

import json
import os
import warnings
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.errors import JoseError

from evergrant.keys.signing import ALGORITHMS, b64
from evergrant.keys.verifying import public_key, verify
from tests.tools import ROOT

BESIDE = ROOT.parent / "shared" / "vectors"
VECTORS = Path(os.environ.get("EVERGRANT_TEST_VECTORS", BESIDE)) / "wycheproof"
ABSENT = "the Wycheproof vectors are not here, and were not checked"
pytestmark = pytest.mark.filterwarnings(f"default:{ABSENT}")


def groups(name: str) -> list[dict]:
    """The groups of one file; none, and a warning in the run's summary, where the vectors are missing."""
    file = VECTORS / name
    if not file.is_file():
        warnings.warn(f"{ABSENT} ({name})", stacklevel=2)
        return []
    return json.loads(file.read_text(encoding="utf-8"))["testGroups"]


def accepted(raw: bytes, message: bytes, alg: str, jwk: dict) -> bool:
    """Whether the door to signatures takes *raw* over *message*; vectors fix the message, so no header of ours fits."""
    return bool(jws.JWSRegistry.algorithms[alg].verify(message, raw, public_key(jwk)))


def public_of(group: dict) -> dict:
    """The group's public key as a JWK; a few groups write it as a point only."""
    if "publicKeyJwk" in group:
        return {name: value for name, value in group["publicKeyJwk"].items() if name in {"kty", "crv", "x", "y"}}
    point = bytes.fromhex(group["publicKey"]["uncompressed"])
    return {"kty": "EC", "crv": "P-256", "x": b64(point[1:33]).decode(), "y": b64(point[33:]).decode()}


@pytest.mark.parametrize(
    ("name", "alg"), [("ecdsa_secp256r1_sha256_p1363_test.json", "ES256"), ("ed25519_test.json", "Ed25519")]
)
def test_j_11_every_signature_vector_is_judged_as_wycheproof_says(name, alg):
    wrong, checked = [], 0
    for group in groups(name):
        jwk = public_of(group)
        for vector in group["tests"]:
            told = accepted(bytes.fromhex(vector["sig"]), bytes.fromhex(vector["msg"]), alg, jwk)
            checked += 1
            if told != (vector["result"] == "valid"):
                wrong.append((vector["tcId"], vector["comment"], vector["result"]))
    assert wrong == []
    assert checked or not VECTORS.is_dir()
    print(f"{name}: {checked} vectors")


@pytest.mark.parametrize("name", ["json_web_signature_test.json", "json_web_crypto_test.json"])
def test_j_01_j_02_j_11_no_invalid_jws_is_ever_taken(name):
    wrong, checked = [], 0
    for group in groups(name):
        if "roca" in group["comment"]:
            continue  # about a key somebody else made badly; only keys made here are ever in a ring
        for vector in group["tests"]:
            if "jws" in vector:
                checked += 1
                if judge(vector["jws"], group) and vector["result"] == "invalid":
                    wrong.append((vector["tcId"], group["comment"], vector["comment"], vector["jws"]))
    assert wrong == []
    assert checked or not VECTORS.is_dir()
    print(f"{name}: {checked} vectors")


def judge(token, group) -> bool:
    jwk = group.get("public", group["private"])
    for one in jwk.get("keys", [jwk]):
        alg = one.get("alg", "")
        if alg not in ALGORITHMS:
            continue
        # Exactly the way into `verify`: the algorithm of the key, and a token without a type has the type None.
        if verify(token, None, {one.get("kid"): (alg, public_key(one))}) is not None:
            return True
        try:
            jws.deserialize_compact(token, public_key(one), algorithms=[alg])
        except (JoseError, ValueError):
            continue
        return True
    return False
