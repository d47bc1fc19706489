"""Watching who takes what: a new caller, an unusual rate, 401s on young tokens, more refreshes than lifetimes explain.

Evidence is an event and a letter; whether it stops a connection is the operator's setting. Counting happens in memory,
so it is per process, and costs a lease nothing.
"""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from evergrant.keeper.connection import Connection, Health, Reason, Record
from evergrant.keeper.decision.health import event, moved
from evergrant.keeper.decision.letter import letter, lettered
from evergrant.keeper.decision.misuse import Rate, hasty, unusual, young
from evergrant.keeper.errors import UnknownConnection
from evergrant.keeper.event import Event, What
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.vault.port import Change, Fenced, Found, VaultUnavailable

MOST_RATES: Final = 50_000
LOOKED_AT: Final = 1_000
TRIES: Final = 5
MOST_YOUNG: Final = 3
"""So many young tokens that an API refused are told to be unusual."""
MOST_HASTY: Final = 5
"""So many refreshes in a row, each long before its time, are told to be unusual."""


@dataclass(frozen=True, slots=True)
class Used:
    """A use that is to be noted."""

    connection_id: str
    record: str
    caller: str
    at: int
    taken: int


class Watch:
    """Counts, and tells."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._used: deque[Used] = deque(maxlen=MOST_RATES)
        self._rates: dict[tuple[str, str], Rate] = {}
        self._known: set[tuple[str, str]] = set()
        self._young: dict[str, int] = {}
        self._hasty: dict[str, int] = {}

    def used(self, connection_id: str, record: str, caller: str, now: int, taken: int) -> None:
        """Remember *taken* leases of the minute that has ended; safe from any thread."""
        self._used.append(Used(connection_id, record, caller, now, taken))

    async def flush(self, connection: Connection | None = None, caller: str = "") -> None:
        """Note what was remembered, and *caller* if it is new to *connection*."""
        if connection is not None:
            await self._caller(connection, caller)
        while self._used:
            used = self._used.popleft()
            await self._ground.vault.touch(used.connection_id, used.record, used.at - used.at % 60)
            await self._rate(used)

    async def _caller(self, connection: Connection, caller: str) -> None:
        key = (connection.id, caller)
        if key in self._known:
            return
        if len(self._known) >= MOST_RATES:
            self._known.clear()
        self._known.add(key)
        before = await self._ground.vault.events(tenant=connection.tenant, connection_id=connection.id, limit=LOOKED_AT)
        leased = [one.event.caller for one in before if one.event.what is What.LEASED]
        if caller in leased:
            return
        now = self._ground.clock.now()
        told = [event(What.LEASED, connection, now, caller=caller)]
        if leased:
            told.append(event(What.LEASE_UNUSUAL, connection, now, caller=caller, detail="new_caller"))
        await self._ground.vault.note(told)

    async def _rate(self, used: Used) -> None:
        key = (used.connection_id, used.caller)
        rate = self._rates.get(key, Rate())
        if len(self._rates) >= MOST_RATES:
            self._rates.clear()
        self._rates[key], tell = unusual(rate, used.taken, self._ground.settings.unusual_rate)
        if tell:
            now = self._ground.clock.now()
            told = Event(now, What.LEASE_UNUSUAL, connection_id=used.connection_id, caller=used.caller, detail="rate")
            await self._ground.vault.note([told])

    async def unauthorized(self, connection: Connection, record: Record, caller: str, now: int) -> list[Event]:
        """The events of a 401 on the newest token we have."""
        early = young(record, now)
        detail = "young_token" if early else ""
        told = [event(What.UNAUTHORIZED, connection, now, caller=caller, detail=detail)]
        if early:
            count = self._young[connection.id] = self._young.get(connection.id, 0) + 1
            if count == MOST_YOUNG:
                told.append(event(What.LEASE_UNUSUAL, connection, now, caller=caller, detail="young_tokens_refused"))
        return told

    async def refreshed(self, connection: Connection, before: Record) -> None:
        """Tell when a connection is refreshed far more often than its tokens' lifetime explains."""
        now = self._ground.clock.now()
        count = self._hasty.get(connection.id, 0) + 1 if hasty(before, now) else 0
        if count:
            self._hasty[connection.id] = count
        else:
            self._hasty.pop(connection.id, None)
        if count == MOST_HASTY:
            told = event(What.LEASE_UNUSUAL, connection, now, detail="refreshed_far_too_often")
            await self._ground.vault.note([told])

    async def ended(self, found: Found) -> None:
        """Stop a connection whose refresh token somebody else seems to hold, where the operator wishes so."""
        connection = found.connection
        suspicious = connection.reason is Reason.GRANT_DEAD_UNEXPLAINED and connection.health is Health.NEEDS_REAUTH
        if suspicious and self._ground.settings.quarantine:
            await self.quarantine(found, Reason.MISUSE, connection.reason.value)

    async def leave(self) -> None:
        """Note what was remembered, if the vault still writes."""
        with suppress(VaultUnavailable):
            await self.flush()

    async def quarantine(self, found: Found, reason: Reason, detail: str) -> Connection:
        """Stop handing out tokens of the connection until an operator has looked."""
        return await self._move(found, Health.QUARANTINED, reason, detail, What.QUARANTINED)

    async def release(self, found: Found, detail: str = "") -> Connection:
        """End a quarantine. A connection that is not in one stays as it is."""
        if found.connection.health is not Health.QUARANTINED:
            return found.connection
        return await self._move(found, Health.ACTIVE, Reason.NONE, detail, What.RELEASED)

    async def _move(self, found: Found, health: Health, reason: Reason, detail: str, what: What) -> Connection:
        for _ in range(TRIES):
            now = self._ground.clock.now()
            risen = replace(found.connection, version=found.connection.version + 1)
            after, edge = moved(risen, health, reason, now, detail=detail, what=what)
            letters = [letter(one, after, f"evt_{self._ground.draw(12)}") for one in edge if lettered(one)]
            try:
                await self._ground.vault.change(
                    Change(after, expected=found.connection.version, events=edge, letters=letters)
                )
            except Fenced:
                again = await self._ground.vault.load(found.connection.tenant, found.connection.id)
                if again is None:
                    msg = f"there is no connection {found.connection.id} any more"
                    raise UnknownConnection(msg) from None
                found = again
            else:
                return after
        return found.connection
