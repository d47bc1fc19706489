"""Verifying what we signed: the algorithm comes from the key, never from the token (RFC 8725 section 3.1).

Foreign issuers' tokens are the resource side's matter; this file knows only our own keys.
"""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from msgspec import DecodeError, json

MAX_TOKEN: Final = 8_192


def public_key(jwk: Mapping[str, str]) -> Any:
    """A verification key from our own JWK."""
    return import_key(dict(jwk))


def verify(token: str, typ: str, keys: Mapping[str, tuple[str, Any]]) -> dict[str, Any] | None:
    """The claims of a compact JWS of type *typ* signed by one of *keys* (kid → algorithm, key), or None.

    Checks signature, type and that the payload is an object. Times, issuer and audience are the caller's to check.
    """
    if len(token) > MAX_TOKEN or token.count(".") != 2:  # noqa: PLR2004 - three parts (RFC 7515 section 7.1)
        return None
    try:
        header = json.decode(_unpadded(token.split(".", 1)[0]))
        if not isinstance(header, dict) or header.get("typ") != typ or "crit" in header:
            return None
        found = keys.get(header["kid"]) if isinstance(header.get("kid"), str) else None
        if found is None or header.get("alg") != found[0]:
            return None
        payload = jws.deserialize_compact(token, found[1], algorithms=[found[0]]).payload
        claims = json.decode(payload)
    except (JoseError, DecodeError, ValueError, RecursionError):  # the last: a header nested a thousand deep
        return None
    return claims if isinstance(claims, dict) else None


def _unpadded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
