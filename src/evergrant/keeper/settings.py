"""What a keeper is told when it is opened: the applications registered by us at providers, and its own numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from evergrant.domain.secret import Secret

HOUSE: Final = "~"
"""The tenant of the keeper's own rows, one per client; no application may use it."""


@dataclass(frozen=True, slots=True)
class Client:
    """One application registered by us at a provider. *name* is what callers say; it defaults to the provider's id.

    *private_key*: PKCS #8 in PEM, where the client proves itself with a signed assertion (RFC 7523).
    """

    provider: str
    client_id: str
    secret: Secret | None = None
    redirect_uri: str = ""
    overrides: Mapping[str, object] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    name: str = ""
    private_key: Secret | None = None

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.provider)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a keeper can be told. Durations in seconds."""

    clients: Mapping[str, Client] = field(default_factory=dict)
    return_to: tuple[str, ...] = ()
    """Origins to which a browser may be sent back after connecting."""
    link_seconds: int = 900
    """How long somebody who was sent to a provider may take to come back."""
    reconnect_page: str = ""
    """The address of ours at which a reconnect link arrives; without it there are no such links, only their tokens."""
    reconnect_seconds: int = 7 * 86_400
    """How long a reconnect link can be used."""
    claim_seconds: float = 60.0
    """How long one refresher may hold the right to spend; no less than `request_seconds` and `commit_seconds`."""
    request_seconds: float = 30.0
    """The longest a provider may take, connecting included."""
    connect_seconds: float = 10.0
    commit_seconds: float = 10.0
    """Kept back for journalling and committing after an answer."""
    wait_seconds: float = 35.0
    """How long a caller waits for somebody else's refresh before it is told `RefreshInProgress`."""
    recheck_seconds: float = 1.0
    """A cached lease is at most this much older than what another process has changed."""
    failure_seconds: float = 2.0
    """A failed refresh is told to everybody who asks within this time, without asking the provider again."""
    backoff_least: int = 5
    backoff_most: int = 900
    concurrent: int = 8
    """Token requests at once for one client of ours, where the provider's facts say nothing."""
    per_second: float = 50.0
    """Token requests per second for one client of ours."""
    breaker_after: int = 5
    """This many troubles of a provider in a row stop asking it for a while."""
    background_seconds: int = 20
    """Pause between two rounds of the background refresher."""
    background_ahead: int = 900
    """It looks this far ahead for what falls due."""
    hard_limit_notice: tuple[int, ...] = (30 * 86_400, 7 * 86_400, 86_400)
    """Letters are written this long before consent runs out."""
    quarantine: bool = False
    """Whether evidence of misuse stops a connection by itself."""
    unusual_rate: int = 600
    """Leases of one connection by one caller in one minute, over which it is told to be unusual."""
    keep_events: int = 400 * 86_400

    def __post_init__(self) -> None:
        if self.claim_seconds < self.request_seconds + self.commit_seconds:
            msg = "claim_seconds must be at least request_seconds and commit_seconds together"
            raise ValueError(msg)
