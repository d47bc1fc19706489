"""The sealed successor: a token the server keeps but cannot read.

The key is HKDF-Expand (RFC 5869 section 2.3) of the presented token's secret, which the server does not store. Whoever
repeats the request brings the key. The secret is 256 uniform bits, so the extract step is left out (section 3.3).
"""

from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from evergrant.domain.mac import mac_once
from evergrant.domain.token import SECRET_LENGTH, RefreshToken

NONCE_LENGTH: Final = 12
DRAW_LENGTH: Final = SECRET_LENGTH + NONCE_LENGTH
_INFO: Final = b"evergrant successor 1"


class Drawn(NamedTuple):
    """A successor drawn for one presented token: its token, and itself sealed under the presented one's secret."""

    token: RefreshToken
    sealed: bytes


def _key(presented: RefreshToken) -> tuple[bytes, bytes]:
    place = presented.family_id + presented.generation.to_bytes(4, "big")
    return mac_once(presented.secret, _INFO + place + b"\x01"), place


def draw(presented: RefreshToken, version: int, randomness: bytes) -> Drawn:
    """The token after *presented*, from 44 random bytes, to be signed under MAC key *version*."""
    secret, nonce = randomness[:SECRET_LENGTH], randomness[SECRET_LENGTH:DRAW_LENGTH]
    key, place = _key(presented)
    token = RefreshToken(version, presented.family_id, presented.generation + 1, secret)
    return Drawn(token, nonce + AESGCM(key).encrypt(nonce, bytes((version,)) + secret, place))


def unseal(presented: RefreshToken, sealed: bytes) -> RefreshToken | None:
    """The successor sealed under *presented*, or None when it was sealed under something else."""
    key, place = _key(presented)
    try:
        clear = AESGCM(key).decrypt(sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:], place)
    except (InvalidTag, ValueError):
        return None
    return RefreshToken(clear[0], presented.family_id, presented.generation + 1, clear[1:])
