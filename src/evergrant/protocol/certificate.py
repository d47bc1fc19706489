"""A client's certificate as a proxy hands it on (RFC 9440), and its thumbprint (RFC 8705 section 3.1).

Whether whoever sent the header is believed at all is for `evergrant.web`; who signed the certificate was for the proxy.
"""

import re
from base64 import b64decode
from hashlib import sha256
from typing import Final

from evergrant.domain import base64url

HEADER: Final = "client-cert"
MAX_HEADER: Final = 16_384
# A structured field's byte sequence (RFC 8941 section 3.3.5), without parameters.
_BYTES: Final = re.compile(r":([A-Za-z0-9+/]+={0,2}):\Z")
_SEQUENCE: Final = 0x30


def certificate_thumbprint(header: str) -> str:
    """The `x5t#S256` of the certificate in a `Client-Cert` header, empty when there is none that can be read."""
    match = _BYTES.match(header) if len(header) <= MAX_HEADER else None
    if match is None:
        return ""
    try:
        der = b64decode(match[1], validate=True)
    except ValueError:
        return ""
    return base64url.encode(sha256(der).digest()).decode("ascii") if der[:1] == bytes((_SEQUENCE,)) else ""
