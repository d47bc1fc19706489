"""Access tokens on requests, and the challenges that answer them (RFC 6750; RFC 9449 section 7.1)."""

from typing import Final, NamedTuple

from evergrant.protocol.dpop import ALGORITHMS, SCHEME, DpopRefused
from evergrant.protocol.error import Code, Refused

BEARER: Final = "Bearer"
NO_TOKEN: Final = "no token was sent"


class Sent(NamedTuple):
    """An access token as it was sent: under the scheme `Bearer` or `DPoP`."""

    scheme: str
    token: str


def read_token(header: str, posted: str | None = None) -> Sent:
    """The one token of a request, as `read_bearer` and of either scheme. Raises `Refused`."""
    scheme, _, token = header.partition(" ")
    if posted is None and scheme.lower() == SCHEME.lower():
        return Sent(SCHEME, read_bearer(f"{BEARER} {token}"))
    return Sent(BEARER, read_bearer(header, posted))


def read_bearer(header: str, posted: str | None = None) -> str:
    """The one token of a request, from its Authorization header or its form body (section 2). Raises `Refused`."""
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if header and posted is not None:
        raise Refused(Code.INVALID_REQUEST, "The token was sent in two ways.")
    if header and scheme.lower() != "bearer":
        raise Refused(Code.INVALID_TOKEN, "The Authorization scheme is not Bearer.", NO_TOKEN)
    found = posted if posted is not None else token
    if not found:
        raise Refused(Code.INVALID_TOKEN, "A bearer token is needed.", NO_TOKEN)
    if " " in found or not found.isascii() or not found.isprintable():
        raise Refused(Code.INVALID_REQUEST, "The Authorization header cannot be read.")
    return found


def challenge(error: Refused, scope: str = "") -> str:
    """The WWW-Authenticate value for a refusal (section 3); no error code when no token was sent at all.

    With a proof in play it is the one of RFC 9449 section 7.1, which names the algorithms.
    """
    dpop = isinstance(error, DpopRefused)
    parts = [f'{SCHEME if dpop else BEARER} realm="evergrant"']
    if error.detail != NO_TOKEN:
        parts.append(f'error="{error.code}"')
        parts.append(f'error_description="{error.description}"')
    if error.code is Code.INSUFFICIENT_SCOPE and scope:
        parts.append(f'scope="{scope}"')
    if dpop:
        parts.append(f'algs="{" ".join(ALGORITHMS)}"')
    return ", ".join(parts)
