"""How far a follower of the audit trail may read: up to where no smaller number can still appear.

Numbers are drawn before the commit, so they become visible out of order: a follower that went past a number which is
committed a moment later would never see its event. A number that is missing is either lost (its transaction was undone)
or still to come. Whoever draws one has begun to write (`events.NUMBER`), so its transaction is older than any that
begins after a larger number was seen; once all of those older ones are over, what is missing is lost.
"""

import threading
from typing import Final

from evergrant.store.postgres.asking import Asking

# How far back, in numbers, a first look searches for gaps; and how old, in seconds, one is that no transaction of ours
# can still fill: none lasts a tenth of that.
FIRST_LOOK: Final = 100_000
LOST_AFTER: Final = 1_800
_NEWEST: Final = "SELECT coalesce(max(number), 0), coalesce(max(at), 0) FROM evergrant.event"
_GAPS: Final = (
    "SELECT previous + 1, at FROM (SELECT number, at, lag(number, 1, %(after)s) OVER (ORDER BY number) AS previous"
    " FROM evergrant.event WHERE number > %(after)s) numbered WHERE number > previous + 1 ORDER BY 1"
)
_OLDEST: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_OWN: Final = "SELECT pg_current_xact_id()::text::bigint"


class Horizon:
    """What one process knows of gaps: below which number all is settled, and what was the time when each was seen."""

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._settled: int | None = None
        self._seen: dict[int, int] = {}

    def reach(self, asking: Asking) -> int:
        """The largest number that a follower may be shown, in the transaction that is open."""
        newest, at = asking.rows(_NEWEST)[0]
        with self._gate:
            if self._settled is None:
                self._settled = max(newest - FIRST_LOOK, 0)
            after = self._settled
        gaps = [gap for gap, told in asking.rows(_GAPS, {"after": after}) if told > at - LOST_AFTER]
        open_gap = self._first_open(asking, gaps) if gaps else None
        reach = newest if open_gap is None else open_gap - 1
        with self._gate:
            self._settled = max(self._settled, min(reach, newest))
            self._seen = {gap: seen for gap, seen in self._seen.items() if gap > self._settled}
        return int(reach)

    def _first_open(self, asking: Asking, gaps: list[int]) -> int | None:
        """The first gap that may yet be filled. A gap seen for the first time always may."""
        oldest = int(asking.rows(_OLDEST)[0][0])
        own = 0
        with self._gate:
            for gap in gaps:
                seen = self._seen.get(gap)
                if seen is not None and oldest >= seen:
                    continue
                if seen is None:
                    own = own or int(asking.rows(_OWN)[0][0])
                    self._seen[gap] = own
        return next((gap for gap in gaps if oldest < self._seen.get(gap, oldest + 1)), None)
