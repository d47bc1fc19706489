"""Keys that whoever asks brings along: whether a proof's own key made its signature (RFC 9449 section 4.3), and
proofs made with a key of ours.

The key says nothing about who holds it; that is for whoever compares its thumbprint. The algorithm must fit the key,
and a key that is too weak proves nothing (RFC 8725 section 3.1 and 3.5, RFC 7518 section 3.3).
"""

import json
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from evergrant.domain import base64url
from evergrant.keys.signing import Signer, from_der, make, to_der
from evergrant.protocol.dpop import TYPE, Proof, thumbprint

LEAST_RSA_BITS: Final = 2_048
MOST_RSA_BITS: Final = 4_096
LEAST_EXPONENT: Final = 65_537
_HALF: Final = 32
_KEPT: Final = 4_096
Check = Callable[[bytes, bytes], None]


def holds(proof: Proof) -> bool:
    """Whether the key that *proof* names has signed it."""
    try:
        _check_of(proof.alg, tuple(proof.jwk.items()))(proof.signature, proof.message)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


class ProofKey:
    """A private P-256 key and the proofs made with it (RFC 9449 section 4.2)."""

    __slots__ = ("_header", "_signer", "jkt")

    def __init__(self, der: bytes) -> None:
        self._signer: Final = Signer(from_der(der), "ES256")
        jwk = {name: self._signer.public[name] for name in ("crv", "kty", "x", "y")}
        self.jkt: Final = thumbprint(jwk)
        fields = {"typ": TYPE, "alg": "ES256", "jwk": jwk}
        self._header: Final = base64url.encode(json.dumps(fields, separators=(",", ":")).encode()) + b"."

    def prove(self, claims: dict[str, Any]) -> str:
        """The compact JWS of a proof's claims."""
        return self._signer.signed(self._header + base64url.encode(json.dumps(claims, separators=(",", ":")).encode()))


def make_proof_key() -> bytes:
    """A new key for `ProofKey`, PKCS #8 in clear; only ever to be sealed."""
    return to_der(make("ES256"))


@lru_cache(maxsize=_KEPT)
def _check_of(alg: str, members: tuple[tuple[str, str], ...]) -> Check:
    """How a key verifies. Kept, because a client proves itself with one key again and again.

    Raises `ValueError` for what is no key, or too weak a one.
    """
    jwk = dict(members)
    if jwk["kty"] == "EC":
        return _ecdsa(ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP256R1()).public_key())
    if jwk["kty"] == "OKP":
        return ed25519.Ed25519PublicKey.from_public_bytes(base64url.decode(jwk["x"])).verify
    modulus, exponent = _number(jwk["n"]), _number(jwk["e"])
    if not LEAST_RSA_BITS <= modulus.bit_length() <= MOST_RSA_BITS or exponent < LEAST_EXPONENT:
        msg = "an RSA key that is too weak, or too large to be checked for anybody"
        raise ValueError(msg)
    return _rsa(rsa.RSAPublicNumbers(exponent, modulus).public_key(), alg)


def _ecdsa(key: ec.EllipticCurvePublicKey) -> Check:
    scheme = ec.ECDSA(Prehashed(hashes.SHA256()))

    def check(signature: bytes, message: bytes) -> None:
        if len(signature) != 2 * _HALF:
            raise InvalidSignature
        halves = (int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big"))
        key.verify(encode_dss_signature(*halves), sha256(message).digest(), scheme)

    return check


def _rsa(key: rsa.RSAPublicKey, alg: str) -> Check:
    scheme: Any = padding.PKCS1v15()
    if alg == "PS256":
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    return lambda signature, message: key.verify(signature, message, scheme, hashes.SHA256())


def _number(text: str) -> int:
    return int.from_bytes(base64url.decode(text), "big")
