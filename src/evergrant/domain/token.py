"""What a machine-made token looks like inside: kind, family, generation, secret, and a MAC over all of it.

`egr_` + base64url(version | family id | generation | secret | MAC). The MAC is checked before any row is read, so
garbage costs nothing, and an authentic generation number lets any ancestor be recognised without storing it.
The prefix is under the MAC: no kind can be used as another, and secret scanners can find each.
What must not live here: keys (they are passed in) and randomness (the secret is passed in).
"""

import struct
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Mapping
from hmac import compare_digest
from typing import Final, NamedTuple

from evergrant.domain.base64url import encode
from evergrant.domain.mac import mac_with

REFRESH: Final = "egr_"
ACCESS: Final = "ega_"
CODE: Final = "egc_"
CLIENT_SECRET: Final = "egs_"
SESSION: Final = "egk_"
FLOW: Final = "egf_"
API_KEY: Final = "egp_"
PREFIXES: Final = (REFRESH, ACCESS, CODE, CLIENT_SECRET, SESSION, FLOW, API_KEY)

SECRET_LENGTH: Final = 32
MAC_LENGTH: Final = 16
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_BODY: Final = struct.Struct(">B16sI32s")
_RAW_LENGTH: Final = _BODY.size + MAC_LENGTH
REFRESH_LENGTH: Final = len(REFRESH) + _RAW_LENGTH * 4 // 3


class RefreshToken(NamedTuple):
    """A refresh token taken apart. *version* names the MAC key that signed it."""

    version: int
    family_id: bytes
    generation: int
    secret: bytes


def write_refresh(token: RefreshToken, key: bytes) -> str:
    """The text a client gets. Deterministic: the same token and key give the same text."""
    body = _BODY.pack(*token)
    mac = mac_with(key)(b"egr_" + body)[:MAC_LENGTH]
    return REFRESH + encode(body + mac).decode("ascii")


def read_refresh(text: str, keys: Mapping[int, bytes]) -> RefreshToken | None:
    """The authentic token behind *text*, or None for anything else: other kind, length, alphabet, key or MAC."""
    if len(text) != REFRESH_LENGTH or not text.startswith(REFRESH) or "+" in text or "/" in text:
        return None  # the decoder takes `+` and `/` for `-` and `_`: one token would have many spellings
    try:
        raw = a2b_base64(text[4:].encode("ascii").translate(_STANDARD))
    except (NotBase64, UnicodeEncodeError, ValueError):
        return None
    if len(raw) != _RAW_LENGTH:
        return None
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    key = keys.get(raw[0])
    if key is None or not compare_digest(mac_with(key)(b"egr_" + body)[:MAC_LENGTH], mac):
        return None
    return RefreshToken._make(_BODY.unpack(body))


def write_opaque(prefix: str, secret: bytes) -> str:
    """A token that is only a name for a row: prefix and 32 random bytes."""
    return prefix + encode(secret).decode("ascii")


def kind_of(text: str) -> str:
    """The prefix of *text* when it is one of ours, else the empty string."""
    return text[:4] if text[:4] in PREFIXES else ""
