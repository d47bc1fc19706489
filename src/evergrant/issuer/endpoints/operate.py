"""/healthz, /readyz, /metrics: what an operator's machinery asks. Metrics are for configured networks only."""

import ipaddress
from collections.abc import Callable
from typing import Final

from evergrant.issuer.http.answer import NO_STORE, Answer, plain
from evergrant.issuer.http.ask import Ask, Network
from evergrant.store.port import Store, StoreUnavailable

EXPOSITION: Final = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


class Operate:
    """Health, readiness, metrics. *leaving* says that the server is shutting down."""

    def __init__(
        self, store: Store, render: Callable[[], bytes], networks: tuple[Network, ...], leaving: Callable[[], bool]
    ) -> None:
        self._store, self._render, self._networks, self._leaving = store, render, networks, leaving

    async def alive(self, ask: Ask) -> Answer:  # noqa: ARG002 - a handler's shape
        """The process answers; says nothing of the store, so that a database outage restarts nobody."""
        return plain(200, "alive")

    async def ready(self, ask: Ask) -> Answer:  # noqa: ARG002 - a handler's shape
        """The store can be read and a write can be committed."""
        if self._leaving():
            return plain(503, "leaving")
        try:
            await self._store.write(lambda tx: tx.revision())
            await self._store.read(lambda tx: tx.revision())
        except StoreUnavailable:
            return plain(503, "the store does not answer")
        return plain(200, "ready")

    async def metrics(self, ask: Ask) -> Answer:
        try:
            address = ipaddress.ip_address(ask.network)
        except ValueError:
            return plain(403, "Metrics are not for this network.")
        if not any(address in network for network in self._networks if network.version == address.version):
            return plain(403, "Metrics are not for this network.")
        return Answer(200, (EXPOSITION, *NO_STORE), self._render())
