"""Human passwords: Argon2id in a bounded pool (RFC 9106). The only slow hash in the house, because people choose badly.

A queue limit and a time limit keep hashing from being turned against the server (attack S-17); an unknown name costs
the same work as a known one (attack S-09). What everybody tries first is no password (attack S-08): the list is in
`well_known_passwords.txt`, in lower case, one on a line.
"""

import unicodedata
from asyncio import get_running_loop, timeout
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from evergrant.config import Config
from evergrant.protocol.error import Code, Refused

T = TypeVar("T")
_BUSY: Final = "Too many people are signing in at this moment. Try again in a few seconds."


class PasswordTooWeak(ValueError):
    """A new password that is not accepted; the text says why."""


class Passwords:
    """Hashes and checks passwords off the event loop."""

    def __init__(self, config: Config) -> None:
        settings = config.password
        self._hasher = PasswordHasher(settings.iterations, settings.memory_kib, settings.parallelism)
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="evergrant-password")
        self._room = settings.queue_limit + settings.workers
        self._seconds = settings.queue_timeout
        self._least, self._most = settings.min_length, settings.max_length
        self._waiting = 0
        self._dummy = _nobodys(settings.memory_kib, settings.iterations, settings.parallelism)

    def accept(self, password: str, username: str) -> None:
        """Raise `PasswordTooWeak` for a new password that is too short, too long, the name itself, or well known."""
        password = _normal(password)
        if len(password) < self._least:
            msg = f"A password has at least {self._least} characters."
            raise PasswordTooWeak(msg)
        if len(password) > self._most:
            msg = f"A password has at most {self._most} characters."
            raise PasswordTooWeak(msg)
        folded, name = password.casefold(), username.casefold()
        if folded in {name, name.split("@")[0], name.split("@")[0] * 2}:
            msg = "The password must not be the user name."
            raise PasswordTooWeak(msg)
        if folded in well_known():
            msg = "This password is one of those that are tried first. Choose one of your own."
            raise PasswordTooWeak(msg)
        if len(set(password)) < 4:  # noqa: PLR2004 - aaaaaaaaaaaa is the first thing a guesser tries
            msg = "The password repeats too few characters."
            raise PasswordTooWeak(msg)

    async def hash(self, password: str) -> str:
        """The Argon2id hash of a password. Raises `Refused` (temporarily_unavailable) when the queue is full."""
        return await self._run(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, known: str | None, password: str) -> bool:
        """Whether *password* is the one behind *known*; False, after the same work, for None. Raises `Refused`."""
        password = _normal(password)
        if len(password) > self._most:
            password, known = "", None
        return await self._run(lambda: self._verified(known, password))

    def outdated(self, known: str) -> bool:
        """Whether a hash was made with other settings than today's."""
        return self._hasher.check_needs_rehash(known)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verified(self, known: str | None, password: str) -> bool:
        try:
            self._hasher.verify(known or self._dummy, password)
        except (VerificationError, InvalidHashError):
            return False
        return known is not None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._room:
            raise Refused(Code.TEMPORARILY_UNAVAILABLE, _BUSY, "password queue full")
        self._waiting += 1
        try:
            async with timeout(self._seconds):
                return await get_running_loop().run_in_executor(self._pool, work)
        except TimeoutError as error:
            raise Refused(Code.TEMPORARILY_UNAVAILABLE, _BUSY, "password queue timed out") from error
        finally:
            self._waiting -= 1


@cache
def well_known() -> frozenset[str]:
    """The passwords that are tried first, in lower case."""
    text = (files("evergrant.issuer") / "well_known_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.splitlines())


def _nobodys(memory: int, iterations: int, lanes: int) -> str:
    """A hash of today's cost that no password matches; written rather than computed, so that it costs nothing."""
    salt, hashed = (b64encode(bytes(size)).rstrip(b"=").decode("ascii") for size in (16, 32))
    return f"$argon2id$v=19$m={memory},t={iterations},p={lanes}${salt}${hashed}"


def _normal(password: str) -> str:
    """One spelling of what looks the same (RFC 8265 section 4.2)."""
    return unicodedata.normalize("NFC", password)
