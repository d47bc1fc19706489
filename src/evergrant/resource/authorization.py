"""Reading the Authorization header (RFC 6750 section 2.1, RFC 9449 section 7.1): one scheme and one token."""

import re
from typing import Final, NamedTuple

from evergrant.resource.refused import Refused, Why

MOST: Final = 16_384
"""Characters of a header; a longer one is refused before anything looks at it."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)
BEARER: Final = "bearer"
DPOP: Final = "dpop"


class Presented(NamedTuple):
    """A token as it came. *scheme* in lower case; *dotted*: whether it may be a compact JWS.

    The characters of a dotted one are for whoever takes it apart to judge: each part has an alphabet of its own.
    """

    scheme: str
    token: str
    dotted: bool


def read(authorization: str | bytes | None) -> Presented:
    """What a request presents. Raises `Refused`."""
    header = authorization.decode("latin-1") if isinstance(authorization, bytes) else authorization or ""
    if len(header) > MOST:
        raise Refused(Why.TOO_LONG, f"the header has {len(header)} characters; {MOST} are read")
    scheme, _, token = header.strip(" \t").partition(" ")
    kind = scheme.lower()
    if not scheme:
        raise Refused(Why.NO_TOKEN)
    if kind not in {BEARER, DPOP}:
        raise Refused(Why.OTHER_SCHEME, "the scheme is neither Bearer nor DPoP")
    token = token.strip(" ")
    presented = Presented(kind, token, token.count(".") == 2)  # noqa: PLR2004 - RFC 7515 section 7.1
    if not (presented.dotted and token.isascii()) and not _TOKEN.fullmatch(token):
        raise unreadable()
    return presented


def well_formed(token: str) -> bool:
    """Whether *token* has the characters that RFC 6750 section 2.1 allows; where it was not looked at by `read`."""
    return _TOKEN.fullmatch(token) is not None


def unreadable() -> Refused:
    """The refusal of what is not one token."""
    return Refused(Why.UNREADABLE, "not one token of the characters that RFC 6750 section 2.1 allows")
