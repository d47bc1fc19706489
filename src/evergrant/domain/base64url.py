"""base64url without padding (RFC 7515 section 2), in the fewest calls: eight of them are in every refresh."""

from base64 import urlsafe_b64decode
from binascii import b2a_base64
from typing import Final

_URL: Final = bytes.maketrans(b"+/", b"-_")


def encode(raw: bytes) -> bytes:
    """The text of *raw*, as bytes."""
    return b2a_base64(raw, newline=False).translate(_URL).rstrip(b"=")


def decode(text: str) -> bytes:
    """What *text* stands for. Raises `ValueError` (`binascii.Error` is one) for what cannot be read."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
