"""/healthz, /readyz, /metrics: what an operator's machinery asks. Metrics are for configured networks only."""

import ipaddress
from collections.abc import Callable
from typing import Final

from evergrant.clock import Clock
from evergrant.domain.throttle import Bucket
from evergrant.store.port import Store, StoreUnavailable
from evergrant.web.answer import NO_STORE, Answer, plain
from evergrant.web.ask import Ask, Network

EXPOSITION: Final = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
# What was found holds this long: anybody may ask, and each look costs the disk a write.
READY_SECONDS: Final = 1.0
TRIED: Final = "readiness"


class Operate:
    """Health, readiness, metrics. *leaving* says that the server is shutting down."""

    def __init__(
        self, store: Store, render: Callable[[], bytes], networks: tuple[Network, ...], leaving: Callable[[], bool],
        clock: Clock,
    ) -> None:  # fmt: skip
        self._store, self._render, self._networks, self._leaving = store, render, networks, leaving
        self._clock = clock
        self._ready, self._looked = False, -READY_SECONDS

    async def alive(self, ask: Ask) -> Answer:  # noqa: ARG002 - a handler's shape
        """The process answers; says nothing of the store, so that a database outage restarts nobody."""
        return plain(200, "alive")

    async def ready(self, ask: Ask) -> Answer:  # noqa: ARG002 - a handler's shape
        """The store can be read and a write can be committed."""
        if self._leaving():
            return plain(503, "leaving")
        if self._clock.monotonic() - self._looked >= READY_SECONDS:
            self._ready = await self._writable()
            self._looked = self._clock.monotonic()
        return plain(200, "ready") if self._ready else plain(503, "the store does not answer")

    async def _writable(self) -> bool:
        """Whether a row can be committed and read; a transaction that writes nothing succeeds on a full disk."""
        now = self._clock.now()
        tried = Bucket(TRIED, 0, now, 0, now + 60)
        try:
            await self._store.write(lambda tx: tx.buckets.put(tried))
            await self._store.read(lambda tx: tx.revision())
        except StoreUnavailable:
            return False
        return True

    async def metrics(self, ask: Ask) -> Answer:
        try:
            address = ipaddress.ip_address(ask.network)
        except ValueError:
            return plain(403, "Metrics are not for this network.")
        if not any(address in network for network in self._networks if network.version == address.version):
            return plain(403, "Metrics are not for this network.")
        return Answer(200, (EXPOSITION, *NO_STORE), self._render())
