"""Sealing: everything secret in a vault is an envelope that opens at its own place only.

What lives here: the envelope's layout, the places, the keyed fingerprint. What must not: where keys come from
(`keyring`), what is kept where (`vault`), the cipher itself (`evergrant.keys`).

An envelope is: version (1 byte), algorithm (1), length of the key id (1), key id, length of the wrapped data key (2),
wrapped data key, nonce (12), ciphertext with tag (AES-256-GCM both times). The data key is bound to the key id only, so
that it can be wrapped anew without reading the value; the value is bound to its place, version and algorithm.
"""

from dataclasses import dataclass
from hashlib import sha256
from hmac import digest
from typing import Final, NamedTuple

from evergrant.entropy import Entropy
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.vault.port import Vault, VaultUnusable
from evergrant.keys import envelope
from evergrant.keys.port import Kek, KeyUnusable

VERSION: Final = 1
AES_256_GCM: Final = 1
_HEAD: Final = 3
_LENGTH: Final = 2
KEPT_NAME: Final = "fingerprint key"


class Unreadable(Exception):
    """A sealed value does not open: the message names the place and the key, never the value."""


class FromTheFuture(Exception):
    """An envelope of a kind that this release does not know."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a sealed value belongs to. *field* names record and member, as in `main.refresh_token`; *version* is the
    record's, 0 for what has none.
    """

    tenant: str
    connection_id: str
    field: str
    version: int = 0

    def bound(self) -> bytes:
        """The associated data: every part with its length, so that no two places look alike."""
        parts = (self.tenant, self.connection_id, self.field, str(self.version))
        return b"".join(len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts))

    def __str__(self) -> str:
        tenant = f" of tenant {self.tenant}" if self.tenant else ""
        version = f", version {self.version}" if self.version else ""
        return f"{self.field} of {self.connection_id or 'the vault'}{tenant}{version}"


class Envelope(NamedTuple):
    """A sealed value, taken apart."""

    head: bytes
    key_id: str
    wrapped: bytes
    nonce: bytes
    ciphertext: bytes

    @classmethod
    def read(cls, sealed: bytes) -> "Envelope":
        """The parts. Raises `ValueError` for what is no envelope, `FromTheFuture` for one that a later release made."""
        if len(sealed) < _HEAD:
            msg = "too short for an envelope"
            raise ValueError(msg)
        if sealed[0] != VERSION or sealed[1] != AES_256_GCM:
            msg = f"envelope version {sealed[0]}, algorithm {sealed[1]}"
            raise FromTheFuture(msg)
        id_end = _HEAD + sealed[2]
        length = int.from_bytes(sealed[id_end : id_end + _LENGTH], "big")
        nonce = id_end + _LENGTH + length
        ciphertext = nonce + envelope.NONCE_LENGTH
        if len(sealed) < ciphertext:
            msg = "an envelope that was cut off"
            raise ValueError(msg)
        key_id = sealed[_HEAD:id_end].decode("ascii")
        return cls(sealed[:2], key_id, sealed[id_end + _LENGTH : nonce], sealed[nonce:ciphertext], sealed[ciphertext:])

    def write(self) -> bytes:
        """The bytes that are kept."""
        key_id = self.key_id.encode("ascii")
        length = len(self.wrapped).to_bytes(_LENGTH, "big")
        return b"".join((self.head, bytes((len(key_id),)), key_id, length, self.wrapped, self.nonce, self.ciphertext))


class Sealer:
    """Seals, opens and wraps anew. Safe to share between threads.

    Without *fingerprint_key* its fingerprints are good for as long as the object lives; `unlock` gives it the one that
    the vault keeps.
    """

    def __init__(self, keyring: Keyring, entropy: Entropy, fingerprint_key: bytes = b"") -> None:
        self._keyring, self._entropy = keyring, entropy
        self._fingerprint_key = fingerprint_key or entropy.draw(envelope.KEY_LENGTH)

    def __repr__(self) -> str:
        return f"<sealer under {self._keyring.current.id}>"

    @property
    def key_id(self) -> str:
        """The id of the key that new values are sealed under."""
        return self._keyring.current.id

    def seal(self, clear: bytes, place: Place) -> bytes:
        """The envelope of *clear*. Nothing else opens it than this keyring at this place."""
        drawn = self._entropy.draw(envelope.KEY_LENGTH + 2 * envelope.NONCE_LENGTH)
        key, nonces = drawn[: envelope.KEY_LENGTH], drawn[envelope.KEY_LENGTH :]
        head = bytes((VERSION, AES_256_GCM))
        nonce = nonces[envelope.NONCE_LENGTH :]
        ciphertext = envelope.seal(key, nonce, clear, head + place.bound())
        return self._wrapped(key, nonces[: envelope.NONCE_LENGTH], Envelope(head, "", b"", nonce, ciphertext))

    def unseal(self, sealed: bytes, place: Place) -> bytes:
        """What was sealed at *place*. Raises `Unreadable`."""
        parts = _read(sealed, str(place))
        key = self._value_key(parts, str(place))
        try:
            return envelope.unseal(key, parts.nonce, parts.ciphertext, parts.head + place.bound())
        except KeyUnusable as error:
            msg = f"{place}: the value was changed, or belongs elsewhere (key {parts.key_id})"
            raise Unreadable(msg) from error

    def rewrap(self, sealed: bytes) -> bytes:
        """The same value with its data key under the current key; the value itself is not read. Raises `Unreadable`.

        What is under the current key already comes back as it is.
        """
        parts = _read(sealed, "a sealed value")
        if parts.key_id == self.key_id:
            return sealed
        return self._wrapped(self._value_key(parts, "a sealed value"), self._entropy.draw(envelope.NONCE_LENGTH), parts)

    def fingerprint(self, secret: str) -> str:
        """32 hex digits that tell equal secrets from different ones, and nothing to whoever lacks the vault's key.

        Stable over key rotation.
        """
        return digest(self._fingerprint_key, secret.encode(), sha256).hex()[:32]

    def _wrapped(self, key: bytes, nonce: bytes, parts: Envelope) -> bytes:
        kek = self._keyring.current
        return parts._replace(key_id=kek.id, wrapped=kek.seal(key, _label(kek), nonce)).write()

    def _value_key(self, parts: Envelope, where: str) -> bytes:
        try:
            kek = self._keyring.get(parts.key_id)
            return kek.unseal(parts.wrapped, _label(kek))
        except KeyUnusable as error:
            msg = f"{where}: {error}"
            raise Unreadable(msg) from error


def key_id_of(sealed: bytes) -> str:
    """The id of the key that a sealed value needs. Raises `Unreadable`."""
    return _read(sealed, "a sealed value").key_id


async def unlock(vault: Vault, keyring: Keyring, entropy: Entropy) -> Sealer:
    """The sealer of this vault; the first one to come makes the vault's fingerprint key.

    Raises `VaultUnusable` with one sentence when the keyring is not the one that this vault was sealed with: nothing
    has been read or spent then. Raises `VaultUnavailable`.
    """
    place = Place("", "", KEPT_NAME)
    own = Sealer(keyring, entropy)
    kept = await vault.keep_once(KEPT_NAME, own.seal(entropy.draw(envelope.KEY_LENGTH), place))
    try:
        return Sealer(keyring, entropy, own.unseal(kept, place))
    except Unreadable as error:
        msg = f"the keyring does not open this vault: {error}"
        raise VaultUnusable(msg) from error


def _label(kek: Kek) -> bytes:
    return b"evergrant keeper data key 1 " + kek.id.encode()


def _read(sealed: bytes, where: str) -> Envelope:
    try:
        return Envelope.read(sealed)
    except FromTheFuture as error:
        msg = f"{where}: sealed by a newer release ({error}); upgrade Evergrant"
        raise Unreadable(msg) from error
    except ValueError as error:
        msg = f"{where}: this is not a sealed value"
        raise Unreadable(msg) from error
