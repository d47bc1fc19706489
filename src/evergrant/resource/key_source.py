"""Fetching an issuer's keys: once for everybody, again when it is time or a new key is named, never in a storm.

What is known stays in use while the issuer cannot be reached, up to a bound; a set that cannot be used never replaces
one that can (attacks J-14, J-15, U-15).
"""

import logging
from typing import Final

from evergrant.fetch.fetched import Fetched, Unfetched
from evergrant.fetch.fetcher import Fetcher
from evergrant.resource.core import NEVER, Core
from evergrant.resource.discovery import Described, Undiscovered, described
from evergrant.resource.flight import Flight
from evergrant.resource.keyset import BadKeySet, read_set
from evergrant.resource.refused import Refused, Why

_LOG: Final = logging.getLogger("evergrant.resource")
_FOUND: Final = 200


class KeySource:
    """Keeps the keys of a core fresh. *keys_url* empty: found by discovery."""

    def __init__(self, core: Core, fetcher: Fetcher, keys_url: str = "") -> None:
        self._core: Final = core
        self._fetcher: Final = fetcher
        self._known = Described(keys_url) if keys_url else None
        self._flight: Final = Flight(self._fetch)
        self._tried_at = NEVER
        self._usable_until = NEVER
        self._trouble = "not asked yet"

    async def ready(self) -> None:
        """See to it that there are keys that may be used. Raises `Refused`."""
        core, now = self._core, self._core.clock.monotonic()
        if core.keys is not None and now <= core.keys_until:
            return
        if core.keys is None or now > self._usable_until:
            if self._may_try(now):
                await self._flight.join(core.limits.budget_seconds)
            if core.keys is None or core.clock.monotonic() > self._usable_until:
                raise Refused(Why.KEYS_UNREACHABLE, self._trouble)
            return
        core.keys_until = min(now + core.limits.floor_seconds, self._usable_until)
        self._flight.start()

    async def again(self) -> bool:
        """Look for a key that was not there. Whether the set was fetched again, or is being fetched by others."""
        if not self._may_try(self._core.clock.monotonic()):
            return False
        return await self._flight.join(self._core.limits.budget_seconds)

    async def description(self) -> Described:
        """What the issuer says of itself. Raises `Unfetched` or `Undiscovered`."""
        if self._known is None or (self._known.document is None and not self._known.keys):
            self._known = await described(self._core.rules.issuer, self._fetcher.get)
        return self._known

    async def stop(self) -> None:
        """End a fetch that is under way."""
        await self._flight.stop()

    def _may_try(self, now: float) -> bool:
        return self._flight.flying or now - self._tried_at >= self._core.limits.floor_seconds

    async def _fetch(self) -> None:
        core, limits = self._core, self._core.limits
        self._tried_at = core.clock.monotonic()
        try:
            url = (await self.description()).keys
            if not url:
                raise Undiscovered("the issuer's document names no jwks_uri")  # noqa: TRY301 - one place words it
            keys = read_set(_body(await self._fetcher.get(url)), core.rules.algorithms)
        except (Unfetched, Undiscovered, BadKeySet) as error:
            self._trouble = f"{type(error).__name__}: {error}"
            _LOG.warning("the keys of %s could not be fetched: %s", core.rules.issuer, error)
            self._known = self._known if self._known is None or self._known.document is None else None
            return
        for note in keys.notes:
            _LOG.warning("in the key set of %s, %s", core.rules.issuer, note)
        core.take(keys)
        now = core.clock.monotonic()
        self._usable_until = now + limits.stale_seconds
        core.keys_until = now + min(limits.fresh_seconds, limits.stale_seconds)


def _body(answer: Fetched) -> bytes:
    if answer.status != _FOUND:
        raise BadKeySet(f"the key set's address answers {answer.status}")
    return answer.body
