"""That a proof was used before (RFC 9449 section 11.1): remembered here, bounded, for as long as it could pass.

Two generations of one dictionary: what was not seen for a whole span is forgotten with its generation, whatever steps
the clock takes, and a flood makes the older one go sooner, never the memory grow (attack P-07). What other processes
saw is not known here; why that is enough stands in docs/decisions/dpop-replay.md.
"""

from hashlib import sha256
from typing import Final

from evergrant.proof.nonce import WINDOW
from evergrant.protocol.dpop import FUTURE, PAST, Proof

SPAN: Final = max(PAST + FUTURE, 2 * WINDOW) + 1
"""Seconds for which a proof can pass, by its own time or by its nonce."""
MOST: Final = 50_000
"""Proofs in one generation; about 150 bytes each."""
_KEY: Final = 16


class Replays:
    """The proofs used lately."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self._since = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def first(self, proof: Proof, purpose: bytes, now: int) -> bool:
        """Whether *proof* is new, or has been seen for this very *purpose* alone.

        A request that is repeated byte for byte, because its answer was lost, has the same proof and the same purpose.
        An empty purpose is no purpose: then a proof is taken once.
        """
        if now - self._since >= SPAN or len(self._young) >= self._most:
            self._old, self._young, self._since = self._young, {}, now
        # A clock that was ahead is put right: what was seen then must be known for a whole span from now on (O-09).
        self._since = min(self._since, now)
        key = sha256(f"{proof.jkt} {proof.url} {proof.jti}".encode("utf-8", "replace")).digest()[:_KEY]
        seen = self._young.get(key)
        if seen is None:
            seen = self._old.get(key)
        if seen is None:
            self._young[key] = purpose
            return True
        return purpose != b"" and seen == purpose
