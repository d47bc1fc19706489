"""Signing keys at work: making them, and turning claims into a JWS in one pass (RFC 7515, RFC 7518, RFC 8037).

The header of a token kind is constant per key, so it is encoded once. Verification is next door (`keys.verifying`).
"""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from evergrant.domain.base64url import encode as b64
from evergrant.keys.port import KeyUnusable

ALGORITHMS: Final = ("ES256", "RS256", "PS256", "Ed25519")
RSA_BITS: Final = 2_048
_P256_BYTES: Final = 32

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def make(alg: str) -> PrivateKey:
    """A new private key for *alg*. Raises `KeyUnusable` for an algorithm that is not offered."""
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if alg in {"RS256", "PS256"}:
        return rsa.generate_private_key(65_537, RSA_BITS)
    if alg == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    msg = f"no such signing algorithm: {alg}; choose one of {', '.join(ALGORITHMS)}"
    raise KeyUnusable(msg)


def to_der(key: PrivateKey) -> bytes:
    """The private key in clear, PKCS #8; only ever to be sealed."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def from_der(raw: bytes) -> PrivateKey:
    """The private key behind PKCS #8. Raises `KeyUnusable`."""
    try:
        key = serialization.load_der_private_key(raw, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        msg = "a signing key that cannot be read"
        raise KeyUnusable(msg) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        msg = "a signing key of an unknown kind"
        raise KeyUnusable(msg)
    return key


def public_jwk(key: PrivateKey, alg: str) -> dict[str, str]:
    """The public half as a JWK with `kid` (RFC 7638 thumbprint), `use` and `alg` (RFC 7517)."""
    public = key.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_numbers()
        members = {"crv": "P-256", "kty": "EC", "x": _number(point.x, _P256_BYTES), "y": _number(point.y, _P256_BYTES)}
    elif isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        members = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    else:
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        members = {"crv": "Ed25519", "kty": "OKP", "x": b64(raw).decode()}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    # The algorithm is part of the id: one RSA pair is never used for two algorithms, and its ids must differ too.
    thumbprint = b64(sha256(canonical + alg.encode()).digest()).decode()
    return {**members, "kid": thumbprint, "use": "sig", "alg": alg}


def _number(value: int, length: int | None = None) -> str:
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big")).decode()


def _signature_of(key: PrivateKey, alg: str) -> Callable[[bytes], bytes]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        # Hashed here: the library's own hashing looks its algorithm up at each call.
        ecdsa = ec.ECDSA(Prehashed(hashes.SHA256()))
        sign = key.sign

        def es256(message: bytes) -> bytes:
            return concatenated(sign(sha256(message).digest(), ecdsa))

        return es256
    if isinstance(key, rsa.RSAPrivateKey):
        scheme: Any = padding.PKCS1v15()
        if alg == "PS256":
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        return lambda message: key.sign(message, scheme, hashes.SHA256())
    return key.sign


def concatenated(der: bytes) -> bytes:
    """The r and s of a P-256 signature, 32 bytes each (RFC 7518 section 3.4), cut out of their DER sequence.

    The lengths are one byte each, because a P-256 signature is never longer than 72 bytes.
    """
    split = 4 + der[3]
    r, s = der[4:split], der[split + 2 :]
    return r[-_P256_BYTES:].rjust(_P256_BYTES, b"\0") + s[-_P256_BYTES:].rjust(_P256_BYTES, b"\0")


class Signer:
    """One private key at work. `sign(typ, claims)` gives a compact JWS."""

    __slots__ = ("_headers", "_sign", "alg", "kid", "public")

    def __init__(self, key: PrivateKey, alg: str) -> None:
        self.public: Final = public_jwk(key, alg)
        self.kid: Final = self.public["kid"]
        self.alg: Final = alg
        self._sign = _signature_of(key, alg)
        self._headers: dict[str, bytes] = {}

    def sign(self, typ: str, claims: bytes) -> str:
        """The compact JWS of *claims* (a JSON object, encoded) with this key's constant header for *typ*."""
        return self.signed(self.message(typ, claims))

    def message(self, typ: str, claims: bytes) -> bytes:
        """What is to be signed: the first two parts of the JWS."""
        header = self._headers.get(typ)
        if header is None:
            fields = {"typ": typ, "alg": self.alg, "kid": self.kid}
            header = self._headers[typ] = b64(json.dumps(fields, separators=(",", ":")).encode()) + b"."
        return header + b64(claims)

    def raw(self, message: bytes) -> bytes:
        """The bare signature of a `message`."""
        return self._sign(message)

    def signed(self, message: bytes) -> str:
        """The whole JWS of a `message`."""
        return (message + b"." + b64(self._sign(message))).decode("ascii")
