"""The keys in use, unsealed, as one immutable ring that caches swap whole when the revision turns.

What lives here: choosing which key signs now and which are published. Making and retiring keys is `keys.lifecycle`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from evergrant.domain.key import SealedKey, Use
from evergrant.domain.token import RefreshToken, read_refresh, write_refresh
from evergrant.keys.port import Kek, KeyUnusable
from evergrant.keys.sealed import NONCE_LENGTH, opened
from evergrant.keys.signing import Signer, from_der
from evergrant.keys.verifying import public_key, verify

__all__ = ["NONCE_LENGTH", "Ring"]


class Ring:
    """Every key of one revision. Immutable; safe to share between tasks and threads."""

    def __init__(self, sealed: Iterable[SealedKey], kek: Kek) -> None:
        self._sealed = tuple(sorted(sealed, key=lambda key: (key.active_at, key.created_at, key.id)))
        self._signers: dict[str, Signer] = {}
        self._macs: dict[int, bytes] = {}
        self._checks: dict[str, tuple[str, Any]] = {}
        self._sealing: dict[int, AESGCM] = {}
        self._youngest: dict[str, list[SealedKey]] = {}
        for key in self._sealed:
            self._youngest.setdefault(Use.MAC if key.use is Use.MAC else key.alg, []).insert(0, key)
            clear = opened(key, kek)
            if key.use is Use.MAC:
                self._macs[key.version] = clear
            else:
                signer = Signer(from_der(clear), key.alg)
                self._signers[key.id] = signer
                self._checks[signer.kid] = (key.alg, public_key(signer.public))
        # The last one made first, even if an earlier one becomes active later: after a compromise that must not return.
        self._youngest.get(Use.MAC, []).sort(key=lambda key: key.version, reverse=True)

    @property
    def sealed(self) -> tuple[SealedKey, ...]:
        """The keys as they are kept, oldest first."""
        return self._sealed

    def signer(self, alg: str, now: int) -> Signer:
        """The youngest signing key of *alg* that is active. Raises `KeyUnusable` when there is none."""
        early = None
        for key in self._youngest.get(alg, ()):
            if key.published(now):
                if key.active_at <= now:
                    return self._signers[key.id]
                early = key
        if early is not None:  # no key is as old as this moment: the clock stepped back (attack O-09)
            return self._signers[early.id]
        msg = f"there is no active {alg} signing key; run: evergrant key rotate --alg {alg}"
        raise KeyUnusable(msg)

    def public_set(self, now: int) -> list[dict[str, str]]:
        """The published keys as JWKs (RFC 7517), also those that will only sign later (attack J-14)."""
        return [self._signers[key.id].public for key in self._sealed if key.use is Use.SIGN and key.published(now)]

    def verify(self, token: str, typ: str) -> dict[str, Any] | None:
        """The claims of a JWS of ours, or None (see `keys.verifying`)."""
        return verify(token, typ, self._checks)

    def mac_version(self, now: int) -> int:
        """The MAC key that new refresh tokens are written with."""
        for key in self._youngest.get(Use.MAC, ()):
            if key.active_at <= now:
                return key.version
        if self._macs:  # no key is as old as this moment: the clock stepped back (attack O-09)
            return self._youngest[Use.MAC][-1].version
        msg = "there is no active token key; run: evergrant key rotate --use mac"
        raise KeyUnusable(msg)

    @property
    def mac_keys(self) -> Mapping[int, bytes]:
        return self._macs

    def write(self, token: RefreshToken) -> str:
        """The text of a refresh token, under the MAC key its version names."""
        return write_refresh(token, self._macs[token.version])

    def read(self, text: str) -> RefreshToken | None:
        """The authentic refresh token behind *text*, or None."""
        return read_refresh(text, self._macs)

    def derive(self, version: int, purpose: bytes) -> bytes:
        """A 32-byte key for one purpose from MAC key *version* (HKDF-Expand, RFC 5869)."""
        return HKDFExpand(SHA256(), 32, purpose).derive(self._macs[version])

    def seal_opaque(self, clear: bytes, nonce: bytes, version: int) -> bytes:
        """An opaque token's body: version, nonce, and the claims encrypted so that no row is needed."""
        return bytes((version,)) + nonce + self._opaque(version).encrypt(nonce, clear, b"ega_")

    def open_opaque(self, body: bytes) -> bytes | None:
        """What `seal_opaque` sealed, or None."""
        if len(body) < 1 + NONCE_LENGTH or body[0] not in self._macs:
            return None
        try:
            return self._opaque(body[0]).decrypt(body[1 : 1 + NONCE_LENGTH], body[1 + NONCE_LENGTH :], b"ega_")
        except InvalidTag:
            return None

    def _opaque(self, version: int) -> AESGCM:
        aead = self._sealing.get(version)
        if aead is None:
            aead = self._sealing[version] = AESGCM(self.derive(version, b"evergrant opaque access token 1"))
        return aead
