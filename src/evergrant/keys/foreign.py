"""Verifying what somebody else signed, by the keys they publish (RFC 7515, RFC 7517).

The algorithm must be one of a closed list of asymmetric ones, and it must fit the key: a public key used as an HMAC
secret, `none`, and a key meant for encryption are refused (RFC 8725 section 3.1).
"""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from msgspec import DecodeError, json

MAX_TOKEN: Final = 16_384
ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "RS256": ("RSA",),
    "RS384": ("RSA",),
    "RS512": ("RSA",),
    "PS256": ("RSA",),
    "PS384": ("RSA",),
    "PS512": ("RSA",),
    "ES256": ("EC",),
    "ES384": ("EC",),
    "ES512": ("EC",),
    "Ed25519": ("OKP",),
    "EdDSA": ("OKP",),
}
"""Signature algorithm → key types that may carry it."""


class Signed(StrEnum):
    """How a token stands to a set of keys."""

    GOOD = "good"
    BAD = "bad"
    NO_KEY = "no_key"
    """No key of the set can be the one: it may have been published since the set was read."""


def claims_of(token: str) -> dict[str, Any] | None:
    """The claims of a compact JWS, believed by nobody yet; None when it is not one."""
    if len(token) > MAX_TOKEN or token.count(".") != 2:  # noqa: PLR2004 - three parts (RFC 7515 section 7.1)
        return None
    return _object(token.split(".")[1])


def check(token: str, key_set: object) -> Signed:
    """Whether one of the keys of a JWK set made the signature of *token*."""
    header = _object(token.split(".", 1)[0]) if claims_of(token) is not None else None
    if header is None or "crit" in header or header.get("alg") not in ALGORITHMS:
        return Signed.BAD
    keys = key_set.get("keys") if isinstance(key_set, dict) else None
    fitting = [key for key in keys if _fits(key, header)] if isinstance(keys, list) else []
    if not fitting:
        return Signed.NO_KEY
    return Signed.GOOD if any(_made(token, key, header["alg"]) for key in fitting) else Signed.BAD


def _fits(key: object, header: Mapping[str, Any]) -> bool:
    if not isinstance(key, dict) or key.get("kty") not in ALGORITHMS[header["alg"]]:
        return False
    if key.get("use", "sig") != "sig" or key.get("alg", header["alg"]) != header["alg"]:
        return False
    return "kid" not in header or key.get("kid") == header["kid"]


def _made(token: str, key: Mapping[str, Any], algorithm: str) -> bool:
    try:
        jws.deserialize_compact(token, import_key(dict(key)), algorithms=[algorithm])
    except (JoseError, ValueError, TypeError, KeyError):
        return False
    return True


def _object(part: str) -> dict[str, Any] | None:
    try:
        value = json.decode(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (DecodeError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
