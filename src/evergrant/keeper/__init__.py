"""The client side: connects users' accounts at other people's authorization servers and keeps their tokens fresh.

What lives here: connections, the vault that keeps them sealed, providers as data, refreshing that survives every crash,
leases for callers. What must not: anything of the issuer; a provider's name in code; a clear token outside a `Secret`.
Neighbours: the wire's grammar is `evergrant.protocol`, keys are `evergrant.keys`, everything is put together in
`keeper.opening`.

The names below are its door; each is loaded when it is first asked for, so that a room can be used without all others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from evergrant.keeper.connection import Connection, Health, Reason
    from evergrant.keeper.errors import (
        AlreadyConnected,
        BadRequest,
        CallbackRefused,
        KeeperError,
        NeedsReauth,
        NotUsable,
        RefreshInProgress,
        TryLater,
        UnknownConnection,
        UnknownProvider,
        VaultTrouble,
    )
    from evergrant.keeper.keeper import Keeper
    from evergrant.keeper.service.importing import Existing
    from evergrant.keeper.service.lease import Lease
    from evergrant.keeper.service.told import Connected, Link
    from evergrant.keeper.settings import Client, Settings
    from evergrant.keeper.sync import Keeper as SyncKeeper

_ERRORS: Final = (
    "AlreadyConnected",
    "BadRequest",
    "CallbackRefused",
    "KeeperError",
    "NeedsReauth",
    "NotUsable",
    "RefreshInProgress",
    "TryLater",
    "UnknownConnection",
    "UnknownProvider",
    "VaultTrouble",
)
_ROOMS: Final = {
    **dict.fromkeys(_ERRORS, "errors"),
    **dict.fromkeys(("Connection", "Health", "Reason"), "connection"),
    **dict.fromkeys(("Client", "Settings"), "settings"),
    **dict.fromkeys(("Connected", "Link"), "service.told"),
    "Existing": "service.importing",
    "Keeper": "keeper",
    "Lease": "service.lease",
    "SyncKeeper": "sync",
}

__all__ = [
    "AlreadyConnected",
    "BadRequest",
    "CallbackRefused",
    "Client",
    "Connected",
    "Connection",
    "Existing",
    "Health",
    "Keeper",
    "KeeperError",
    "Lease",
    "Link",
    "NeedsReauth",
    "NotUsable",
    "Reason",
    "RefreshInProgress",
    "Settings",
    "SyncKeeper",
    "TryLater",
    "UnknownConnection",
    "UnknownProvider",
    "VaultTrouble",
]


def __getattr__(name: str) -> Any:
    """A name of the door, from the room it lives in."""
    room = _ROOMS.get(name)
    if room is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{room}"), "Keeper" if name == "SyncKeeper" else name)
