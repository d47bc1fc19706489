"""Tokens of any shape: signed by the issuer, by a stranger, by nobody, or with the wrong kind of key; wrong on request.

What lives here: encoding. What must not: what a token stands for in a store; that is `testing.token_issuer`.
"""

import hmac
from collections.abc import Callable, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from msgspec import json

from evergrant.domain.base64url import encode as b64
from evergrant.keys.signing import Signer, make

AT_JWT: Final = "at+jwt"


class By(StrEnum):
    """Who signs. What only `ISSUER` signs may be accepted."""

    ISSUER = "issuer"
    STRANGER = "stranger"
    """A key that is in no key set, under the id of one that is."""
    NOBODY = "nobody"
    """`alg: none` and an empty signature (RFC 8725 section 3.1)."""
    CONFUSED = "confused"
    """An HMAC under the public key's own text, for verifiers that let a token choose its algorithm (section 3.1)."""
    UNKNOWN = "unknown"
    """A key that is in no key set, under its own id."""


def shaped(signer: Signer, by: By, typ: str, claims: Mapping[str, Any], header: Mapping[str, Any]) -> str:
    """A compact JWS of *claims*; *header* adds to the header or replaces its members, None takes one away."""
    stranger = Signer(make(signer.alg), signer.alg)
    alg = {By.NOBODY: "none", By.CONFUSED: "HS256"}.get(by, signer.alg)
    kid = stranger.kid if by is By.UNKNOWN else signer.kid
    members = {"typ": typ, "alg": alg, "kid": kid, **header}
    kept = {name: value for name, value in members.items() if value is not None}
    message = b64(json.encode(kept)) + b"." + b64(json.encode(dict(claims)))
    return (message + b"." + b64(_signature(signer, stranger, by)(message))).decode("ascii")


def _signature(signer: Signer, stranger: Signer, by: By) -> Callable[[bytes], bytes]:
    if by is By.NOBODY:
        return lambda _: b""
    if by is By.CONFUSED:
        key = json.encode(signer.public)
        return lambda message: hmac.digest(key, message, sha256)
    return signer.raw if by is By.ISSUER else stranger.raw
