"""The keyring: the key-encryption keys a vault is sealed under. One is current; older ones still open what they sealed.

What lives here: where keys come from (a file, a text, the environment, the operating system's keyring), adding a
current one, retiring an old one. What must not: what is sealed (`sealing`), the cipher (`evergrant.keys`).
A key is one line, base64 of 32 bytes. The first line is current; lines that begin with `#` are remarks.
"""

import fcntl
import importlib
import os
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from evergrant.entropy import Entropy
from evergrant.keys.local import LENGTH, LocalKek, from_text, owned_text, write_key_file
from evergrant.keys.port import Kek, KeyUnusable

T = TypeVar("T")
SERVICE: Final = "evergrant keeper"
SLOWEST: Final = 3.0
"""Seconds that the operating system's keyring may take: without a desktop it waits for a dialogue nobody sees."""


class Keyring:
    """Keys by their id; the first is current.

    *again* reads the keys anew where they come from. It is asked when an unknown key is met, once per key, so that a
    process that runs on while another turns the key learns of it at the first value sealed under the new one. A key
    that was known once stays known. Safe to share between threads.
    """

    def __init__(self, keys: Sequence[Kek], again: Callable[[], Sequence[Kek]] | None = None) -> None:
        if not keys:
            msg = "there is no key in the keyring"
            raise KeyUnusable(msg)
        self._again = again
        self._missed: set[str] = set()
        self._keys = {key.id: key for key in keys}
        self._current = keys[0]

    def __repr__(self) -> str:
        return f"<keyring {' '.join(self.ids)}>"

    @property
    def current(self) -> Kek:
        """The key that new values are sealed under."""
        return self._current

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, the current one first."""
        return tuple(self._keys)

    def get(self, key_id: str) -> Kek:
        """The key of that id. Raises `KeyUnusable` naming it."""
        if key_id not in self._keys and key_id not in self._missed:
            self._missed.add(key_id)
            self.reread()
        try:
            return self._keys[key_id]
        except KeyError:
            msg = f"sealed under key {key_id}, which is not in the keyring ({', '.join(self.ids)})"
            raise KeyUnusable(msg) from None

    def reread(self) -> None:
        """Take up what was added where the keys come from, and what is current there. Raises `KeyUnusable`."""
        if self._again is None:
            return
        keys = self._again()
        self._keys = {key.id: key for key in keys} | {key.id: key for key in self._keys.values()}
        self._current = keys[0]


def from_keys_text(text: str, origin: str) -> Keyring:
    """Keys given as text, one a line or separated by commas. Raises `KeyUnusable` naming *origin*, never the text."""
    return Keyring(_keys(text, origin))


def from_environment(environment: Mapping[str, str], name: str) -> Keyring:
    """Keys in an environment variable. Raises `KeyUnusable`."""
    if not environment.get(name, "").strip():
        msg = f"{name} is not set"
        raise KeyUnusable(msg)
    return from_keys_text(environment[name], name)


def from_file(path: Path, entropy: Entropy, *, make: bool) -> Keyring:
    """The keys in *path* (mode 0600), with a first one made when the file is missing and *make* is true.

    Raises `KeyUnusable`.
    """
    if make and not path.exists():
        write_key_file(path, [_drawn(entropy)], entropy, replace=False)

    def read() -> Sequence[Kek]:
        return _keys(owned_text(path), str(path))

    return Keyring(read(), read)


def add_current(path: Path, entropy: Entropy) -> Keyring:
    """Write a new key above the others, all at once or not at all. Raises `KeyUnusable`.

    What was sealed before stays readable. Other processes seal under the old key until they read the file again.
    """
    with _alone(path):
        lines = _lines(owned_text(path))
        from_keys_text("\n".join(lines), str(path))
        write_key_file(path, [_drawn(entropy), *lines], entropy, replace=True)
        return from_file(path, entropy, make=False)


def retire(path: Path, key_id: str, entropy: Entropy) -> Keyring:
    """Take an old key out of the file. Raises `KeyUnusable`, also for the current key and for one that is not there.

    Whoever retires a key has made sure that nothing is sealed under it any more (`rewrapping.key_ids`).
    """
    with _alone(path):
        lines = _lines(owned_text(path))
        ring = from_keys_text("\n".join(lines), str(path))
        ring.get(key_id)
        if key_id == ring.current.id:
            msg = f"{path}: {key_id} is the current key; add a new one first"
            raise KeyUnusable(msg)
        left = [line for line in lines if from_text(line, str(path)).id != key_id]
        write_key_file(path, left, entropy, replace=True)
        return from_file(path, entropy, make=False)


def from_system(entropy: Entropy, *, account: str, make: bool, service: str = SERVICE) -> Keyring:
    """The keys that the operating system's keyring holds for *service* and *account*.

    Makes a first one when there is none and *make* is true; of several processes only one may do that. Raises
    `KeyUnusable` when there is no keyring, none answers in time, or nothing is in it: never falls back to a file.
    """
    backend = _backend()
    origin = f"the keyring entry {service}/{account}"

    def text() -> str:
        return _in_time(lambda: backend.get_password(service, account), origin) or ""

    def read() -> Sequence[Kek]:
        return _keys(text(), origin)

    if make and not text():
        fresh = _drawn(entropy)
        _in_time(lambda: backend.set_password(service, account, fresh), origin)
    return Keyring(read(), read)


def add_current_to_system(entropy: Entropy, *, account: str, service: str = SERVICE) -> Keyring:
    """Put a new current key into the operating system's keyring, before the others. Raises `KeyUnusable`.

    Such a keyring has no lock: only one process may do this at a time.
    """
    backend = _backend()
    origin = f"the keyring entry {service}/{account}"
    from_system(entropy, account=account, make=False, service=service)
    text = _in_time(lambda: backend.get_password(service, account), origin)
    fresh = "\n".join([_drawn(entropy), *_lines(text)])
    _in_time(lambda: backend.set_password(service, account, fresh), origin)
    return from_system(entropy, account=account, make=False, service=service)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time: of two that each add a key to what they read, one key would be lost with all it sealed."""
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        msg = f"{path}: the folder of the key cannot be opened: {error.strerror}"
        raise KeyUnusable(msg) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _keys(text: str, origin: str) -> list[LocalKek]:
    lines = _lines(text)
    if not lines:
        msg = f"{origin} holds no key"
        raise KeyUnusable(msg)
    return [from_text(line, origin) for line in lines]


def _lines(text: str) -> list[str]:
    parts = [part.strip() for line in text.splitlines() if not line.startswith("#") for part in line.split(",")]
    return [part for part in parts if part]


def _drawn(entropy: Entropy) -> str:
    return b64encode(entropy.draw(LENGTH)).decode("ascii")


def _backend() -> Any:
    try:
        return importlib.import_module("keyring")
    except ImportError as error:
        msg = "the operating system's keyring needs the package keyring; run: pip install 'evergrant[keyring]'"
        raise KeyUnusable(msg) from error


def _in_time(ask: Callable[[], T], origin: str) -> T:
    """What *ask* answers within `SLOWEST` seconds. A thread of its own asks; one that hangs is left behind."""
    told: list[T] = []
    trouble: list[Exception] = []

    def run() -> None:
        try:
            told.append(ask())
        except Exception as error:  # noqa: BLE001 - every backend has errors of its own; the caller hears of it
            trouble.append(error)

    thread = threading.Thread(target=run, name="evergrant-keyring", daemon=True)
    thread.start()
    thread.join(SLOWEST)
    if told:
        return told[0]
    if trouble:
        msg = f"{origin} cannot be read or written: {type(trouble[0]).__name__}"
        raise KeyUnusable(msg) from trouble[0]
    msg = f"{origin} did not answer within {SLOWEST:g} seconds; is a keyring unlocked on this machine?"
    raise KeyUnusable(msg)
