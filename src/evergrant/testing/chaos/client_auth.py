"""Whether the client is who it says, in one of the ways this provider accepts (RFC 6749 section 2.3)."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import unquote_plus

from evergrant.keeper.provider.model import ClientAuth

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Registered:
    """The one client that is registered here."""

    client_id: str
    client_secret: str


def proves(client: Registered, ways: Collection[ClientAuth], header: str, params: Mapping[str, str]) -> str:
    """An empty text when the client is authenticated, or what is wrong, in a sentence."""
    used = way_of(header, params)
    if used is ClientAuth.BASIC and ClientAuth.BASIC not in ways and ClientAuth.SECRET_KEY_BASIC in ways:
        used = ClientAuth.SECRET_KEY_BASIC
    if header and "client_secret" in params:
        return "two ways of client authentication in one request"
    if used not in ways:
        return f"this client must authenticate by {' or '.join(ways)}, not by {used}"
    return "" if _right(client, used, header, params) else "the client is unknown or its secret is wrong"


def way_of(header: str, params: Mapping[str, str]) -> ClientAuth:
    """Which way a request went."""
    if header[:6].lower() == "basic ":
        return ClientAuth.BASIC
    if params.get("client_assertion_type") == JWT_BEARER:
        return ClientAuth.PRIVATE_KEY_JWT
    return ClientAuth.POST if params.get("client_secret") else ClientAuth.NONE


def _right(client: Registered, used: ClientAuth, header: str, params: Mapping[str, str]) -> bool:
    match used:
        case ClientAuth.BASIC:
            return _pair(header) == (client.client_id, client.client_secret)
        case ClientAuth.SECRET_KEY_BASIC:
            return _pair(header) == (client.client_secret, "")
        case ClientAuth.POST:
            given = params.get("client_secret", "")
            right = compare_digest(given.encode(), client.client_secret.encode())
            return right and params.get("client_id") == client.client_id
        case ClientAuth.PRIVATE_KEY_JWT:
            return params.get("client_assertion", "").count(".") == 2
        case ClientAuth.NONE:
            return params.get("client_id") == client.client_id


def _pair(header: str) -> tuple[str, str]:
    try:
        name, _, secret = b64decode(header[6:].strip(), validate=True).decode().partition(":")
    except (NotBase64, ValueError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)
