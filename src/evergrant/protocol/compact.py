"""A compact JWS taken apart strictly (RFC 7515 section 7.1), and JSON objects that mean one thing only.

Strict means: base64url without padding in its one spelling, UTF-8, an object, no member twice (RFC 8725 section 2.4),
no number that is none. Nothing here believes anything: signatures are checked in `keys`.
"""

import json as slow
from typing import Any, Final

from msgspec import DecodeError, json

# What the standard alphabet or a JSON text has of its own becomes a letter that is in neither.
_STANDARD: Final = bytes.maketrans(b'-_+/="\\', b"+/!!!!!")
_CLOSING: Final = (b'"', b"", b'=="', b'="')
_decoded: Final = json.Decoder(bytes).decode
"""From a JSON text of strict base64 to its bytes, in a third of the time of `binascii`."""
_LAST: Final = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")
"""Letters that a text of so many letters over may end in: those whose unused bits are zero."""


class Unreadable(ValueError):
    """Not what it should be; the text reflects nothing of it."""


def raw(part: bytes) -> bytes:
    """The bytes behind one part. Raises `Unreadable` for another alphabet, padding or length."""
    over = len(part) % 4
    if over == 1:
        raise Unreadable("not base64url")
    try:
        return _decoded(b'"' + part.translate(_STANDARD) + _CLOSING[over])
    except DecodeError as error:
        raise Unreadable("not base64url") from error


def raw_exact(part: bytes) -> bytes:
    """As `raw`, and no other text stands for the same bytes: unused bits are zero."""
    over = len(part) % 4
    if over and part[-1] not in _LAST[over]:
        raise Unreadable("base64url with bits to spare")
    return raw(part)


def json_object(text: bytes) -> dict[str, Any]:
    """The object that *text* is. Raises `Unreadable`."""
    try:
        found = json.decode(text)
        if isinstance(found, dict) and json.encode(found) == text:
            return found  # what is written the same way again has no member twice
        found = slow.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
        json.encode(found)  # lone surrogates are no text
    except (DecodeError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Unreadable("not one JSON object") from error
    if not isinstance(found, dict):
        raise Unreadable("JSON, but no object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is there twice")  # whoever reads the other one would see another token
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
