"""/.well-known documents and the key set, generated from what is really switched on (RFC 8414, RFC 7517)."""

from collections.abc import Iterable
from typing import Final

from evergrant.clock import Clock
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.service.flows import ACR
from evergrant.issuer.settings import Settings
from evergrant.keys.signing import ALGORITHMS
from evergrant.protocol.metadata import metadata
from evergrant.web.answer import Answer, public_json
from evergrant.web.ask import Ask

METADATA_SECONDS: Final = 300
KEYS_SECONDS: Final = 300


class Discovery:
    """What the server says of itself."""

    def __init__(self, catalog: Catalog, settings: Settings, grants: Iterable[str], clock: Clock) -> None:
        self._catalog, self._settings, self._grants, self._clock = catalog, settings, tuple(grants), clock

    async def document(self, ask: Ask) -> Answer:  # noqa: ARG002 - a handler's shape
        scopes = {*self._settings.scopes, *(s for item in self._settings.resources.values() for s in item.scopes)}
        settings = self._settings
        found = metadata(
            settings.issuer, self._grants, scopes, ALGORITHMS, ACR, certificates=settings.certificates,
            certificate_origin=settings.certificate_url,
        )  # fmt: skip
        return public_json(found, METADATA_SECONDS)

    async def keys(self, ask: Ask) -> Answer:  # noqa: ARG002 - a handler's shape
        await self._catalog.fresh()
        return public_json({"keys": self._catalog.ring.public_set(self._clock.now())}, KEYS_SECONDS)
