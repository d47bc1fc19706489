"""Everything that work on this vault is given: its tables through one connection, used by one thread at a time."""

from collections.abc import Callable

from evergrant.clock import Clock
from evergrant.keeper.vault.sqlite.asking import Asking
from evergrant.keeper.vault.sqlite.bulk import VaultBulk
from evergrant.keeper.vault.sqlite.connections import Connections
from evergrant.keeper.vault.sqlite.finding import Finding
from evergrant.keeper.vault.sqlite.leaving import Leaving
from evergrant.keeper.vault.sqlite.outgoing import Outgoing
from evergrant.keeper.vault.sqlite.rewrap import Rewrap
from evergrant.keeper.vault.sqlite.spending import Spending
from evergrant.keeper.vault.sqlite.trail import Trail
from evergrant.keeper.vault.sweeping import swept
from evergrant.keeper.vault.turning import Turn
from evergrant.store.sqlite.connection import Connection


class Tables:
    """The rooms of the vault, over one connection."""

    def __init__(self, connection: Connection, clock: Clock | None) -> None:
        self._ask = Asking(connection, clock)
        self.bulk = VaultBulk(connection, self._ask)
        self.leaving = Leaving(self._ask)
        self.spending = Spending(self._ask, self.leaving)
        self.trail = Trail(self._ask)
        self.outgoing = Outgoing(self._ask, self.leaving)
        self.finding = Finding(self._ask, self.spending)
        self.connections = Connections(self._ask, self.spending, self.trail, self.outgoing)

    def revision(self) -> int:
        """What the writer asks of every store; a vault tells its changes by `stamp`."""
        return 0

    def rewrap(self, turn: Callable[[bytes], bytes], after: str, limit: int) -> tuple[str, int]:
        """One step: where to go on, how many fields were changed."""
        turning = Turn(turn)
        return Rewrap(self._ask, turning).step(after, limit), turning.changed

    def sweep(self, now: int, keep_events: int, limit: int) -> int:
        """Drop what is over, at most *limit* rows; how many."""
        return swept(self, now, keep_events, limit)
