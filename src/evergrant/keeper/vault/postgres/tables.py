"""Everything that work on this vault is given: its tables in one transaction."""

from collections.abc import Callable
from typing import Final

from evergrant.keeper.vault.postgres.asking import Asking
from evergrant.keeper.vault.postgres.connections import Connections
from evergrant.keeper.vault.postgres.finding import Finding
from evergrant.keeper.vault.postgres.leaving import Leaving
from evergrant.keeper.vault.postgres.outgoing import Outgoing
from evergrant.keeper.vault.postgres.rewrap import Rewrap
from evergrant.keeper.vault.postgres.spending import Spending
from evergrant.keeper.vault.postgres.trail import Trail
from evergrant.keeper.vault.sweeping import swept
from evergrant.keeper.vault.turning import Turn

CHAINED: Final = 1_000
"""Events that are moved on to the chain in one transaction."""


class Tables:
    """The rooms of the vault, in one transaction."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask
        self.leaving = Leaving(ask)
        self.spending = Spending(ask, self.leaving)
        self.trail = Trail(ask)
        self.outgoing = Outgoing(ask, self.leaving)
        self.finding = Finding(ask, self.spending)
        self.connections = Connections(ask, self.spending, self.trail, self.outgoing)

    def chain(self, *, wait: bool = True) -> int:
        """Move some of what was told on to the chain; how many events."""
        return self.trail.chain(CHAINED, wait=wait)

    def look(self) -> tuple[str, float]:
        """Which transactions are visible now, in PostgreSQL's words, and what time it is."""
        found = self._ask.rows("SELECT pg_current_snapshot()::text, extract(epoch FROM clock_timestamp())::float8")[0]
        return str(found[0]), float(found[1])

    def distributed(self) -> bool:
        """Whether the tables lie on several servers: then no single one knows which transactions are visible."""
        if not self._ask.rows("SELECT to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL")[0][0]:
            return False
        spread = "SELECT 1 FROM pg_catalog.pg_dist_partition WHERE logicalrelid = to_regclass('connection')"
        return bool(self._ask.rows(spread))

    def rewrap(self, turn: Callable[[bytes], bytes], after: str, limit: int) -> tuple[str, int]:
        """One step: where to go on, how many fields were changed."""
        turning = Turn(turn)
        return Rewrap(self._ask, turning).step(after, limit), turning.changed

    def sweep(self, now: int, keep_events: int, limit: int) -> int:
        """Drop what is over, at most *limit* rows; how many. What somebody else has in hand is left to them."""
        return swept(self, now, keep_events, limit)
