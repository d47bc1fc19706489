"""Whether the client is who it says, in one of the ways this provider accepts (RFC 6749 section 2.3)."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any, Final
from urllib.parse import unquote_plus

from evergrant.keeper.provider.model import ClientAuth
from evergrant.keys.foreign import Signed, check, claims_of

JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_PROOF: Final = 600


@dataclass(slots=True)
class Registered:
    """The one client that is registered here. *keys*: public JWKs that verify its assertions."""

    client_id: str
    client_secret: str
    keys: tuple[Mapping[str, Any], ...] = ()
    used: set[str] = field(default_factory=set)
    """The `jti` of every assertion seen: each proves itself once."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows of its client."""

    header: str
    params: Mapping[str, str]
    audiences: tuple[str, ...] = ()
    """Whom an assertion may be for."""
    now: int = 0

    @property
    def way(self) -> ClientAuth:
        """Which way the client went."""
        if self.header[:6].lower() == "basic ":
            return ClientAuth.BASIC
        if self.params.get("client_assertion_type") == JWT_BEARER:
            return ClientAuth.PRIVATE_KEY_JWT
        return ClientAuth.POST if self.params.get("client_secret") else ClientAuth.NONE


def proves(client: Registered, ways: Collection[ClientAuth], shown: Shown) -> str:
    """An empty text when the client is authenticated, or what is wrong, in a sentence."""
    used = shown.way
    if used is ClientAuth.BASIC and ClientAuth.BASIC not in ways and ClientAuth.SECRET_KEY_BASIC in ways:
        used = ClientAuth.SECRET_KEY_BASIC
    if shown.header and "client_secret" in shown.params:
        return "two ways of client authentication in one request"
    if used not in ways:
        return f"this client must authenticate by {' or '.join(ways)}, not by {used}"
    if used is ClientAuth.PRIVATE_KEY_JWT:
        return _assertion(client, shown)
    return "" if _right(client, used, shown) else "the client is unknown or its secret is wrong"


def _right(client: Registered, used: ClientAuth, shown: Shown) -> bool:
    match used:
        case ClientAuth.BASIC:
            return _pair(shown.header) == (client.client_id, client.client_secret)
        case ClientAuth.SECRET_KEY_BASIC:
            return _pair(shown.header) == (client.client_secret, "")
        case ClientAuth.POST:
            given = shown.params.get("client_secret", "")
            right = compare_digest(given.encode(), client.client_secret.encode())
            return right and shown.params.get("client_id") == client.client_id
    return shown.params.get("client_id") == client.client_id


def _assertion(client: Registered, shown: Shown) -> str:
    """What is wrong with an assertion (RFC 7523 section 3)."""
    token = shown.params.get("client_assertion", "")
    claims = claims_of(token) or {}
    if check(token, {"keys": list(client.keys)}) is not Signed.GOOD:
        return "the assertion is signed by no key that is registered here"
    if not claims.get("iss") == claims.get("sub") == client.client_id:
        return "the assertion is not about this client"
    if claims.get("aud") not in shown.audiences:
        return f"the assertion is for {claims.get('aud')!r}, not for {' or '.join(shown.audiences)}"
    ends = claims.get("exp")
    if not isinstance(ends, int) or not shown.now < ends <= shown.now + LONGEST_PROOF:
        return "the assertion has expired, or lives too long"
    if not claims.get("jti") or claims["jti"] in client.used:
        return "the assertion was used before"
    client.used.add(str(claims["jti"]))
    return ""


def _pair(header: str) -> tuple[str, str]:
    try:
        name, _, secret = b64decode(header[6:].strip(), validate=True).decode().partition(":")
    except (NotBase64, ValueError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)
