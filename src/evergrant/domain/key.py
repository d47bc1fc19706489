"""Keys as values: a signing or MAC key as it is kept, sealed, with the times of its life.

A key is published before it signs and stays published until nothing it signed is alive (attack J-14).
What must not live here: key material in clear (`evergrant.keys`).
"""

from dataclasses import dataclass
from enum import StrEnum


class Use(StrEnum):
    """What a key is for."""

    SIGN = "sign"
    MAC = "mac"


@dataclass(frozen=True, slots=True)
class SealedKey:
    """One key. *sealed* is the private part under the key-encryption key *kek_id*; *public* a JWK as JSON, or empty.

    *version* numbers MAC keys 1 to 255 (the first byte of a token). Times in seconds; *retires_at* 0 for not yet.
    """

    id: str
    use: Use
    alg: str
    sealed: bytes
    kek_id: str
    public: str
    version: int
    created_at: int
    active_at: int
    retires_at: int = 0

    def published(self, now: int) -> bool:
        """Whether it belongs in the key set at *now*."""
        return not self.retires_at or now < self.retires_at
