"""What a caller is told when a refresh ended without tokens."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from evergrant.keeper.connection import Connection, Health, Reason
from evergrant.keeper.decision.outcome import Ending, GaveUp, Missing, Unreachable
from evergrant.keeper.decision.verdict import Busy, ClientRefused, Dead, Granted, Interaction, ScopeRefused, Unknown
from evergrant.keeper.errors import KeeperError, NeedsReauth, NotUsable, TryLater, VaultTrouble
from evergrant.keeper.vault.port import VaultUnavailable

_OVER: Final = (Dead, GaveUp, Interaction, ScopeRefused)
_LATER: Final[Mapping[type[Any], Reason]] = {
    Busy: Reason.PROVIDER_BUSY,
    Unreachable: Reason.PROVIDER_UNREACHABLE,
    Missing: Reason.REFRESH_IN_DOUBT,
    Unknown: Reason.ANSWER_UNREADABLE,
}


def failure(ending: Ending | None, connection: Connection, now: int) -> KeeperError | None:
    """The error for *ending*, with *connection* as it was committed; None when the record is good."""
    name = f"{connection.account} at {connection.client}"
    if isinstance(ending, ClientRefused):
        msg = f"the provider refuses the client {connection.client} ({ending.code}); its operator must look at it"
        return NotUsable(msg, Health.SUSPENDED_CLIENT, Reason.CLIENT_REFUSED)
    if isinstance(ending, Granted) or ending is None:
        if connection.health is Health.NEEDS_REAUTH:
            return NeedsReauth(f"{name} has to be connected again: {connection.reason.value}", connection.reason)
        if ending is None or connection.health is not Health.DEGRADED:
            return None
        return later(connection, now)
    if isinstance(ending, _OVER) or connection.health is Health.NEEDS_REAUTH:
        return NeedsReauth(f"{name} has to be connected again: {connection.reason.value}", connection.reason)
    reason = _LATER[type(ending)]
    return later(connection, now, reason)


def later(connection: Connection, now: int, reason: Reason = Reason.NONE) -> TryLater:
    """That there is no good token for now, and when to ask again."""
    reason = reason or connection.reason
    after = max(1, connection.retry_at - now)
    name = f"{connection.account} at {connection.client}"
    return TryLater(f"{name} could not be refreshed for now: {reason.value}; try again in {after} s", after, reason)


@contextmanager
def vault_trouble() -> Iterator[None]:
    """Tell callers in their own words that the vault does not answer."""
    try:
        yield
    except VaultUnavailable as error:
        msg = "the vault does not read or write at the moment"
        raise VaultTrouble.of(error, msg) from error
