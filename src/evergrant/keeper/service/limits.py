"""The countdown to limits that nobody can move: the user is invited in time, once per threshold.

What was told is kept with the connection, so that no process tells it again.
"""

from dataclasses import replace
from typing import Final

from evergrant.keeper.connection import Health, Reason, Record
from evergrant.keeper.decision.health import event
from evergrant.keeper.decision.letter import letter
from evergrant.keeper.event import What
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.vault.port import Change, Fenced, Found, Missing

TOLD: Final = "~hard_limit_told"
"""The field in which it is kept; names that begin with a tilde are never handed to callers."""
_OVER: Final = frozenset({Health.NEEDS_REAUTH, Health.REVOKING, Health.REVOKED, Health.PENDING_CONSENT})


def threshold(hard_end: int, now: int, notice: tuple[int, ...]) -> int:
    """The smallest notice that has been reached, in seconds; 0 for none."""
    left = hard_end - now
    return min((one for one in notice if left <= one), default=0) if hard_end and left > 0 else 0


class Countdown:
    """Looks at one record at a time, whenever it is looked at anyway."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def look(self, found: Found, record: Record) -> None:
        """Tell that consent runs out, if that was not told yet for this threshold."""
        now, connection = self._ground.clock.now(), found.connection
        near = threshold(record.refresh_hard_end, now, self._ground.settings.hard_limit_notice)
        told = f"{record.name}:{record.refresh_hard_end}:{near}"
        if not near or connection.health in _OVER or connection.fields.get(TOLD) == told:
            return
        if self._ground.clock.suspect:
            return
        fields = {**connection.fields, TOLD: told}
        after = replace(connection, version=connection.version + 1, fields=fields)
        detail = f"{record.name} ends at {record.refresh_hard_end}"
        said = event(What.HARD_LIMIT_NEAR, after, now, reason=Reason.HARD_LIMIT.value, detail=detail)
        letters = [letter(said, after, f"evt_{self._ground.draw(12)}")]
        try:
            await self._ground.vault.change(Change(after, expected=connection.version, events=[said], letters=letters))
        except (Fenced, Missing):
            return  # something else changed in this moment; the next look tells it
