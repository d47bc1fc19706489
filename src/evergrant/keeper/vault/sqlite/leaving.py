"""A vault that is about to be left: no new claim is given out, and what is under way comes to its end."""

from evergrant.keeper.vault import comparing
from evergrant.keeper.vault.sqlite.asking import Asking


class Leaving:
    """The table `moving` through one connection."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def announce(self, seconds: float) -> None:
        """Give out no new claim for *seconds*; 0 ends that."""
        self._ask.run("UPDATE moving SET until = ? WHERE id = 1", (comparing.announced(self._ask.now(), seconds),))

    def refuse(self, now: float) -> None:
        """Raise `VaultUnavailable` while nothing new may begin."""
        comparing.refuse_leaving(self._ask.rows("SELECT until FROM moving WHERE id = 1")[0][0], now)

    def under_way(self) -> int:
        """How many claims are live."""
        found = self._ask.rows("SELECT count(*) FROM claim WHERE owner <> '' AND until > ?", (self._ask.now(),))
        return int(found[0][0])
