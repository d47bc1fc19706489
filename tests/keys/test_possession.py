"""Whether a proof's own key made its signature, and proofs of ours as another library sees them."""

import json

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from evergrant.keys.possession import ProofKey, holds, make_proof_key
from evergrant.protocol.dpop import Wanted, compare, parse
from tests.keys.test_wycheproof import groups
from tests.proving import Prover, b64, part, provers

NOW = 1_800_000_000
URL = "https://id.example/token"


@pytest.mark.parametrize("prover", [pytest.param(prover, id=name) for name, prover in provers().items()])
def test_r9449_4_3_5_a_signature_by_the_named_key_holds_and_no_other(prover):
    text = prover.proof("POST", URL, NOW)
    assert holds(parse(text))
    head, claims, signature = text.split(".")
    middle = len(signature) // 2
    other = "A" if signature[middle] != "A" else "B"
    assert not holds(parse(f"{head}.{claims}.{signature[:middle]}{other}{signature[middle + 1 :]}"))
    assert not holds(parse(f"{head}.{part({'jti': 'x', 'htm': 'GET', 'htu': URL, 'iat': NOW})}.{signature}"))
    assert not holds(parse(f"{head}.{claims}.AA"))


def test_p_09_every_kind_of_key_up_to_rsa_4096_fits_the_limits():
    for prover in (Prover(RSAKey.generate_key(4096), "PS256"), *provers().values()):
        proof = parse(prover.proof("POST", URL, NOW))
        assert holds(proof)
        assert proof.jkt == prover.jkt


@pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore::joserfc.errors.SecurityWarning")
def test_p_05_an_rsa_key_that_is_too_small_proves_nothing():
    weak = Prover(RSAKey.generate_key(1024), "RS256")
    assert not holds(parse(weak.proof("POST", URL, NOW)))


def test_p_05_an_rsa_key_with_a_small_exponent_or_an_even_modulus_proves_nothing():
    prover = provers()["RS256 2048"]
    for change in ({"e": "Aw"}, {"e": "AQAA"}, {"n": b64(b"\xff" * 255 + b"\xfe")}):
        assert not holds(parse(prover.proof("POST", URL, NOW, head={"jwk": {**prover.jwk, **change}})))


def test_j_11_a_point_that_is_not_on_the_curve_and_a_signature_of_nothing_prove_nothing():
    prover = Prover()
    off = prover.proof("POST", URL, NOW, head={"jwk": {**prover.jwk, "y": prover.jwk["x"]}})
    assert not holds(parse(off))
    head, claims, _ = prover.proof("POST", URL, NOW).split(".")
    for signature in (bytes(64), b"\x00" * 63 + b"\x01", b"\xff" * 64):
        assert not holds(parse(f"{head}.{claims}.{b64(signature)}"))


def test_a_key_of_one_kind_is_not_taken_for_an_algorithm_of_another():
    rsa, okp = provers()["RS256 2048"], Prover(OKPKey.generate_key("Ed25519"), "Ed25519")
    pss = rsa.proof("POST", URL, NOW, head={"alg": "PS256"})
    assert not holds(parse(pss))
    assert holds(parse(okp.proof("POST", URL, NOW, head={"alg": "EdDSA"})))


@pytest.mark.parametrize(
    ("name", "alg", "kind"),
    [("ecdsa_secp256r1_sha256_p1363_test.json", "ES256", "EC"), ("ed25519_test.json", "Ed25519", "OKP")],
)
def test_j_11_every_signature_vector_is_judged_as_wycheproof_says(name, alg, kind):
    proof = parse(Prover().proof("POST", URL, NOW))
    for group in groups(name):
        public = group.get("publicKeyJwk")
        if public is None:
            point = bytes.fromhex(group["publicKey"]["uncompressed"])
            public = {"crv": "P-256", "kty": "EC", "x": b64(point[1:33]), "y": b64(point[33:])}
        jwk = {member: public[member] for member in ("crv", "kty", "x", "y") if member in public}
        assert jwk["kty"] == kind
        for case in group["tests"]:
            tried = proof._replace(
                alg=alg, jwk=jwk, message=bytes.fromhex(case["msg"]), signature=bytes.fromhex(case["sig"])
            )
            assert holds(tried) is (case["result"] == "valid"), case["comment"]


def test_a_proof_of_ours_is_good_for_another_library_and_for_us():
    key = ProofKey(make_proof_key())
    claims = {"jti": "one", "htm": "POST", "htu": URL, "iat": NOW}
    text = key.prove(claims)
    proof = parse(text)
    compare(proof, Wanted("POST", URL))
    assert holds(proof)
    assert proof.jkt == key.jkt == ECKey.import_key(proof.jwk).thumbprint()
    registry = jws.JWSRegistry(algorithms=["ES256"])
    registry.max_header_length = 1_024
    theirs = jws.deserialize_compact(text, import_key(proof.jwk), algorithms=["ES256"], registry=registry)
    assert json.loads(theirs.payload) == claims
