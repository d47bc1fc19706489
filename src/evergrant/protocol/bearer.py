"""Bearer tokens on requests, and the challenges that answer them (RFC 6750)."""

from typing import Final

from evergrant.protocol.error import Code, Refused

NO_TOKEN: Final = "no token was sent"


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
    """The WWW-Authenticate value for a refusal (section 3); no error code when no token was sent at all."""
    parts = ['Bearer realm="evergrant"']
    if error.detail != NO_TOKEN:
        parts.append(f'error="{error.code}"')
        parts.append(f'error_description="{error.description}"')
    if error.code is Code.INSUFFICIENT_SCOPE and scope:
        parts.append(f'scope="{scope}"')
    return ", ".join(parts)
