"""Failed authentications of clients, counted in memory and told once a minute: a flood of them grows no table.

Nothing is written while a request waits, so that guessing costs no commit, and an unknown client takes as long as a
known one (attack S-10). What a stranger calls itself is told to nobody: it may be a secret in the wrong field.
"""

from dataclasses import dataclass
from typing import Final

from evergrant.domain.event import Event, What
from evergrant.store.port import Store

WINDOW_SECONDS: Final = 60
# Pairs of client and network that one process tells apart in one window; the rest is told in one event.
MOST_PAIRS: Final = 60


@dataclass(slots=True)
class _Count:
    at: int
    reason: str
    times: int = 0


class Refusals:
    """The failures of one process since the window began."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], _Count] = {}
        self._begun = 0

    def add(self, client_id: str, network: str, reason: str, now: int) -> None:
        """Count one. *client_id* is empty for a client that is not registered, *reason* one of a closed list."""
        if not self._counts:
            self._begun = now
        pair = (client_id, network)
        if pair not in self._counts and len(self._counts) >= MOST_PAIRS:
            pair = ("", "")
        self._counts.setdefault(pair, _Count(now, reason)).times += 1

    def due(self, now: int) -> bool:
        """Whether there is something to tell and the window is over, or the clock was put back."""
        return bool(self._counts) and not 0 <= now - self._begun < WINDOW_SECONDS

    async def tell(self, store: Store) -> None:
        """Write what was counted and count anew. Raises `StoreUnavailable`; what was counted then stays."""
        told = {pair: count.times for pair, count in self._counts.items()}
        if not told:
            return
        events = [
            Event(count.at, What.CLIENT_REFUSED, client_id, reason=count.reason, network=network,
                  detail=str(count.times))
            for (client_id, network), count in self._counts.items()
        ]  # fmt: skip
        await store.write(lambda tx: tx.events.add(events))
        for pair, times in told.items():  # a failure may have come while the store wrote
            self._counts[pair].times -= times
        self._counts = {pair: count for pair, count in self._counts.items() if count.times}
        self._begun = min((count.at for count in self._counts.values()), default=0)
