"""How often a provider is asked for one client of ours: a rate, so many at once, and a pause when it is in trouble.

In memory and per process: a rate that is shared between processes is divided among them in the settings. What a
provider asks of everybody (`Retry-After`) is kept with the connection as well, where other processes see it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from evergrant.keeper.connection import Reason
from evergrant.keeper.decision.outcome import Ending, Missing, Unreachable
from evergrant.keeper.decision.verdict import Busy, Unknown
from evergrant.keeper.decision.window import pause
from evergrant.keeper.errors import TryLater
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.service.ground import Ground


@dataclass(slots=True)
class _Line:
    """One client's line to its provider."""

    gate: asyncio.Semaphore
    troubles: int = 0
    shut_until: float = 0.0
    next_at: float = 0.0
    trying: bool = field(default=False)


class Budget:
    """Asked before every request to a token endpoint, and told how it ended."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def turn(self, client: str, provider: Provider) -> AsyncIterator[None]:
        """Wait for a place. Raises `TryLater` while the provider is left alone.

        When that time is over one request goes first, and the others wait for how it ends.
        """
        line = self._line(client, provider)
        self._check(line, client)
        trying = line.troubles >= self._ground.settings.breaker_after
        line.trying = line.trying or trying
        try:
            async with line.gate:
                yield
        finally:
            if trying:
                line.trying = False

    def note(self, client: str, provider: Provider, ending: Ending) -> None:
        """Take the ending of a request into account."""
        line = self._line(client, provider)
        if not _troubled(ending):
            line.troubles, line.shut_until = 0, 0.0
            return
        line.troubles += 1
        settings, wait = self._ground.settings, 0
        if isinstance(ending, Busy) and ending.after:
            wait = ending.after
        elif line.troubles >= settings.breaker_after:
            over = line.troubles - settings.breaker_after + 1
            wait = pause(over, settings.backoff_least, settings.backoff_most, self._lot())
        line.shut_until = max(line.shut_until, self._ground.clock.monotonic() + wait)

    def shut(self, client: str) -> int:
        """Seconds for which the client's provider is left alone; 0 when it is not."""
        line = self._lines.get(client)
        return max(0, round(line.shut_until - self._ground.clock.monotonic())) if line is not None else 0

    def _check(self, line: _Line, client: str) -> None:
        left = line.shut_until - self._ground.clock.monotonic()
        if left > 0 or line.trying:
            after = max(1, round(left))
            msg = f"the provider of {client} is in trouble or asked for a pause; it is left alone for {after} s"
            raise TryLater(msg, after, Reason.PROVIDER_BUSY)

    async def pace(self, client: str, provider: Provider) -> None:
        """Wait for the rate, right before a request."""
        line = self._line(client, provider)
        now = self._ground.clock.monotonic()
        at = max(line.next_at, now)
        line.next_at = at + 1 / self._ground.settings.per_second
        if at > now:
            await self._ground.pause(at - now)

    def _line(self, client: str, provider: Provider) -> _Line:
        line = self._lines.get(client)
        if line is None:
            places = provider.limits.concurrent or self._ground.settings.concurrent
            line = self._lines[client] = _Line(asyncio.Semaphore(places))
        return line

    def _lot(self) -> float:
        return int.from_bytes(self._ground.entropy.draw(4), "big") / 2**32


def _troubled(ending: Ending) -> bool:
    return isinstance(ending, Busy | Unreachable | Missing) or (isinstance(ending, Unknown) and ending.spent)
