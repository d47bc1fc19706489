"""The right to spend one record's refresh token, as its holder sees it: how much of it is left, and how it is kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from evergrant.keeper.connection import Claim
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.vault.port import Fenced, VaultUnavailable

BEAT: Final = 3
"""A claim is prolonged after one part in so many of its length."""


class Hold:
    """A claim and the moment at which it ends by our own steady clock, counted from before it was asked for."""

    def __init__(self, ground: Ground, tenant: str, claim: Claim, until: float) -> None:
        self._ground = ground
        self.tenant = tenant
        self.claim = claim
        self._until = until
        self.over = False
        """Given up, in a commit or by `release`."""

    @classmethod
    async def take(cls, ground: Ground, owner: str, tenant: str, connection_id: str, name: str) -> "Hold | None":
        """The hold, or None while somebody else has it."""
        seconds = ground.settings.claim_seconds
        until = ground.clock.monotonic() + seconds
        claim = await ground.vault.claim(connection_id, name, owner, seconds)
        return cls(ground, tenant, claim, until) if claim is not None else None

    def left(self) -> float:
        """Seconds that are certainly left."""
        return self._until - self._ground.clock.monotonic()

    def for_request(self) -> float:
        """Seconds a request may take so that its answer can still be committed under this claim."""
        settings = self._ground.settings
        return min(settings.request_seconds, self.left() - settings.commit_seconds)

    async def renew(self) -> None:
        """Start its whole length anew. Raises `Fenced`, `VaultUnavailable`."""
        seconds = self._ground.settings.claim_seconds
        until = self._ground.clock.monotonic() + seconds
        self.claim = await self._ground.vault.renew(self.claim, seconds)
        self._until = until

    async def release(self) -> None:
        """Give it up; a vault in trouble lets it run out instead."""
        if self.over:
            return
        self.over = True
        with suppress(VaultUnavailable):
            await self._ground.vault.release(self.claim)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Keep prolonging it meanwhile: an answer that is in memory only must not meet another refresher."""
        task = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._ground.settings.claim_seconds / BEAT)
            try:
                await self.renew()
            except VaultUnavailable:
                continue
            except Fenced:
                return
