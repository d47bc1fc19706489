"""Leasing: an access token that works, from memory where it is fresh, after a refresh where it is not.

The path of a fresh token reads no row and waits for nobody: it compares a few numbers. Whatever this process changes
is seen by it at once; what another process changes is seen after `Settings.recheck_seconds` at the latest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from evergrant.domain.secret import Secret
from evergrant.keeper.connection import Connection, Health, Origin, Reason, Record
from evergrant.keeper.decision.answer import DPOP
from evergrant.keeper.decision.health import REFRESHING, SERVING
from evergrant.keeper.decision.window import Need, need, safe_until, servable, window
from evergrant.keeper.errors import BadRequest, KeeperError, NeedsReauth, NotUsable, TryLater, VaultTrouble
from evergrant.keeper.provider.model import Provider
from evergrant.keeper.sealing import Unreadable
from evergrant.keeper.service import sealed
from evergrant.keeper.service.facts import Facts
from evergrant.keeper.service.failed import later, vault_trouble
from evergrant.keeper.service.finding import Finding
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.service.limits import Countdown
from evergrant.keeper.service.proving import prover
from evergrant.keeper.service.refresh import Refresher, Wish
from evergrant.keeper.service.watch import Watch
from evergrant.keeper.vault.port import Change, Fenced, Found, VaultUnavailable
from evergrant.keeper.wire.bearer import header
from evergrant.keeper.wire.proof import Prover

Name = tuple[str, str, str, str, str]
"""Tenant, client, account, record and caller, as they were asked for."""
MOST_ENTRIES: Final = 100_000
TRIES: Final = 5
FOR_EVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Lease:
    """An access token for now. *version* is what `report_unauthorized` wants to hear.

    *safe_until*: seconds since the epoch; 0 when the token does not end by age, or nobody knows when.
    """

    token: Secret
    version: int
    safe_until: int
    scope: tuple[str, ...]
    connection_id: str
    tenant: str
    client: str
    account: str
    record: str
    health: Health
    fields: Mapping[str, str] = field(default_factory=dict)
    bearer: str = field(default="Bearer {token}", repr=False)
    prover: Prover | None = field(default=None, repr=False, compare=False)
    """What proves the key that the token is bound to (RFC 9449); None for a bearer token."""

    @property
    def token_type(self) -> str:
        """`Bearer`, or `DPoP` for a token that is worth nothing without a proof."""
        return "Bearer" if self.prover is None else "DPoP"

    def headers(self, method: str = "", url: str = "") -> dict[str, str]:
        """The headers that present the token as this provider wants it, in clear.

        A token that is bound to a key needs *method* and *url* of the one request they are for, which is then proved.
        Raises `BadRequest` without them.
        """
        if self.prover is None:
            return dict([header(self.bearer, self.token)])
        if not method or not url:
            msg = "this token is bound to a key: say method and address of the request that it is for"
            raise BadRequest(msg)
        return self.prover.presented(method, url, self.token)

    def heard(self, url: str, headers: Mapping[str, str]) -> bool:
        """Keep the nonce that an answer of *url* brings; whether it is a new one, so that asking again makes sense.

        *headers*: with names in lower case. Nothing to do for a bearer token.
        """
        return self.prover is not None and self.prover.nonces.heard(url, headers)


class Entry:
    """A lease in memory, and until when it is served from there."""

    __slots__ = ("checked", "lease", "minute", "soft_end", "stamp", "steady_end", "taken")

    def __init__(self, lease: Lease, stamp: int, soft_end: int, steady_end: float, checked: float) -> None:
        self.lease = lease
        self.stamp = stamp
        self.soft_end = soft_end
        """By the wall clock."""
        self.steady_end = steady_end
        """The same by the clock that never steps, for when the other one is put back."""
        self.checked = checked
        self.minute = 0
        self.taken = 0


class Leases:
    """Hands out access tokens, never refresh tokens."""

    def __init__(
        self, ground: Ground, refresher: Refresher, finding: Finding, watch: Watch, countdown: Countdown
    ) -> None:
        self._ground = ground
        self._refresher = refresher
        self._finding = finding
        self._watch = watch
        self._countdown = countdown
        self._facts = Facts(ground.catalog)
        self._entries: dict[Name, Entry] = {}
        self._stamp = ground.vault.stamp
        self._now = ground.clock.now
        self._steady = ground.clock.monotonic
        # What the vault itself is late with is part of what was promised.
        self._recheck = max(0.0, ground.settings.recheck_seconds - ground.vault.late)

    def cached(self, name: Name) -> Lease | None:
        """The lease of *name* if it is fresh in memory; called from any thread, on every lease."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        now, steady = self._now(), self._steady()
        if now >= entry.soft_end or steady >= entry.steady_end:
            return None
        if steady - entry.checked >= self._recheck:
            if self._stamp() != entry.stamp:
                return None
            entry.checked = steady
        entry.taken += 1
        if now >= entry.minute:
            self._tick(name, entry, now)
        return entry.lease

    def _tick(self, name: Name, entry: Entry, now: int) -> None:
        """Once a minute and entry: note the use, and how often it was."""
        self._watch.used(entry.lease.connection_id, entry.lease.record, name[4], now, entry.taken)
        entry.minute, entry.taken = now - now % 60 + 60, 0

    def forget(self, connection_id: str) -> None:
        """Serve nothing of this connection from memory: it was changed here."""
        for name in [
            name for name, entry in self._entries.copy().items() if entry.lease.connection_id == connection_id
        ]:
            entry = self._entries.pop(name, None)
            if entry is not None and entry.taken:
                self._tick(name, entry, self._now())

    async def lease(self, client: str, account: str, *, tenant: str = "", caller: str = "", record: str = "") -> Lease:
        """A token that works. Raises `UnknownConnection`, `NeedsReauth`, `NotUsable`, `TryLater` and its kinds."""
        name = (tenant, client, account, record, caller)
        for _ in range(TRIES):
            lease = await self._taken(name)
            # What had to be written first may have taken longer than the token was good for.
            if not lease.safe_until or self._now() < lease.safe_until:
                return lease
        msg = f"the vault takes longer to note a lease of {account} at {client} than its token lives"
        raise TryLater(msg, 1, Reason.NONE)

    async def _taken(self, name: Name) -> Lease:
        """A token that worked when it was read, noted as used."""
        tenant, client, account, record, caller = name
        try:
            stamp, steady = self._stamp(), self._steady()
            found = await self._finding.named(client, account, tenant)
            held = _record(found, record)
            found = await self._fresh(found, held.name)
            lease = self._handed_out(found, held.name)
        except VaultUnavailable as error:
            msg = "the vault does not read at the moment"
            raise VaultTrouble.of(error, msg) from error
        self._keep(name, found, lease, stamp, steady)
        await self._countdown.look(found, found.records[lease.record])
        await self._watch.flush(found.connection, caller)
        return lease

    async def _fresh(self, found: Found, name: str) -> Found:
        """The connection with a token that may be handed out, refreshed if need be; raises why there is none."""
        connection, record = found.connection, found.records[name]
        refuse(connection)
        if not record.refresh_token or connection.health not in REFRESHING:
            return found
        now = self._now()
        provider = self._provider(connection)
        wants, good = need(record, provider, now), servable(record, now)
        wish = Wish(connection.tenant, connection.id, name, record.version)
        in_doubt = name in found.intents and name not in found.claims
        if wants is Need.MANDATORY or not good:
            return await self._insist(found, wish, good=good)
        if wants is Need.ADVISORY or in_doubt:
            self._try(connection, wish, now)
        return found

    async def _insist(self, found: Found, wish: Wish, *, good: bool) -> Found:
        """Wait for a refresh; while the old token is good, a failure is no reason to withhold it."""
        record = found.records[wish.name]
        earliest = window(record, self._provider(found.connection)).earliest
        now = self._now()
        if not good and now < earliest and record.refreshed_at:
            msg = f"{found.connection.client} takes the next refresh in {earliest - now} s"
            raise TryLater(msg, earliest - now, Reason.PROVIDER_BUSY)
        try:
            return await self._refresher.refresh(wish)
        except KeeperError:
            again = await self._ground.vault.load(wish.tenant, wish.connection_id)
            if again is None or not servable(again.records[wish.name], self._now()):
                raise
            if again.connection.health not in SERVING:
                raise
            return again

    def _try(self, connection: Connection, wish: Wish, now: int) -> None:
        if now >= connection.retry_at:
            self._refresher.start(wish)

    def _provider(self, connection: Connection) -> Provider:
        return self._facts.of(self._ground.client(connection.client), connection)

    def _handed_out(self, found: Found, name: str) -> Lease:
        connection, record = found.connection, found.records[name]
        refuse(connection)
        if connection.reason is Reason.GRANT_LOST and self._provider(connection).kills_old_access_token:
            # Whatever spent the refresh token has ended this access token too, whenever it would have ended.
            msg = f"{connection.account} at {connection.client} has to be connected again: {connection.reason.value}"
            raise NeedsReauth(msg, connection.reason)
        try:
            token = sealed.access_of(self._ground.sealer, connection.tenant, record)
            held = prover(self._ground, sealed.key_of(self._ground.sealer, connection.tenant, record))
        except Unreadable as error:
            msg = f"what is kept of connection {connection.id} does not open: a wrong key, or a changed row"
            raise NotUsable(msg, connection.health, Reason.RECORD_UNREADABLE) from error
        if token is None or not servable(record, self._now()):
            if connection.health in REFRESHING and record.refresh_token:
                raise later(connection, self._now())
            msg = f"{connection.account} at {connection.client} has to be connected again: {_why(connection, record)}"
            raise NeedsReauth(msg, _why(connection, record))
        return Lease(
            token=token,
            version=record.version,
            safe_until=safe_until(record),
            scope=record.scope,
            connection_id=connection.id,
            tenant=connection.tenant,
            client=connection.client,
            account=connection.account,
            record=name,
            health=connection.health,
            fields={name: value for name, value in connection.fields.items() if name[:1] != "~"},
            bearer=self._provider(connection).bearer,
            prover=held if record.token_type == DPOP else None,
        )

    def _keep(self, name: Name, found: Found, lease: Lease, stamp: int, steady: float) -> None:
        """Remember the lease until its advisory window opens; a connection in trouble is looked at every time."""
        if found.connection.health is not Health.ACTIVE or lease.record in found.intents:
            return
        record = found.records[lease.record]
        now = self._now()
        frame = window(record, self._provider(found.connection))
        ends = [end for end in (frame.advisory_at, lease.safe_until) if end]
        soft = min(ends, default=0)
        if soft and soft <= now:
            return
        if len(self._entries) >= MOST_ENTRIES:
            self._entries.clear()
        entry = Entry(lease, stamp, soft or FOR_EVER, steady + (soft - now) if soft else float(FOR_EVER), steady)
        before = self._entries.get(name)
        entry.taken = 1
        if before is not None:
            entry.taken, entry.minute = before.taken + 1, before.minute
        if now >= entry.minute:
            self._tick(name, entry, now)
        self._entries[name] = entry

    # ---- 401

    async def report_unauthorized(self, lease: Lease, *, caller: str = "") -> Lease:
        """Say that the API answered 401 to *lease*: the newer token if there is one, else one forced refresh.

        403 with `insufficient_scope` is no case for this: no refresh brings more scope. Raises what `lease` raises.
        """
        self.forget(lease.connection_id)
        with vault_trouble():
            await self._renewed(lease, caller)
        return await self.lease(lease.client, lease.account, tenant=lease.tenant, caller=caller, record=lease.record)

    async def _renewed(self, lease: Lease, caller: str) -> None:
        """See that the vault has a newer token than *lease*, by one refresh at most."""
        found = await self._finding.by_id(lease.connection_id, lease.tenant)
        record = _record(found, lease.record)
        refuse(found.connection)
        if record.version <= lease.version:
            found = await self._doubted(found, record, caller or "")
            wish = Wish(lease.tenant, lease.connection_id, record.name, lease.version)
            if not record.refresh_token or found.connection.health is Health.NEEDS_REAUTH:
                why = _why(found.connection, record)
                msg = f"{lease.account} at {lease.client} has to be connected again: {why.value}"
                raise NeedsReauth(msg, why)
            await self._refresher.refresh(wish)

    async def _doubted(self, found: Found, record: Record, caller: str) -> Found:
        """Note the 401, and that this token ends now: its age is a lifetime that was learned."""
        now = self._now()
        for _ in range(TRIES):
            after = replace(found.connection, version=found.connection.version + 1)
            if after.health is Health.IN_DOUBT:
                # The wait was for the end of this very token.
                after = replace(after, retry_at=0)
            events = await self._watch.unauthorized(after, record, caller, now)
            ended = _ended(record, now)
            change = Change(after, expected=found.connection.version, records=[ended], events=events)
            try:
                await self._ground.vault.change(change)
            except Fenced:
                found = await self._finding.by_id(found.connection.id, found.connection.tenant)
                if found.records[record.name].version != record.version:
                    return found
                continue
            return replace(found, connection=after, records={**found.records, record.name: ended})
        return found


def refuse(connection: Connection) -> None:
    """Raise when nothing of this connection may be handed out at all."""
    if connection.health is Health.PENDING_CONSENT:
        msg = f"{connection.account} at {connection.client} was never connected to the end"
        raise NeedsReauth(msg, Reason.NONE)
    if connection.health not in SERVING:
        msg = f"{connection.account} at {connection.client} is {connection.health.value}: {connection.reason.value}"
        raise NotUsable(msg, connection.health, connection.reason)


def _record(found: Found, name: str) -> Record:
    """The record *name*, or the only or first one."""
    records = found.records
    if not records:
        refuse(found.connection)
        msg = f"{found.connection.account} at {found.connection.client} has no tokens"
        raise NeedsReauth(msg, Reason.NO_REFRESH_TOKEN)
    if name and name not in records:
        msg = f"{found.connection.client} has no token record {name[:40]}; it has {', '.join(records)}"
        raise NeedsReauth(msg, Reason.NONE)
    return records[name or next(iter(records))]


def _why(connection: Connection, record: Record) -> Reason:
    if connection.health is Health.NEEDS_REAUTH:
        return connection.reason
    return Reason.GRANT_DEAD if record.refresh_token else Reason.NO_REFRESH_TOKEN


def _ended(record: Record, now: int) -> Record:
    """The record with an access token that ends now. A lifetime that nobody told is learned from its age."""
    if record.origin in {Origin.PROVIDER, Origin.JWT}:
        return replace(record, expires_at=min(record.expires_at, now) if record.expires_at else now)
    return replace(record, expires_at=now, origin=Origin.OBSERVED)
