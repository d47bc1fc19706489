"""A key's row and its seal: whatever says what the key is for is bound into it, so that no row can pass as another.

The first databases bound the id alone. Such seals still open, and `bound_anew` replaces them at the next start.
"""

from dataclasses import replace
from typing import Final

from evergrant.domain.key import SealedKey
from evergrant.entropy import Entropy
from evergrant.keys.port import Kek, KeyUnusable

NONCE_LENGTH: Final = 12


def sealed(key: SealedKey, clear: bytes, kek: Kek, entropy: Entropy) -> SealedKey:
    """The row with the private part *clear* sealed into it."""
    return replace(key, sealed=kek.seal(clear, _label(key), entropy.draw(NONCE_LENGTH)), kek_id=kek.id)


def opened(key: SealedKey, kek: Kek) -> bytes:
    """The private part. Raises `KeyUnusable` when another key sealed it, or anything in the row was changed."""
    try:
        return kek.unseal(key.sealed, _label(key))
    except KeyUnusable:
        try:
            return kek.unseal(key.sealed, _first_label(key))
        except KeyUnusable as error:
            if key.kek_id == kek.id:
                raise
            msg = f"{error}: that was sealed under {key.kek_id}, and all processes of an issuer share one"
            raise KeyUnusable(msg) from error


def bound_anew(key: SealedKey, kek: Kek, entropy: Entropy) -> SealedKey:
    """The row with a seal that binds all of it; the same row when it has one. Raises `KeyUnusable` as `opened` does."""
    try:
        kek.unseal(key.sealed, _label(key))
    except KeyUnusable:
        return sealed(key, opened(key, kek), kek, entropy)
    return key


def _label(key: SealedKey) -> bytes:
    return f"evergrant key {key.id} for {key.use} {key.alg} {key.version}".encode()


def _first_label(key: SealedKey) -> bytes:
    return f"evergrant key {key.id}".encode()
