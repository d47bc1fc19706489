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
    """A token as it came. *scheme* in lower case."""

    scheme: str
    token: str

    @property
    def dotted(self) -> bool:
        """Whether it may be a compact JWS."""
        return self.token.count(".") == 2  # noqa: PLR2004 - RFC 7515 section 7.1


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
    if not _TOKEN.fullmatch(token):
        raise Refused(Why.UNREADABLE, "not one token of the characters that RFC 6750 section 2.1 allows")
    return Presented(kind, token)
