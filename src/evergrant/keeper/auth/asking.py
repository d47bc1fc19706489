"""What an HTTP library asks of a keeper: a lease, a newer one after a 401, the reason when a scope is missing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from evergrant.keeper.errors import NeedsReauth
from evergrant.keeper.service.lease import Lease

L = TypeVar("L")
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Asking(Generic[L, E]):
    """Three questions; each raises what `Keeper.lease` raises."""

    lease: Callable[[], L]
    renewed: Callable[[Lease], L]
    """A newer lease, after a 401 to this one."""
    missing: Callable[[Lease, tuple[str, ...]], E]
    """The error to raise when an API says that these scopes are missing."""


Awaited = Asking[Awaitable[Lease], Awaitable[NeedsReauth]]
Blocking = Asking[Lease, NeedsReauth]
