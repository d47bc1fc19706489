"""What every handler of the service stands on, put together once."""

from dataclasses import dataclass, field

from evergrant.keeper.keeper import Keeper
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.serving.api_keys import ApiKeys
from evergrant.keeper.serving.devices import Devices
from evergrant.keeper.serving.links import Links
from evergrant.keeper.serving.metrics import KeeperMetrics
from evergrant.keeper.serving.names import Names
from evergrant.keeper.serving.outbox import Outbox
from evergrant.keeper.serving.settings import ServingSettings


@dataclass(frozen=True, slots=True)
class House:
    """The keeper, what it was told about being served, who may ask, and what is counted."""

    keeper: Keeper
    settings: ServingSettings
    metrics: KeeperMetrics
    keys: ApiKeys
    links: Links
    devices: Devices
    outbox: Outbox
    names: Names = field(default_factory=Names)

    async def ground(self) -> Ground:
        """The rooms below, open. Raises `VaultTrouble`, and `VaultUnusable` or `KeyUnusable` the first time."""
        return (await self.keeper.rooms()).ground


def furnished(keeper: Keeper, settings: ServingSettings, metrics: KeeperMetrics) -> House:
    """A house over *keeper*; opens nothing."""
    outbox = Outbox(keeper, settings, metrics)
    return House(keeper, settings, metrics, ApiKeys(keeper), Links(keeper, settings), Devices(keeper), outbox)
