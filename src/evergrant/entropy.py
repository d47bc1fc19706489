"""
The only door to randomness.

Rules of residence: whoever needs unpredictable bytes receives an `Entropy` as an argument, draws before the
transaction begins, and passes the bytes on; no other module asks the operating system, `secrets` or `random`. Time
lives next door, in `clock`.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os
from typing import Protocol


class Entropy(Protocol):
    """What mints secrets and identifiers."""

    def draw(self, count: int) -> bytes:
        """Return `count` bytes that nobody can predict."""
        ...


class SystemEntropy:
    """
    The operating system's generator, asked afresh for each draw.

    Nothing is buffered here on purpose: a draw costs 0.6 µs, and a buffer would be a list of tomorrow's secrets lying
    in memory, would have to be locked between threads, and would hand out the same secrets twice after a fork, or after
    a virtual machine is cloned from a snapshot, which no at-fork hook can see.
    """

    __slots__ = ()

    def draw(self, count: int) -> bytes:
        """Return `count` bytes from the kernel's generator."""
        return os.urandom(count)


class SeededEntropy:
    """
    NOT RANDOM. FOR TESTS ONLY. EVERY SECRET DRAWN FROM HERE IS KNOWN TO WHOEVER KNOWS THE SEED.

    A stream of HMAC-SHA-256 blocks over a counter: the same seed gives the same tokens, so that a failing test can be
    run again exactly. A server started with this hands out predictable refresh tokens. Two draws never share bytes,
    from whichever thread they come.
    """

    __slots__ = ("_counter", "_key")

    def __init__(self, seed: bytes | str | int = 0) -> None:
        """Begin the stream that belongs to `seed`."""
        material = seed if isinstance(seed, bytes) else str(seed).encode()
        self._key = hashlib.sha256(b"evergrant seeded entropy\x00" + material).digest()
        self._counter = itertools.count()

    def draw(self, count: int) -> bytes:
        """Return the next `count` bytes of the stream."""
        blocks = (self._block() for _ in range(-(-count // 32)))
        return b"".join(blocks)[:count]

    def _block(self) -> bytes:
        return hmac.digest(self._key, next(self._counter).to_bytes(8, "big"), "sha256")
