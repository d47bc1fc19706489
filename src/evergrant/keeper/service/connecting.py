"""The connecting services of one keeper, put together on one ground."""

from evergrant.keeper.service.committing import Committing
from evergrant.keeper.service.connect import Connect
from evergrant.keeper.service.device import Device
from evergrant.keeper.service.disconnect import Disconnect, Freshen
from evergrant.keeper.service.exporting import Exporting
from evergrant.keeper.service.facts import Facts
from evergrant.keeper.service.finding import Finding
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.importing import Importing
from evergrant.keeper.service.landing import Landing
from evergrant.keeper.service.loopback import Loopback
from evergrant.keeper.service.reconnect import Reconnect
from evergrant.keeper.service.telling import Telling


class Connecting:
    """One attribute per service; the public door hands its verbs on."""

    def __init__(self, ground: Ground, freshen: Freshen | None = None) -> None:
        facts = Facts(ground.catalog)
        telling = Telling(ground)
        self.finding = Finding(ground.vault)
        self.landing = Landing(ground, facts, Committing(ground, telling))
        self.connect = Connect(ground, facts, self.landing)
        self.reconnect = Reconnect(ground, self.connect)
        self.device = Device(ground, facts, self.landing)
        self.loopback = Loopback(ground, self.connect)
        self.importing = Importing(ground, facts)
        self.exporting = Exporting(ground)
        self.disconnect = Disconnect(ground, facts, self.finding, telling, freshen)
