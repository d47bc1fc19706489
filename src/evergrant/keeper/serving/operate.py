"""/healthz, /readyz, /metrics: what an operator's machinery asks. Metrics are for configured networks only."""

from typing import Final

from evergrant.keeper.errors import KeeperError
from evergrant.keeper.serving.house import House
from evergrant.keeper.serving.outbox import PARKED
from evergrant.keeper.vault.port import VaultUnavailable
from evergrant.web.answer import NO_STORE, Answer, plain
from evergrant.web.ask import Ask

EXPOSITION: Final = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
READY_SECONDS: Final = 1.0


class Operate:
    """Health, readiness, metrics."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._ready, self._looked = False, -READY_SECONDS
        self.leaving = False

    async def alive(self, ask: Ask) -> Answer:  # noqa: ARG002 - a handler's shape
        """The process answers; says nothing of the vault, so that its outage restarts nobody."""
        return plain(200, "alive")

    async def ready(self, ask: Ask) -> Answer:  # noqa: ARG002 - a handler's shape
        """The vault is open and read. Asked at most once a second, whoever asks."""
        if self.leaving:
            return plain(503, "leaving")
        try:
            ground = await self._house.ground()
            steady = ground.clock.monotonic()
            if steady - self._looked >= READY_SECONDS:
                self._ready = False
                self._looked = steady
                await ground.vault.trail_ends()
                self._ready = True
        except (VaultUnavailable, KeeperError):
            self._ready = False
        return plain(200, "ready") if self._ready else plain(503, "the vault does not answer")

    async def metrics(self, ask: Ask) -> Answer:
        if not self._house.settings.may_see_metrics(ask.network):
            return plain(403, "Metrics are not for this network.")
        await self._house.metrics.look(await self._house.ground(), PARKED)
        return Answer(200, (EXPOSITION, *NO_STORE), self._house.metrics.render())
