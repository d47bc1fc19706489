"""What ended, in SQL, visible in the order of its numbers.

Numbers are drawn under a lock that goes with the commit, so that a smaller one is never seen after a larger one. Ends
are noted down and written last of all that their work does, so that nobody holds the lock and waits for a row. No
refresh comes here: a settlement that tells an end is done as a write.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import json

from evergrant.domain.ending import End
from evergrant.store.postgres.asking import Asking

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('evergrant.ending', 0))"
_ADD: Final = (
    "INSERT INTO evergrant.ending (number, at, document)"
    " SELECT nextval('evergrant.ending_number'), told.* FROM unnest(%s::bigint[], %s::bytea[]) told"
)
_FIND: Final = "SELECT number, document FROM evergrant.ending WHERE number > %s ORDER BY number LIMIT %s"
_NEWEST: Final = (
    "SELECT greatest((SELECT max(number) FROM evergrant.ending), (SELECT max(number) FROM evergrant.ending_swept))"
)
_SWEEP: Final = (
    "DELETE FROM evergrant.ending WHERE number IN (SELECT number FROM evergrant.ending ORDER BY number LIMIT %s)"
    " AND at < %s RETURNING number"
)
_SWEPT: Final = "UPDATE evergrant.ending_swept SET number = greatest(number, %s)"


class Endings:
    """See `evergrant.store.port.Endings`; inside one transaction."""

    def __init__(self, asking: Asking) -> None:
        self._ask = asking
        self._noted: list[End] = []

    def add(self, ends: Sequence[End]) -> None:
        self._noted.extend(ends)

    def find(self, after: int = 0, limit: int = 1000) -> list[tuple[int, End]]:
        self.flush()
        return [(row[0], json.decode(row[1], type=End)) for row in self._ask.rows(_FIND, (after, limit))]

    def newest(self) -> int:
        self.flush()
        return int(self._ask.rows(_NEWEST)[0][0])

    def sweep(self, before: int, limit: int) -> int:
        self.flush()
        gone = [row[0] for row in self._ask.rows(_SWEEP, (limit, before))]
        if gone:
            self._ask.count(_SWEPT, (max(gone),))
        return len(gone)

    def forget(self) -> None:
        """Write nothing of what was noted down."""
        self._noted = []

    @property
    def unwritten(self) -> bool:
        """Whether anything is only noted down."""
        return bool(self._noted)

    def flush(self) -> None:
        """Write what was noted down."""
        if self._noted:
            noted, self._noted = self._noted, []
            self._ask.send(_LOCK)
            self._ask.send(_ADD, ([end.at for end in noted], [json.encode(end) for end in noted]))
