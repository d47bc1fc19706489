"""Clients of ours that a provider refuses: every connection of such a client waits, and no user is blamed.

One row per client, in the keeper's own tenant, says so to every process. It is asked before a refresh; when its time
to try again comes, or the credentials have changed, one refresher goes first, and the others wait for how it ends.
"""

from dataclasses import replace
from typing import Final

from evergrant.keeper.connection import Connection, Health, Reason
from evergrant.keeper.decision.health import moved
from evergrant.keeper.decision.letter import letter
from evergrant.keeper.decision.verdict import ClientRefused
from evergrant.keeper.decision.window import pause
from evergrant.keeper.errors import NotUsable
from evergrant.keeper.event import Event
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.settings import HOUSE, Client
from evergrant.keeper.vault.port import Change, Fenced, Missing, Taken

CREDENTIALS: Final = "credentials"
LEAST: Final = 60
MOST: Final = 3_600
"""Seconds between two tries with credentials that were refused."""


class Clients:
    """The rows, and whether this process may refresh for a client."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._stamp: dict[str, int] = {}
        self._rows: dict[str, Connection | None] = {}

    async def suspended(self, ours: Client) -> Connection | None:
        """The row of a suspended client, None for one that is in order."""
        stamp = self._ground.vault.stamp()
        if self._stamp.get(ours.name) != stamp:
            found = await self._ground.vault.look_up(HOUSE, ours.name, "")
            self._rows[ours.name] = found.connection if found is not None else None
            self._stamp[ours.name] = stamp
        row = self._rows[ours.name]
        return row if row is not None and row.health is Health.SUSPENDED_CLIENT else None

    async def admit(self, ours: Client) -> None:
        """Return when a refresh may be tried. Raises `NotUsable` while the client is suspended."""
        row = await self.suspended(ours)
        if row is None:
            return
        now = self._ground.clock.now()
        changed = row.fields.get(CREDENTIALS) != self._credentials(ours)
        if not changed and now < row.retry_at:
            raise refused(ours, row.detail)
        ahead = replace(row, version=row.version + 1, retry_at=now + LEAST, fields=self._fields(ours))
        try:
            await self._ground.vault.change(Change(ahead, expected=row.version))
        except (Fenced, Missing):
            raise refused(ours, row.detail) from None

    async def suspend(self, ours: Client, verdict: ClientRefused) -> None:
        """Note that the provider refuses the client; told once per episode."""
        now = self._ground.clock.now()
        row = await self._row(ours)
        failures = row.failures + 1
        risen = replace(
            row,
            version=row.version + 1,
            failures=failures,
            retry_at=now + pause(failures, LEAST, MOST, self._lot()),
            fields=self._fields(ours),
        )
        after, edge = moved(risen, Health.SUSPENDED_CLIENT, Reason.CLIENT_REFUSED, now, detail=verdict.code)
        await self._write(row, after, edge)

    async def works(self, ours: Client) -> None:
        """Note that the client is not refused any more; nothing when it never was."""
        row = await self.suspended(ours)
        if row is None:
            return
        risen = replace(row, version=row.version + 1, failures=0, retry_at=0)
        after, edge = moved(risen, Health.ACTIVE, Reason.NONE, self._ground.clock.now())
        await self._write(row, after, edge)

    async def _row(self, ours: Client) -> Connection:
        found = await self._ground.vault.look_up(HOUSE, ours.name, "")
        if found is not None:
            return found.connection
        now = self._ground.clock.now()
        fresh = Connection(
            id=f"client_{self._ground.draw(12)}",
            tenant=HOUSE,
            client=ours.name,
            provider=ours.provider,
            account="",
            user="",
            health=Health.ACTIVE,
            created_at=now,
            changed_at=now,
        )
        try:
            await self._ground.vault.add(fresh)
        except Taken:
            again = await self._ground.vault.look_up(HOUSE, ours.name, "")
            return again.connection if again is not None else fresh
        return fresh

    async def _write(self, row: Connection, after: Connection, edge: tuple[Event, ...]) -> None:
        letters = [letter(one, after, f"evt_{self._ground.draw(12)}") for one in edge]
        try:
            await self._ground.vault.change(Change(after, expected=row.version, events=edge, letters=letters))
        except (Fenced, Missing):
            return  # another process has told it in the same moment

    def _fields(self, ours: Client) -> dict[str, str]:
        return {CREDENTIALS: self._credentials(ours)}

    def _credentials(self, ours: Client) -> str:
        secrets = [one.reveal() for one in (ours.secret, ours.private_key) if one is not None]
        return self._ground.sealer.fingerprint("\0".join([ours.client_id, *secrets]))

    def _lot(self) -> float:
        return int.from_bytes(self._ground.entropy.draw(4), "big") / 2**32


def refused(ours: Client, detail: str) -> NotUsable:
    """What callers are told."""
    said = f" ({detail})" if detail else ""
    msg = f"the provider refuses the client {ours.name}{said}; its operator must look at its id and secret"
    return NotUsable(msg, Health.SUSPENDED_CLIENT, Reason.CLIENT_REFUSED)
