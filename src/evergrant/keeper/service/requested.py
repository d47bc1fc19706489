"""What was asked for when somebody was sent away, sealed until they come back; and how the two are told apart.

The authorization request of RFC 6749 section 4.1.1 with everything that its answer will be judged by.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from evergrant.domain.secret import Secret, digest
from evergrant.keeper.connection import Pending
from evergrant.keeper.sealing import Place, Sealer

FIELD = "authorization"
STATE = "keeper state"


@dataclass(frozen=True, slots=True)
class Requested:
    """One authorization under way. Verifier, nonce and key are secret, so its `repr` names the connection alone."""

    tenant: str
    connection_id: str
    client: str
    account: str
    user: str
    scopes: tuple[str, ...] = ()
    redirect_uri: str = ""
    """Where the callback must come to; empty for a device."""
    verifier: str = ""
    nonce: str = ""
    return_to: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    """What fills the placeholders in the provider's addresses."""
    anew: bool = False
    """It began after a disconnect; one that began before must not undo it."""
    hand_over: bool = False
    key: str = ""
    """The key that the tokens are to be bound to (RFC 9449); empty for none."""
    offline: bool | None = None
    """Whether a refresh token is a must; None: if the provider gives one when it is asked properly."""

    @property
    def proof_key(self) -> Secret | None:
        return Secret(self.key) if self.key else None

    def __repr__(self) -> str:
        return f"<requested {self.connection_id} at {self.client}>"


def written(requested: Requested) -> bytes:
    return json.dumps(asdict(requested)).encode()


def read(text: bytes | Mapping[str, object]) -> Requested:
    members = dict(json.loads(text) if isinstance(text, bytes) else text)
    return Requested(**{**members, "scopes": tuple(members["scopes"])})


def state_digest(state: str) -> bytes:
    """Under which digest the vault keeps what belongs to *state*: a copy of the vault finishes nothing."""
    return digest(STATE, state)


def pending(requested: Requested, state: str, sealer: Sealer, *, now: int, until: int) -> Pending:
    return Pending(
        state_digest=state_digest(state),
        tenant=requested.tenant,
        connection_id=requested.connection_id,
        client=requested.client,
        user=requested.user,
        made_at=now,
        until=until,
        sealed=sealer.seal(written(requested), place(requested.tenant, requested.connection_id)),
    )


def opened(found: Pending, sealer: Sealer) -> Requested:
    """What was asked for. Raises `Unreadable` when the row was changed or moved."""
    return read(sealer.unseal(found.sealed, place(found.tenant, found.connection_id)))


def place(tenant: str, connection_id: str) -> Place:
    return Place(tenant, connection_id, FIELD, 0)
