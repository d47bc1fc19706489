"""Reading the Authorization header (RFC 6750 section 2.1, RFC 9449 section 7.1): one scheme and one token."""

import re
from typing import Final

import msgspec

from evergrant.resource.refused import Refused, Why

MOST: Final = 16_384
"""Characters of a header; a longer one is refused before anything looks at it."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)
BEARER: Final = "bearer"
DPOP: Final = "dpop"
_USUAL: Final = "Bearer "
_SPACE: Final = 6
_DOTS: Final = 2
"""In a compact JWS (RFC 7515 section 7.1)."""


class Presented(msgspec.Struct, frozen=True):
    """A token as it came. *scheme* in lower case; *dotted*: whether it may be a compact JWS; *text*: the header.

    Whatever spaces and letters it was sent with, the same scheme and token have the same *text*.

    The characters of a dotted one are for whoever takes it apart to judge: each part has an alphabet of its own.
    """

    scheme: str
    token: str
    dotted: bool
    text: str

    def __repr__(self) -> str:
        return f"Presented(scheme={self.scheme!r}, dotted={self.dotted!r})"


def read(authorization: str | bytes | None) -> Presented:
    """What a request presents. Raises `Refused`."""
    header = authorization.decode("latin-1") if isinstance(authorization, bytes) else authorization or ""
    if len(header) > MOST:
        raise Refused(Why.TOO_LONG, f"the header has {len(header)} characters; {MOST} are read")
    usual = header[:7] == _USUAL and header.rfind(" ") == _SPACE and header[-1] != "\t"
    if usual and header.count(".") == _DOTS and header.isascii():
        return Presented(BEARER, header[7:], dotted=True, text=header)
    scheme, _, token = header.strip(" \t").partition(" ")
    kind = scheme.lower()
    if not scheme:
        raise Refused(Why.NO_TOKEN)
    if kind not in {BEARER, DPOP}:
        raise Refused(Why.OTHER_SCHEME, "the scheme is neither Bearer nor DPoP")
    token = token.strip(" ")
    dotted = token.count(".") == _DOTS
    if not (dotted and token.isascii()) and not _TOKEN.fullmatch(token):
        raise unreadable()
    return Presented(kind, token, dotted, (_USUAL if kind == BEARER else "DPoP ") + token)


def well_formed(token: str) -> bool:
    """Whether *token* has the characters that RFC 6750 section 2.1 allows; where it was not looked at by `read`."""
    return _TOKEN.fullmatch(token) is not None


def unreadable() -> Refused:
    """The refusal of what is not one token."""
    return Refused(Why.UNREADABLE, "not one token of the characters that RFC 6750 section 2.1 allows")
