"""What the rest of the house may ask of keys."""

from typing import Protocol


class Kek(Protocol):
    """A key-encryption key: seals private keys at rest. An HSM or a cloud KMS can stand here."""

    @property
    def id(self) -> str:
        """A fingerprint, stored beside what it sealed."""
        ...

    def seal(self, clear: bytes, label: bytes, nonce: bytes) -> bytes: ...

    def unseal(self, sealed: bytes, label: bytes) -> bytes:
        """Raises `KeyUnusable` when this key did not seal it, or it was changed, or *label* is another."""
        ...


class KeyUnusable(Exception):
    """A key cannot be read or does not fit: one clear sentence."""
