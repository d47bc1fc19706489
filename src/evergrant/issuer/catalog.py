"""Clients and keys in memory, never older than half a second, newer as soon as any transaction has seen a change.

What ends families is never left to this cache: ends are written to the families themselves (see `service.ends`).
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from evergrant.clock import Clock
from evergrant.domain.client import Client
from evergrant.domain.epoch import Epoch
from evergrant.domain.key import SealedKey
from evergrant.domain.policy import Limits, Policy
from evergrant.issuer.refusals import Refusals
from evergrant.keys.port import Kek
from evergrant.keys.ring import Ring
from evergrant.store.port import Store, StoreUnavailable, Tx

STALE_SECONDS: Final = 0.5
# However many requests are about to be refused: this many looks a second, times one cheap read.
LOOK_SECONDS: Final = 0.02
LOOK_PATIENCE: Final = 5.0
PAGE: Final = 1000


class Catalog:
    """What the token path looks up. `await fresh()` first, then everything else is a dictionary.

    *refusals* counts those who could not prove to be one of these clients.
    """

    def __init__(self, store: Store, kek: Kek, clock: Clock, limits: Limits, refusals: Refusals | None = None) -> None:
        self._store, self._kek, self._clock, self._limits = store, kek, clock, limits
        self.refusals: Final = refusals or Refusals()
        self._revision = self._heard = -1
        self._checked = 0.0
        self._looking: asyncio.Future[None] | None = None
        self._clients: Mapping[str, Client] = {}
        self._policies: dict[str, Policy] = {}
        self.back_channel = False
        """Whether any client wants to be told that a session ended."""
        self.longest_access = 0
        """Of the access lifetimes that clients have of their own, in seconds."""
        self.ring = Ring((), kek)
        self.epoch = Epoch()

    @property
    def stale(self) -> bool:
        """Whether a change was seen, or it is time to look for one."""
        late = self._clock.monotonic() - self._checked >= STALE_SECONDS
        return late or self._store.seen_revision > max(self._revision, self._heard)

    async def fresh(self) -> None:
        """Reload when this is stale; whoever comes meanwhile waits for the same look. Raises `StoreUnavailable`."""
        if not self.stale:
            return
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())
            self._looking.add_done_callback(lambda look: look.cancelled() or look.exception())  # heard, whoever waits
        look = self._looking  # by the time this one has failed, somebody else may have begun the next
        done, _ = await asyncio.wait({look}, timeout=LOOK_PATIENCE)
        if not done:
            raise StoreUnavailable(f"the store has not answered for {LOOK_PATIENCE:g} seconds")
        look.result()

    async def changed(self) -> bool:
        """Look again before something is refused: another process may have registered it a moment ago.

        Whether anything had changed. Raises `StoreUnavailable`.
        """
        if self._clock.monotonic() - self._checked < LOOK_SECONDS and not self.stale:
            return False
        before = self._revision
        await self._look()
        return self._revision != before

    async def _look(self) -> None:
        # What was heard of before a look is settled by it: a store that lost its last commits may never come so far
        # again (attack O-03), and would be looked at for every request.
        moment, heard = self._clock.monotonic(), self._store.seen_revision
        revision, loaded = await self._store.read(_load(self._revision))
        self._checked, self._heard = moment, heard
        if loaded is not None:
            clients, keys, self.epoch = loaded
            self.ring = Ring(keys, self._kek)
            self._clients = clients
            self._policies = {}
            self.back_channel = any(client.backchannel_logout_uri for client in clients.values())
            self.longest_access = max((client.access_lifetime or 0 for client in clients.values()), default=0)
            self._revision = revision

    def client(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def policy(self, client: Client) -> Policy:
        policy = self._policies.get(client.id)
        if policy is None:
            policy = self._policies[client.id] = client.policy(self._limits)
        return policy


_Loaded = tuple[dict[str, Client], list[SealedKey], Epoch]


def _load(known: int) -> Callable[[Tx], tuple[int, _Loaded | None]]:
    def work(tx: Tx) -> tuple[int, _Loaded | None]:
        revision = tx.revision()
        if revision == known:
            return revision, None
        clients: dict[str, Client] = {}
        after: str | None = None
        while page := tx.clients.find(PAGE, after):
            clients |= {client.id: client for client in page}
            after = page[-1].id
        return revision, (clients, tx.keys.find(), tx.epoch())

    return work
