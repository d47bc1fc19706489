"""What every service stands on, injected once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from evergrant.clock import Clock
from evergrant.domain.base64url import encode
from evergrant.entropy import Entropy
from evergrant.keeper.errors import UnknownProvider, VaultTrouble
from evergrant.keeper.exchange import Transport
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.sealing import Sealer
from evergrant.keeper.settings import Client, Settings
from evergrant.keeper.vault.port import Vault, VaultUnavailable
from evergrant.keeper.wire.proof import Nonces

P = ParamSpec("P")
R = TypeVar("R")


def steady(verb: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """A verb that callers ask for: a vault in trouble is a typed reason to them."""

    @wraps(verb)
    async def asked(*given: P.args, **more: P.kwargs) -> R:
        try:
            return await verb(*given, **more)
        except VaultUnavailable as error:
            msg = "the vault does not answer at the moment; nothing that was there is lost"
            raise VaultTrouble.of(error, msg) from error

    return asked


@dataclass(frozen=True, slots=True)
class Ground:
    """The rooms below, and nothing else. *pause* waits for seconds; tests pass time in it.

    *nonces*: the newest one of each server that wants proofs.
    """

    vault: Vault
    sealer: Sealer
    catalog: Catalog
    settings: Settings
    transport: Transport
    clock: Clock
    entropy: Entropy
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    nonces: Nonces = field(default_factory=Nonces)

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
