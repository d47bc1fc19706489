"""Fetching an issuer's keys: once for everybody, again when it is time or a new key is named, never in a storm.

What is known stays in use while the issuer cannot be reached, up to a bound; a set that cannot be used never replaces
one that can (attacks J-14, J-15, U-15).
"""

import logging
from typing import Final

from evergrant.fetch.fetched import Fetched, Unfetched
from evergrant.fetch.fetcher import Fetcher
from evergrant.resource.core import NEVER, Core
from evergrant.resource.discovery import Directory, Undiscovered
from evergrant.resource.flight import Flight
from evergrant.resource.keyset import BadKeySet, read_set
from evergrant.resource.refused import Refused, Why

_LOG: Final = logging.getLogger("evergrant.resource")
_FOUND: Final = 200


class KeySource:
    """Keeps the keys of a core fresh. *keys_url* empty: found by discovery."""

    def __init__(self, core: Core, fetcher: Fetcher, directory: Directory, keys_url: str = "") -> None:
        self._core: Final = core
        self._fetcher: Final = fetcher
        self._directory: Final = directory
        self._keys_url: Final = keys_url
        self._flight: Final = Flight(self._fetch)
        self._tried_at = NEVER
        self._asked_again_at = NEVER
        self._usable_until = NEVER
        self._trouble = "not asked yet"

    async def ready(self, by: float) -> None:
        """See to it that there are keys that may be used, and wait no longer than *by*. Raises `Refused`."""
        core, now = self._core, self._core.clock.monotonic()
        if core.keys is not None and now <= core.keys_until:
            return
        if core.keys is None or now > self._usable_until:
            if self._flight.flying or now - self._tried_at >= core.limits.floor_seconds:
                await self._flight.join(by)
            if core.keys is None or core.clock.monotonic() > self._usable_until:
                raise Refused(Why.KEYS_UNREACHABLE, self._trouble)
            return
        core.keys_until = min(now + core.limits.floor_seconds, self._usable_until)
        self._flight.start()

    async def again(self, by: float) -> bool:
        """Look for a key that was not there; at most once in the floor. Whether the set was fetched again by *by*."""
        if not self._flight.flying:
            now = self._core.clock.monotonic()
            if now - self._asked_again_at < self._core.limits.floor_seconds:
                return False
            self._asked_again_at = now
        return await self._flight.join(by)

    async def stop(self) -> None:
        """End a fetch that is under way."""
        await self._flight.stop()

    async def _fetch(self) -> None:
        core, limits = self._core, self._core.limits
        self._tried_at = core.clock.monotonic()
        try:
            url = self._keys_url or (await self._directory.look()).keys
            if not url:
                raise Undiscovered("the issuer's document names no jwks_uri")  # noqa: TRY301 - one place words it
            keys = read_set(_body(await self._fetcher.get(url)), core.rules.algorithms)
        except (Unfetched, Undiscovered, BadKeySet, OSError) as error:
            self._trouble = f"{type(error).__name__}: {error}"
            _LOG.warning("the keys of %s could not be fetched: %s", core.rules.issuer, error)
            self._directory.forget()
            return
        told = () if core.keys is None else core.keys.notes
        for note in keys.notes:
            if note not in told:
                _LOG.warning("in the key set of %s, %s", core.rules.issuer, note)
        core.take(keys)
        now = core.clock.monotonic()
        self._usable_until = now + limits.stale_seconds
        core.keys_until = now + min(limits.fresh_seconds, limits.stale_seconds)


def _body(answer: Fetched) -> bytes:
    if answer.status != _FOUND:
        raise BadKeySet(f"the key set's address answers {answer.status}")
    return answer.body
