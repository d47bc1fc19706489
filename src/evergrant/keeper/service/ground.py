"""What every service stands on, injected once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from difflib import get_close_matches

from evergrant.clock import Clock
from evergrant.domain.base64url import encode
from evergrant.entropy import Entropy
from evergrant.keeper.errors import UnknownProvider
from evergrant.keeper.exchange import Transport
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.sealing import Sealer
from evergrant.keeper.settings import Client, Settings
from evergrant.keeper.vault.port import Vault


@dataclass(frozen=True, slots=True)
class Ground:
    """The rooms below, and nothing else. *pause* waits for seconds; tests pass time in it."""

    vault: Vault
    sealer: Sealer
    catalog: Catalog
    settings: Settings
    transport: Transport
    clock: Clock
    entropy: Entropy
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    def client(self, name: str) -> Client:
        """The application of ours that callers call *name*. Raises `UnknownProvider` with near names."""
        found = self.settings.clients.get(name)
        if found is not None:
            return found
        near = tuple(get_close_matches(name, self.settings.clients, n=3, cutoff=0.5))
        hint = f"; near: {', '.join(near)}" if near else ""
        msg = f"no client is named {name[:80]}{hint}"
        raise UnknownProvider(msg, near)

    def draw(self, count: int = 32) -> str:
        """A new secret or identifier of *count* random bytes, in base64url."""
        return encode(self.entropy.draw(count)).decode("ascii")
