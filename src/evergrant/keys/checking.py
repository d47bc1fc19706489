"""Public keys of others at work: from a JWK to a function that checks one signature (RFC 7517, RFC 7518, RFC 8037).

A checker is made for one key and one algorithm, so a token's header can only choose among them and never pair them
anew (RFC 8725 section 3.1). Weak keys, keys meant for something else and keys that ought to be secret make none.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from evergrant.domain.base64url import decode, encode

Check = Callable[[bytes, bytes], bool]
"""Message and signature → whether the key made it. Raises nothing."""

LEAST_RSA_BITS: Final = 2_048
MOST_RSA_BITS: Final = 8_192
LEAST_EXPONENT: Final = 65_537
MOST_EXPONENT_BITS: Final = 64
PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
"""Members that only a private or shared key has (RFC 7518 section 6)."""


class UnfitKey(ValueError):
    """A JWK that checks nothing here; the text says why and names no key material."""


class _Curve(NamedTuple):
    curve: ec.EllipticCurve
    width: int
    hash: hashes.HashAlgorithm


_CURVES: Final = {
    "ES256": ("P-256", _Curve(ec.SECP256R1(), 32, hashes.SHA256())),
    "ES384": ("P-384", _Curve(ec.SECP384R1(), 48, hashes.SHA384())),
    "ES512": ("P-521", _Curve(ec.SECP521R1(), 66, hashes.SHA512())),
}
_HASHES: Final = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_ED: Final = ("Ed25519", "EdDSA")
_ROCA_PRIMES: Final = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
ALGORITHMS: Final = (*_CURVES, *_RSA, *_ED)
"""What can be checked: asymmetric algorithms alone."""


def algorithms_of(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    """The algorithms a key may be used for: the one it names, else all that fit its type and curve."""
    kind, curve = jwk.get("kty"), jwk.get("crv")
    fitting: tuple[str, ...] = ()
    if kind == "RSA":
        fitting = _RSA
    elif kind == "EC":
        fitting = tuple(alg for alg, (name, _) in _CURVES.items() if name == curve)
    elif kind == "OKP" and curve == "Ed25519":
        fitting = _ED
    named = jwk.get("alg")
    if named is None:
        return fitting
    return (named,) if named in fitting else ()


def checker(jwk: Mapping[str, Any], algorithm: str) -> Check:
    """What checks signatures of *algorithm* by this key. Raises `UnfitKey`."""
    if not PRIVATE.isdisjoint(jwk):
        raise UnfitKey("it holds its private half")
    if jwk.get("use", "sig") != "sig":
        raise UnfitKey("its use is not sig")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise UnfitKey("its key_ops do not hold verify")
    if algorithm not in algorithms_of(jwk):
        raise UnfitKey(f"it is no key for {algorithm}")
    try:
        if algorithm in _CURVES:
            return _ecdsa(jwk, *_CURVES[algorithm])
        if algorithm in _RSA:
            return _rsa(jwk, algorithm)
        return _ed25519(jwk)
    except UnfitKey:
        raise
    except ValueError as error:
        raise UnfitKey("its numbers are no key") from error


def _ecdsa(jwk: Mapping[str, Any], _: str, of: _Curve) -> Check:
    x, y = _raw(jwk, "x"), _raw(jwk, "y")
    if len(x) != of.width or len(y) != of.width:
        raise UnfitKey("its point has another length than its curve")
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), of.curve)
    verify, scheme, width = numbers.public_key().verify, ec.ECDSA(of.hash), of.width
    whole = 2 * width

    def check(message: bytes, signature: bytes) -> bool:
        if len(signature) != whole:
            return False
        r, s = int.from_bytes(signature[:width], "big"), int.from_bytes(signature[width:], "big")
        try:
            verify(encode_dss_signature(r, s), message, scheme)
        except (InvalidSignature, ValueError):
            return False
        return True

    return check


def _rsa(jwk: Mapping[str, Any], algorithm: str) -> Check:
    n, e = int.from_bytes(_raw(jwk, "n"), "big"), int.from_bytes(_raw(jwk, "e"), "big")
    if not LEAST_RSA_BITS <= n.bit_length() <= MOST_RSA_BITS:
        raise UnfitKey(f"it has {n.bit_length()} bits; between {LEAST_RSA_BITS} and {MOST_RSA_BITS} are used")
    if e < LEAST_EXPONENT or e.bit_length() > MOST_EXPONENT_BITS or e % 2 == 0:
        raise UnfitKey("its exponent is too small, too large or even")
    if _factorable(n):
        raise UnfitKey("it was made by a chip whose keys can be factored (ROCA, CVE-2017-15361)")
    verify, digest = rsa.RSAPublicNumbers(e, n).public_key().verify, _HASHES[algorithm[2:]]
    scheme: Any = padding.PKCS1v15()
    if algorithm.startswith("PS"):
        scheme = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)

    def check(message: bytes, signature: bytes) -> bool:
        try:
            verify(signature, message, scheme, digest)
        except (InvalidSignature, ValueError):
            return False
        return True

    return check


def _factorable(n: int) -> bool:
    """Whether *n* has the mark of ROCA: modulo each of these primes it is a power of 65537."""
    return all(n % prime in _powers(prime) for prime in _ROCA_PRIMES)


@cache
def _powers(prime: int) -> frozenset[int]:
    return frozenset(pow(LEAST_EXPONENT, power, prime) for power in range(prime))


def _ed25519(jwk: Mapping[str, Any]) -> Check:
    verify = ed25519.Ed25519PublicKey.from_public_bytes(_raw(jwk, "x")).verify

    def check(message: bytes, signature: bytes) -> bool:
        try:
            verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    return check


def _raw(jwk: Mapping[str, Any], member: str) -> bytes:
    """The bytes of a member, in their one canonical spelling."""
    text = jwk.get(member)
    if not isinstance(text, str) or not text.isascii():
        raise UnfitKey(f"its member {member} is missing or no text")
    raw = decode(text)
    if encode(raw).decode("ascii") != text:
        raise UnfitKey(f"its member {member} is not plain base64url")
    return raw
