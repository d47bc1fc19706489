"""The key-encryption key on this machine: from the environment, or a file made on first start with mode 0600."""

import os
import stat
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from evergrant.entropy import Entropy
from evergrant.keys.port import KeyUnusable

LENGTH: Final = 32
NONCE: Final = 12
FILE_NAME: Final = "key-encryption-key"


class LocalKek:
    """AES-256-GCM under one 32-byte key; the label is bound as associated data, so rows cannot be swapped."""

    def __init__(self, key: bytes) -> None:
        if len(key) != LENGTH:
            msg = f"the key-encryption key must be {LENGTH} bytes, this one has {len(key)}"
            raise KeyUnusable(msg)
        self._aead = AESGCM(key)
        self.id: Final = sha256(b"evergrant kek id" + key).hexdigest()[:16]

    def seal(self, clear: bytes, label: bytes, nonce: bytes) -> bytes:
        return nonce + self._aead.encrypt(nonce, clear, label)

    def unseal(self, sealed: bytes, label: bytes) -> bytes:
        try:
            return self._aead.decrypt(sealed[:NONCE], sealed[NONCE:], label)
        except (InvalidTag, ValueError) as error:
            msg = f"the key-encryption key {self.id} does not open {label.decode(errors='replace')}"
            raise KeyUnusable(msg) from error


def from_text(text: str, origin: str) -> LocalKek:
    """A key given as base64. Raises `KeyUnusable` naming *origin*, never the text."""
    try:
        return LocalKek(b64decode(text.strip(), validate=True))
    except (NotBase64, ValueError) as error:
        msg = f"{origin} is not base64 of {LENGTH} bytes"
        raise KeyUnusable(msg) from error
    except KeyUnusable as error:
        msg = f"{origin}: {error}"
        raise KeyUnusable(msg) from None


def from_file(path: Path, entropy: Entropy, *, make: bool) -> LocalKek:
    """The key in *path*, made first when it is missing and *make* is true. Raises `KeyUnusable`."""
    if make and not path.exists():
        write_key_file(path, [b64encode(entropy.draw(LENGTH)).decode("ascii")], entropy, replace=False)
    return from_text(owned_text(path), str(path))


def owned_text(path: Path) -> str:
    """What stands in a file that only its owner may touch. Raises `KeyUnusable`."""
    try:
        found = path.stat()
        mode = stat.S_IMODE(found.st_mode)
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: the key-encryption key cannot be read: {getattr(error, 'strerror', None) or 'not text'}"
        raise KeyUnusable(msg) from error
    # Where root hands a secret over (systemd, Kubernetes), reading by group, or by an access list that shows as the
    # group's bits, is how an unprivileged server gets at it.
    lent = found.st_uid == 0 != os.geteuid()
    if mode & (0o027 if lent else 0o077):
        msg = f"{path}: others may read the key-encryption key (mode {mode:04o}); run: chmod 600 {path}"
        raise KeyUnusable(msg)
    return text


def write_key_file(path: Path, lines: Sequence[str], entropy: Entropy, *, replace: bool) -> None:
    """Write the whole file or nothing, for its owner alone. Without *replace* a file that is there stays.

    Raises `KeyUnusable`.
    """
    # A name of its own each time: in a container every start has the same process id.
    scratch = path.with_name(f"{path.name}.{os.getpid()}.{entropy.draw(8).hex()}")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.writelines(f"{line}\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                scratch.replace(path)
            else:
                # A link, not a rename: of two processes that start together, one key wins and neither is overwritten.
                with suppress(FileExistsError):
                    os.link(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        msg = f"{path}: the key-encryption key cannot be written: {error.strerror}"
        raise KeyUnusable(msg) from error


def _sync_folder(folder: Path) -> None:
    """Make the file's name as durable as its content: what it seals is lost with it when the power goes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
