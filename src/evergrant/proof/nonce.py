"""A server's nonces (RFC 9449 section 8), with nothing stored: a MAC over the window in which they were made.

Whoever has the key, on whichever node, makes the same one in the same window, and takes it in that and in the next.
"""

from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Final

from evergrant.domain import base64url
from evergrant.domain.mac import mac_with

WINDOW: Final = 60
"""Seconds. A nonce is taken for one to two of them."""
_LENGTH: Final = 16


class Nonces:
    """Nonces under the 32-byte keys of an instant: the first one makes them, and every one of them is believed."""

    def __init__(self, keys: Callable[[int], Sequence[bytes]]) -> None:
        self._keys = keys

    def current(self, now: int) -> str:
        """The nonce of this window."""
        return _made(self._keys(now)[0], now // WINDOW)

    def fits(self, nonce: str, now: int) -> bool:
        """Whether one of these keys made *nonce* in this window or the one before."""
        raw = nonce.encode("utf-8", "replace")
        fitting = False
        for key in self._keys(now):
            for window in (now // WINDOW, now // WINDOW - 1):
                fitting |= compare_digest(_made(key, window).encode("ascii"), raw)
        return fitting


def _made(key: bytes, window: int) -> str:
    mac = mac_with(key)(b"dpop nonce" + window.to_bytes(8, "big", signed=True))
    return base64url.encode(mac[:_LENGTH]).decode("ascii")
