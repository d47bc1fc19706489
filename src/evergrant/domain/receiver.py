"""Who is told of ends besides resource servers: clients over their back channel, and receivers of security events.

What lives here: a receiver's stream and one delivery on its way, as values. What must not: what is said
(`protocol.security_event`), sending (`issuer.service.outbox`).
"""

from dataclasses import dataclass
from enum import StrEnum


class Method(StrEnum):
    """How a stream's events travel, by the names the Shared Signals Framework gives them."""

    PUSH = "urn:ietf:rfc:8935"
    POLL = "urn:ietf:rfc:8936"


class Status(StrEnum):
    """Whether a stream's events are sent, held, or not made at all (SSF 1.0 section 8.1.2)."""

    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"


class Sort(StrEnum):
    """What a delivery is: a logout token for a client, or an event for a stream."""

    LOGOUT = "logout"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a client. *endpoint* is empty for polls; *sealed* is the header a push carries.

    Its *id* is its client's, or begins with it. *without*: accounts that it is told nothing of. *held*: the operator
    has stopped it, and nobody else lets it go on.
    """

    id: str
    method: Method
    endpoint: str
    sealed: bytes
    events: tuple[str, ...]
    description: str
    created_at: int
    status: Status = Status.ENABLED
    status_reason: str = ""
    without: tuple[str, ...] = ()
    held: bool = False

    @property
    def client_id(self) -> str:
        """Whose it is."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One token to be handed to one client, by its id. *claims*: JSON, signed when it is sent; *id* is its `jti`.

    It is tried when it is *due_at*, and given up at *ends_at*.
    """

    id: str
    client_id: str
    sort: Sort
    claims: str
    due_at: int
    ends_at: int
    tries: int = 0
    stream_id: str = ""

    @property
    def stream(self) -> str:
        """The id of the stream that an event travels in; a client's first one bears the client's own."""
        return self.stream_id or self.client_id
