"""What programs get, as types. Instants in seconds since the epoch, 0 for none or unknown. No refresh token, ever."""

from collections.abc import Mapping

from msgspec import Struct

from evergrant.keeper.connection import Connection as Kept
from evergrant.keeper.connection import Health, Record
from evergrant.keeper.event import Stored
from evergrant.keeper.service.lease import Lease as Leased
from evergrant.keeper.service.told import Connected as Stood
from evergrant.keeper.vault.port import ApiKey, Found


class Answered(Struct, frozen=True, kw_only=True):
    """The base of all that is written."""


class Tokens(Answered, frozen=True):
    """One pair of tokens of a connection, described; *used_at* to the minute."""

    record: str
    version: int
    scopes: tuple[str, ...]
    expires_at: int
    refreshable: bool
    refreshed_at: int
    used_at: int
    consent_ends_at: int
    """When only the user can go on, whatever is done; 0 when that is not known."""


class Connection(Answered, frozen=True):
    """One account at one provider."""

    id: str
    client: str
    provider: str
    account: str
    user: str
    subject: str
    label: str
    tags: dict[str, str]
    version: int
    health: Health
    reason: str
    detail: str
    asked_scopes: tuple[str, ...]
    granted_scopes: tuple[str, ...]
    fields: dict[str, str]
    created_at: int
    connected_at: int
    changed_at: int
    retry_at: int
    tokens: tuple[Tokens, ...] = ()
    """Only where one connection is asked for."""


class Connections(Answered, frozen=True):
    """One page; *next* is empty on the last."""

    connections: tuple[Connection, ...]
    next: str


class Lease(Answered, frozen=True):
    """An access token for now. *version* is what a report of a 401 must name; *header* is what to send."""

    token: str
    version: int
    safe_until: int
    """0 when the token does not end by age, or nobody knows when."""
    header: dict[str, str]
    token_type: str
    """`DPoP` for a token that is worth nothing without a proof for each request (RFC 9449)."""
    scopes: tuple[str, ...]
    record: str
    connection_id: str
    client: str
    account: str
    health: Health
    fields: dict[str, str]

    def __repr__(self) -> str:
        return f"<lease of {self.connection_id}>"


class Link(Answered, frozen=True):
    """Where to send the browser of the user, until when, and of which connection if one is named yet."""

    url: str
    expires_at: int
    connection_id: str = ""

    def __repr__(self) -> str:
        return f"<link until {self.expires_at}>"


class Connected(Answered, frozen=True):
    """A connection that stands. *missing*: scopes that were asked for and not granted."""

    connection: Connection
    return_to: str
    reconnected: bool
    missing: tuple[str, ...]
    refreshable: bool
    advice: str


class Device(Answered, frozen=True):
    """What the user must read, and how it stands: `pending`, `connected`, or `refused` with the code of a refusal."""

    device: str
    state: str
    user_code: str
    verification_uri: str
    complete_uri: str
    expires_at: int
    connection_id: str = ""
    code: str = ""
    sentence: str = ""


class Sibling(Answered, frozen=True):
    """Another connection that ends with this one; *sure* if it holds the same refresh token."""

    connection_id: str
    account: str
    sure: bool


class Ends(Answered, frozen=True):
    """What disconnecting would end."""

    connection_id: str
    told_provider: bool
    blast_radius: str
    siblings: tuple[Sibling, ...]
    elsewhere: bool


class Provider(Answered, frozen=True):
    """One of our clients at a provider, by the name that connections use."""

    client: str
    provider: str
    name: str
    scopes: tuple[str, ...]
    device: bool
    rotates: str
    told_of_the_end: bool
    redirect_uri: str


class Providers(Answered, frozen=True):
    """Everything that can be connected here."""

    providers: tuple[Provider, ...]


class Event(Answered, frozen=True):
    """One line of the audit trail; its kinds are listed at the end of docs/reference/keeper-api.md."""

    number: int
    at: int
    what: str
    connection_id: str
    client: str
    account: str
    reason: str
    version: int
    caller: str
    detail: str


class Events(Answered, frozen=True):
    """One page, oldest first. *next* goes on after it, now or later."""

    events: tuple[Event, ...]
    next: int


class Key(Answered, frozen=True):
    """An API key without its text; *used_at* to the minute."""

    id: str
    name: str
    scopes: tuple[str, ...]
    made_at: int
    used_at: int
    ended_at: int


class MadeKey(Answered, frozen=True):
    """A new API key. Its text is shown this once and kept nowhere."""

    key: Key
    text: str

    def __repr__(self) -> str:
        return f"<made {self.key.id}>"


class Keys(Answered, frozen=True):
    """Every key of the tenant, revoked ones too."""

    keys: tuple[Key, ...]


class Letter(Answered, frozen=True):
    """A webhook that has not arrived everywhere yet; *parked* when nobody tries any more."""

    id: str
    what: str
    made_at: int
    tries: int
    due: int
    parked: bool
    last_error: str


class Letters(Answered, frozen=True):
    """Webhooks on their way, the longest due first."""

    letters: tuple[Letter, ...]


def connection_of(kept: Kept, records: Mapping[str, Record] | None = None) -> Connection:
    """What is told of a connection; members whose names begin with a tilde are the keeper's own."""
    tokens = tuple(_tokens(record) for record in (records or {}).values() if record.version)
    return Connection(
        id=kept.id,
        client=kept.client,
        provider=kept.provider,
        account=kept.account,
        user=kept.user,
        subject=kept.subject,
        label=kept.label,
        tags=dict(kept.tags),
        version=kept.version,
        health=kept.health,
        reason=kept.reason.value,
        detail=kept.detail,
        asked_scopes=kept.asked_scope,
        granted_scopes=kept.granted_scope,
        fields={name: value for name, value in kept.fields.items() if name[:1] != "~"},
        created_at=kept.created_at,
        connected_at=kept.connected_at,
        changed_at=kept.changed_at,
        retry_at=kept.retry_at,
        tokens=tokens,
    )


def found_of(found: Found) -> Connection:
    """A connection with what is told of its tokens."""
    return connection_of(found.connection, found.records)


def _tokens(record: Record) -> Tokens:
    return Tokens(
        record=record.name,
        version=record.version,
        scopes=record.scope,
        expires_at=record.expires_at,
        refreshable=bool(record.refresh_token),
        refreshed_at=record.refreshed_at,
        used_at=record.used_at,
        consent_ends_at=record.refresh_hard_end,
    )


def lease_of(lease: Leased, method: str, url: str) -> Lease:
    """A token in clear: the one answer that carries one. *header* is for a request with *method* to *url*."""
    return Lease(
        token=lease.token.reveal(),
        version=lease.version,
        safe_until=lease.safe_until,
        header=lease.headers(method, url),
        token_type=lease.token_type,
        scopes=lease.scope,
        record=lease.record,
        connection_id=lease.connection_id,
        client=lease.client,
        account=lease.account,
        health=lease.health,
        fields=dict(lease.fields),
    )


def connected_of(stood: Stood) -> Connected:
    return Connected(
        connection=connection_of(stood.connection),
        return_to=stood.return_to,
        reconnected=stood.reconnected,
        missing=stood.missing,
        refreshable=stood.refreshable,
        advice=stood.advice,
    )


def event_of(stored: Stored) -> Event:
    said = stored.event
    return Event(
        number=stored.number,
        at=said.at,
        what=said.what.value,
        connection_id=said.connection_id,
        client=said.client,
        account=said.account,
        reason=said.reason,
        version=said.version,
        caller=said.caller,
        detail=said.detail,
    )


def key_of(key: ApiKey) -> Key:
    return Key(
        id=key.id,
        name=key.name,
        scopes=key.scopes,
        made_at=key.made_at,
        used_at=key.used_at,
        ended_at=key.ended_at,
    )
