"""Why the keeper did not do what it was asked: one type per thing a caller can do about it."""

from evergrant.keeper.connection import Health, Reason
from evergrant.keeper.vault.port import VaultMoved, VaultUnavailable


class KeeperError(Exception):
    """The base of every reason that a caller may meet. `str()` is a sentence for people and holds no secret."""


class UnknownProvider(KeeperError):
    """No such provider or client; *near* names what is like it."""

    def __init__(self, message: str, near: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.near = near


class UnknownConnection(KeeperError):
    """The tenant has no such connection; *near* names accounts that are like it."""

    def __init__(self, message: str, near: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.near = near


class NeedsReauth(KeeperError):
    """Only the user can repair the connection. *reconnect* is the link to send them to, when one can be made."""

    def __init__(self, message: str, reason: Reason, reconnect: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.reconnect = reconnect


class NotUsable(KeeperError):
    """The connection is suspended, quarantined, being revoked or revoked; *health* says which."""

    def __init__(self, message: str, health: Health, reason: Reason) -> None:
        super().__init__(message)
        self.health = health
        self.reason = reason


class TryLater(KeeperError):
    """For now there is no good token: the provider or the vault is in trouble. *after* seconds is a good time."""

    def __init__(self, message: str, after: int, reason: Reason) -> None:
        super().__init__(message)
        self.after = after
        self.reason = reason


class RefreshInProgress(TryLater):
    """Somebody else is refreshing and has not finished in time; never a credential error."""


class VaultTrouble(TryLater):
    """The vault does not read or write; nothing was spent."""

    @classmethod
    def of(cls, error: VaultUnavailable, words: str) -> "VaultTrouble":
        """What callers are told of *error*: *words*, unless no waiting will help."""
        if isinstance(error, VaultMoved):
            words = "the vault was moved to another place; this keeper has to be started there"
        return cls(words, 5, Reason.NONE)


class CallbackRefused(KeeperError):
    """The callback is not one that may be finished here. *code* is for programs, the sentence for the page.

    Codes: unknown_state, other_user, issuer_mismatch, provider_error, denied, account_changed, no_code,
    no_refresh_token, exchange_failed.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class BadRequest(KeeperError):
    """What was asked cannot be: a name too long, a return address that is not allowed, a scope that does not exist."""


class AlreadyConnected(KeeperError):
    """The account is connected already."""
