"""What the keeper asks of a vault: connections and their sealed records, remembered and never judged.

Every verb is one transaction, durable when it returns. Nothing here decides whether something may be spent; a vault
only refuses what would overwrite something newer. Whatever it is given is sealed already: a vault never
sees a token. Time on which exclusion depends is the vault's own, because the clocks of hosts differ; all other time
comes in. A verb raises `VaultUnavailable` when storage fails.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evergrant.keeper.connection import Claim, Connection, Health, Intent, Pending, Record
from evergrant.keeper.event import Event, Letter, Stored


class VaultUnavailable(Exception):
    """Storage does not answer, or does not write; nothing was half done, and the same request may be repeated."""


class VaultMoved(VaultUnavailable):
    """Everything in it was moved to another vault, for good: one sentence that says where to."""


class VaultUnusable(Exception):
    """The vault cannot be opened at all: one clear sentence."""


class Fenced(Exception):
    """The claim is not ours any more, or what was read has moved on meanwhile: read again before going on."""


class Taken(Exception):
    """There is such a thing already; the message names it."""


class Missing(Exception):
    """There is no such thing in this tenant."""


@dataclass(frozen=True, slots=True)
class Found:
    """A connection with its records and whatever intents are not closed, read in one transaction."""

    connection: Connection
    records: Mapping[str, Record]
    intents: Mapping[str, Intent] = field(default_factory=dict)
    """By the name of their record, like everything here."""
    claims: Mapping[str, Claim] = field(default_factory=dict)
    """Live ones only, by the vault's clock."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one transaction writes. Everything in it happens, or nothing.

    *connection* is written if its stored version is *expected*; else `Fenced`. *claim*, when given, must still be the
    live or latest one of its record (same fence, not released), else `Fenced`.
    """

    connection: Connection
    expected: int
    records: Sequence[Record] = ()
    claim: Claim | None = None
    intent: Intent | None = None
    """Replaces the intent of the same id, as it was read: *answered_at* tells which journalled reply was seen.

    `Fenced` when whoever held the claim before has journalled a reply that was not seen yet.
    """
    release: bool = False
    """Give up *claim* in the same transaction."""
    events: Sequence[Event] = ()
    letters: Sequence[Letter] = ()

    def __post_init__(self) -> None:
        """Raise `ValueError` for a part of another connection: it could be another tenant's."""
        parts = [*self.records, *(part for part in (self.claim, self.intent) if part is not None)]
        if any(part.connection_id != self.connection.id for part in parts):
            msg = f"a change of {self.connection.id} cannot carry parts of another connection"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which connections to list; empty members do not narrow. *tenant* always narrows."""

    tenant: str
    client: str = ""
    provider: str = ""
    account: str = ""
    user: str = ""
    health: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A caller of the REST API. *digest* is of the key; the key itself is shown once and kept nowhere."""

    id: str
    tenant: str
    name: str
    digest: bytes
    scopes: tuple[str, ...]
    made_at: int
    used_at: int = 0
    ended_at: int = 0


@dataclass(frozen=True, slots=True)
class TrailEnds:
    """Both ends of the audit trail: the last event swept away, and the last one written. Zero and empty at first."""

    swept: int = 0
    swept_chain: bytes = b""
    last: int = 0
    last_chain: bytes = b""


class Vault(Protocol):
    """One place where connections are kept, shared by threads, processes and hosts."""

    @property
    def late(self) -> float:
        """Seconds within which `stamp` tells of what another process has committed; 0 where it does so at once."""
        ...

    async def close(self) -> None: ...

    def stamp(self) -> int:
        """A number that changes whenever any process commits a change; cheap enough to ask on every lease (~1 µs).

        What this process commits it tells at once, what another one does after `late` seconds at the latest.
        """
        ...

    # ---- reading

    async def load(self, tenant: str, connection_id: str) -> Found | None: ...

    async def look_up(self, tenant: str, client: str, account: str) -> Found | None: ...

    async def search(self, wanted: Wanted, *, after: str = "", limit: int = 100) -> list[Connection]:
        """Connections in order of id, from the one after *after*."""
        ...

    async def due(self, before: int, *, limit: int) -> list[tuple[str, str, str]]:
        """(tenant, connection id, record name) of what has a refresh token, an end before *before* and a
        `retry_at` that has passed by the vault's clock, soonest end first; of active and degraded connections only.

        The end is that of the access token or of the refresh token's idle time, whichever comes first.
        """
        ...

    async def holders(self, fingerprint: str) -> list[tuple[str, str, str]]:
        """(tenant, connection id, record name) of every record that holds the refresh token with this fingerprint."""
        ...

    async def revoking(self, before: int, *, limit: int = 100) -> list[tuple[str, str]]:
        """(tenant, connection id) of connections that are being revoked and whose `retry_at` is not after *before*."""
        ...

    async def open_intents(self, *, limit: int = 1000) -> list[tuple[str, Intent]]:
        """(tenant, intent) of every intent that is not closed and whose record has no live claim."""
        ...

    async def counts(self) -> Mapping[Health, int]:
        """How many connections are in which health, of all tenants: for metrics and progress."""
        ...

    # ---- connections

    async def add(self, connection: Connection, events: Sequence[Event] = ()) -> None:
        """Raises `Taken` when (tenant, client, account) or the id is."""
        ...

    async def change(self, change: Change) -> None:
        """Compare, and write all of it. Raises `Fenced`, `Missing`."""
        ...

    async def remove(self, tenant: str, connection_id: str, events: Sequence[Event] = ()) -> None:
        """Take connection, records, claims, intents and pendings away. Raises `Missing`."""
        ...

    async def touch(self, connection_id: str, name: str, used_at: int) -> None:
        """Note the last use; changes no version."""
        ...

    # ---- the right to spend

    async def claim(self, connection_id: str, name: str, owner: str, seconds: float) -> Claim | None:
        """The claim for *seconds* of the vault's clock, with a new fence; None while somebody else's is live.

        The record need not exist yet: the exchange of a code is claimed and intended under a name of its own.

        An owner who asks again while its own is live gets a new fence: its former self is fenced. When the vault's
        clock has stepped back, a claim lasts its full length from the moment that is noticed; when it has jumped
        ahead, a claim may end early: then the intent and the fence protect, not the claim. Where the vault itself can
        go away, a claim that ended meanwhile lasts its full length again from its return: its holder may have an
        answer that it could not write down. Raises `Missing` when there is no such connection, `VaultUnavailable` while
        the vault is about to be left for another one: what is under way comes to its end, and nothing new begins.
        """
        ...

    async def renew(self, claim: Claim, seconds: float) -> Claim:
        """Prolong; its end never moves earlier. Raises `Fenced` when it ran out and was taken, or was released."""
        ...

    async def release(self, claim: Claim) -> None:
        """Give it up if it is still ours; never raises `Fenced`."""
        ...

    async def intend(self, claim: Claim, intent: Intent, expected: int) -> None:
        """Write the intent if the claim is live and the record's version is *expected* (0: no record). Raises `Fenced`.

        A record has at most one intent that is not closed; a second one is `Fenced` too. The same one again is not.
        """
        ...

    async def journal(self, intent_id: str, reply: bytes, at: int) -> None:
        """Keep the sealed reply with its intent, whoever holds the claim by now: a reply is never thrown away.

        One that is there already moves to `Intent.earlier`. A closed intent is answered again, and so found by
        `open_intents`, when its record has not moved on and has no other. Raises `Missing` when the intent is gone.
        """
        ...

    # ---- authorizations under way

    async def await_callback(self, pending: Pending) -> None:
        """Raises `Taken` when there is one with this digest."""
        ...

    async def take_callback(self, state_digest: bytes, now: int) -> Pending | None:
        """Take it out, once. None when unknown, used before, or expired. `VaultUnavailable` as in `claim`."""
        ...

    # ---- keys

    async def rewrap(self, turn: Callable[[bytes], bytes], *, after: str, limit: int) -> tuple[str, int]:
        """Pass every sealed field of the next *limit* connections through *turn*: (where to go on, how many changed).

        The first member is empty at the end. Changes no version, so it never disturbs a refresh. Includes journalled
        replies, pendings and what was kept once. What *turn* raises undoes this step and reaches the caller.
        """
        ...

    async def keep_once(self, name: str, sealed: bytes) -> bytes:
        """Keep *sealed* under *name* unless there is something already; what is kept there: the first writer wins."""
        ...

    # ---- what happened

    async def events(
        self, *, tenant: str = "", connection_id: str = "", after: int = 0, limit: int = 100
    ) -> list[Stored]: ...

    async def trail_ends(self) -> TrailEnds: ...

    async def note(self, events: Sequence[Event]) -> None: ...

    async def letters(self, due: int, *, limit: int = 100) -> list[Letter]:
        """Those to be sent by *due*, the longest due first."""
        ...

    async def post(self, sent: Sequence[str], again: Sequence[Letter]) -> None:
        """Forget the letters that were *sent*, put back those to try *again* unless somebody has sent them since."""
        ...

    async def add_api_key(self, key: ApiKey, events: Sequence[Event] = ()) -> None: ...

    async def api_keys(self, tenant: str = "") -> list[ApiKey]: ...

    async def end_api_key(self, key_id: str, at: int, events: Sequence[Event] = ()) -> None: ...

    async def use_api_key(self, key_id: str, at: int) -> None:
        """Note the last use, never an earlier one than is noted; nothing for a key that is gone."""
        ...

    async def sweep(self, now: int, *, keep_events: int, limit: int = 500) -> int:
        """Drop what is over, at most *limit* rows; how many were dropped.

        Intents closed and an hour past their deadline, expired pendings, connections that nobody came back for within a
        day, previous tokens past their window, events older than *keep_events* seconds.
        """
        ...
