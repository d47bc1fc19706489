"""What happened to a connection, in a closed vocabulary, and what is sent to webhooks about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class What(StrEnum):
    """Every kind of event; its meaning stands in `MEANING`."""

    BEGUN = "connection.begun"
    CONNECTED = "connection.connected"
    RECONNECTED = "connection.reconnected"
    IMPORTED = "connection.imported"
    REFRESHED = "connection.refreshed"
    DEGRADED = "connection.degraded"
    IN_DOUBT = "connection.in_doubt"
    RESTORED = "connection.restored"
    NEEDS_REAUTH = "connection.needs_reauth"
    SUSPENDED = "connection.suspended_client"
    QUARANTINED = "connection.quarantined"
    RELEASED = "connection.released"
    REVOKING = "connection.revoking"
    REVOKED = "connection.revoked"
    REVOKE_FAILED = "connection.revoke_failed"
    DELETED = "connection.deleted"
    SCOPE_CHANGED = "connection.scope_changed"
    SUBJECT_REFUSED = "connection.subject_refused"
    HARD_LIMIT_NEAR = "connection.hard_limit_near"
    REPLAYED = "refresh.replayed"
    FENCED = "refresh.fenced"
    LEASED = "lease.first"
    LEASE_UNUSUAL = "lease.unusual"
    UNAUTHORIZED = "lease.unauthorized"
    CALLBACK_REFUSED = "callback.refused"
    KEY_REWRAPPED = "key.rewrapped"
    VAULT_RESTORED = "vault.restored"
    API_KEY_ADDED = "api_key.added"
    API_KEY_REVOKED = "api_key.revoked"


MEANING: Final[Mapping[What, str]] = {
    What.BEGUN: "somebody was sent to the provider",
    What.CONNECTED: "a user allowed the application and its tokens are kept",
    What.RECONNECTED: "the same account was allowed again; the connection keeps its id",
    What.IMPORTED: "existing tokens were taken over without spending them",
    What.REFRESHED: "fresh tokens were committed",
    What.DEGRADED: "a refresh failed for now; the access token may still be good",
    What.IN_DOUBT: "a refresh token may have been spent and the reply is missing",
    What.RESTORED: "the connection works again",
    What.NEEDS_REAUTH: "only the user can repair it; told once per episode",
    What.SUSPENDED: "the provider refuses our client; every connection of it waits for the operator",
    What.QUARANTINED: "no token is handed out until an operator has looked",
    What.RELEASED: "an operator ended the quarantine",
    What.REVOKING: "tokens are no longer handed out; the provider is being told",
    What.REVOKED: "the provider confirmed, or offers nothing to tell it with; the tokens are shredded",
    What.REVOKE_FAILED: "the provider could not be told yet",
    What.DELETED: "the connection was removed",
    What.SCOPE_CHANGED: "the provider granted other scopes than before",
    What.SUBJECT_REFUSED: "an answer named another account; nothing of it was kept",
    What.HARD_LIMIT_NEAR: "consent will run out at a date nobody can move",
    What.REPLAYED: "the same refresh token was sent once more to end a doubt",
    What.FENCED: "a late refresher came back after another had taken over; its result was not written",
    What.LEASED: "a caller was handed a token of this connection for the first time",
    What.LEASE_UNUSUAL: "tokens are taken at an unusual rate or by an unusual caller",
    What.UNAUTHORIZED: "a caller reported that the API answered 401",
    What.CALLBACK_REFUSED: "a callback was refused, with the reason",
    What.KEY_REWRAPPED: "every record is now sealed under the current key",
    What.VAULT_RESTORED: "the vault was filled from a backup; what came after that is forgotten",
    What.API_KEY_ADDED: "an API key was made",
    What.API_KEY_REVOKED: "an API key was revoked",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the keeper's audit trail. Identifiers and codes only, never a token.

    The vault numbers events and chains them: each stores the digest of the one before.
    """

    at: int
    what: What
    tenant: str = ""
    connection_id: str = ""
    client: str = ""
    account: str = ""
    reason: str = ""
    version: int = 0
    caller: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """An event with its number and its place in the chain."""

    number: int
    event: Event
    chain: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A webhook on its way. *body* is what is signed and sent; *tries* so far, next at *due*."""

    id: str
    tenant: str
    what: str
    body: bytes
    made_at: int
    due: int
    tries: int = 0
    last_error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
