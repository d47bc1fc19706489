"""HMAC-SHA256 (RFC 2104) for short messages, from two hash states that are made once per key.

The standard library's one-shot HMAC looks its algorithm up in OpenSSL at each call; on the refresh path, three times
per refresh, that lookup cost more than the hashing (benchmarks/README.md). Tests hold this against `hmac`.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Final

_BLOCK: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


@lru_cache(maxsize=512)
def mac_with(key: bytes) -> Callable[[bytes], bytes]:
    """The MAC function of one key of at most 64 bytes."""
    padded = key.ljust(_BLOCK, b"\0")
    inner, outer = sha256(padded.translate(_INNER)), sha256(padded.translate(_OUTER))

    def mac(message: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(message)
        second.update(first.digest())
        return second.digest()

    return mac


def mac_once(key: bytes, message: bytes) -> bytes:
    """One MAC under a key that is used once."""
    padded = key.ljust(_BLOCK, b"\0")
    return sha256(padded.translate(_OUTER) + sha256(padded.translate(_INNER) + message).digest()).digest()
