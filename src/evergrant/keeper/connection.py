"""What the keeper remembers of one account at one provider: values, no behaviour, no clear token.

What lives here: connections, their token records, claims, intents, pending authorizations, the words for health and
reasons. What must not: how any of it is stored (`vault`), sealed (`sealing`) or decided about (`decision`).
Every instant is an integer number of seconds since the epoch; 0 stands for "unknown" or "none".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAIN: Final = "main"
"""The name of the only token record of most connections. Slack has `bot` and `user`."""


class Health(StrEnum):
    """How a connection is. `refreshing` is not stored: it is a record with a live claim."""

    PENDING_CONSENT = "pending_consent"
    ACTIVE = "active"
    DEGRADED = "degraded"
    IN_DOUBT = "in_doubt"
    NEEDS_REAUTH = "needs_reauth"
    SUSPENDED_CLIENT = "suspended_client"
    QUARANTINED = "quarantined"
    REVOKING = "revoking"
    REVOKED = "revoked"


class Reason(StrEnum):
    """Why a connection is as it is; stored, never guessed later."""

    NONE = ""
    GRANT_DEAD = "grant_dead"
    GRANT_DEAD_UNEXPLAINED = "grant_dead_unexplained"
    """Refused although our ledger shows no second spend: stolen, or somebody else holds it too."""
    GRANT_LOST = "grant_lost"
    """A spend was interrupted, and the provider's facts say that repeating it is useless or harmful."""
    VAULT_RESTORED = "vault_restored"
    """Refused, and the vault had been restored from a backup in which a token of before a rotation may have lain."""
    IDLE_LIMIT = "idle_limit"
    HARD_LIMIT = "hard_limit"
    INTERACTION_REQUIRED = "interaction_required"
    SCOPE_MISSING = "scope_missing"
    NO_REFRESH_TOKEN = "no_refresh_token"
    ACCOUNT_CHANGED = "account_changed"
    CLIENT_REFUSED = "client_refused"
    PROVIDER_UNREACHABLE = "provider_unreachable"
    PROVIDER_BUSY = "provider_busy"
    ANSWER_UNREADABLE = "answer_unreadable"
    REFRESH_IN_DOUBT = "refresh_in_doubt"
    RECORD_UNREADABLE = "record_unreadable"
    """A sealed field does not open: wrong key, or the row was swapped or changed."""
    MISUSE = "misuse"
    BY_USER = "by_user"
    BY_OPERATOR = "by_operator"
    REVOKED_AT_PROVIDER = "revoked_at_provider"


class Origin(StrEnum):
    """How an access token's end became known."""

    PROVIDER = "provider"
    """The reply said so."""
    JWT = "jwt"
    INTROSPECTION = "introspection"
    CATALOG = "catalog"
    OBSERVED = "observed"
    """Learned from the age at which the provider answered 401."""
    UNKNOWN = "unknown"
    NEVER = "never"
    """The provider says that it does not expire by age."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One account at one provider. *account* is the caller's own name for it, *subject* the provider's.

    Unique: (tenant, client, account). *version* rises by one with every committed change of any of its records.
    """

    id: str
    tenant: str
    client: str
    provider: str
    account: str
    user: str
    """Whoever connected it, as the application knows them; only they may finish a reconnect."""
    subject: str = ""
    label: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    version: int = 0
    health: Health = Health.PENDING_CONSENT
    reason: Reason = Reason.NONE
    detail: str = ""
    """The provider's error code and a short description; never a token."""
    asked_scope: tuple[str, ...] = ()
    granted_scope: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    """Routing members of the reply or callback that API calls need: instance_url, realmId, api_domain, …"""
    overrides: Mapping[str, object] = field(default_factory=dict)
    """Provider facts that are different for this connection."""
    created_at: int = 0
    connected_at: int = 0
    changed_at: int = 0
    """When health last changed."""
    failures: int = 0
    """Consecutive failed refreshes; 0 after a success."""
    retry_at: int = 0
    """Not before this may a refresh be tried again."""


@dataclass(frozen=True, slots=True)
class Record:
    """One pair of tokens, sealed. Each record of a connection is committed alone: one that fails costs no other."""

    connection_id: str
    name: str = MAIN
    version: int = 0
    access_token: bytes = b""
    refresh_token: bytes = b""
    previous: bytes = b""
    """The refresh token before this one, kept while the provider would still take it."""
    previous_until: int = 0
    fingerprint: str = ""
    """Keyed hash of the refresh token in clear; empty when there is none."""
    dead: tuple[str, ...] = ()
    """Fingerprints that a provider has declared dead; never sent again."""
    token_type: str = "Bearer"
    scope: tuple[str, ...] = ()
    sent_at: int = 0
    """When the request that brought these tokens was sent: lifetimes count from here."""
    expires_at: int = 0
    origin: Origin = Origin.UNKNOWN
    refresh_idle_end: int = 0
    refresh_hard_end: int = 0
    refreshed_at: int = 0
    used_at: int = 0
    """When the access token was last leased, to the minute."""
    restored_from: int = 0
    """When the backup was made that these tokens came out of: newer ones may have been lost. 0 where nothing was."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one refresher to spend a record's refresh token, until the *vault's* clock says *until*.

    *fence* rises with every claim of this record and is never reused.
    """

    connection_id: str
    name: str
    owner: str
    fence: int
    until: int


class Step(StrEnum):
    """Where an intent stands."""

    OPEN = "open"
    """Written before the spend; whether the provider saw it is not known."""
    ANSWERED = "answered"
    """The reply is journalled, sealed, and not yet committed."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Intent:
    """The durable note "I am about to spend this refresh token"."""

    id: str
    connection_id: str
    name: str
    record_version: int
    fingerprint: str
    fence: int
    written_at: int
    deadline: int
    retry: str
    """The provider's `ambiguous_retry` as it was when the intent was written."""
    step: Step = Step.OPEN
    reply: bytes = b""
    """Sealed: status, headers of interest and body exactly as received."""
    earlier: tuple[bytes, ...] = ()
    """Replies journalled before that one, oldest first: a late one beside that of a replay."""
    answered_at: int = 0
    replays: int = 0
    """How often this same token was sent again to resolve the doubt."""
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """An authorization somebody has been sent away for. *sealed* holds verifier, nonce and what was asked."""

    state_digest: bytes
    tenant: str
    connection_id: str
    client: str
    user: str
    made_at: int
    until: int
    sealed: bytes
