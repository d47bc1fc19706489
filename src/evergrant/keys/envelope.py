"""One value under one data key: AES-256-GCM (NIST SP 800-38D), with whatever it belongs to as associated data.

What lives here: the primitive that whoever seals many small values needs besides a `Kek`. What must not: which key
wraps the data key, how the parts lie in an envelope; that is the caller's.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from evergrant.keys.port import KeyUnusable

KEY_LENGTH: Final = 32
NONCE_LENGTH: Final = 12


def seal(key: bytes, nonce: bytes, clear: bytes, belongs_to: bytes) -> bytes:
    """The ciphertext with its tag. A data key seals one value only, so its nonce cannot repeat."""
    return AESGCM(key).encrypt(nonce, clear, belongs_to)


def unseal(key: bytes, nonce: bytes, sealed: bytes, belongs_to: bytes) -> bytes:
    """The value. Raises `KeyUnusable` when the key, the place or a single bit is another."""
    try:
        return AESGCM(key).decrypt(nonce, sealed, belongs_to)
    except (InvalidTag, ValueError) as error:
        msg = "a sealed value was changed, or belongs elsewhere"
        raise KeyUnusable(msg) from error
