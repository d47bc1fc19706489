"""The keeper's door for asynchronous programs: connect accounts, and lease tokens that work.

What lives here: the verbs as applications say them. What must not: what they do (`service`), how it is put together
(`opening`). The same verbs without `await` are in `evergrant.keeper.sync`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from evergrant.clock import Clock
from evergrant.entropy import Entropy
from evergrant.keeper.auth.asking import Asking, Awaited
from evergrant.keeper.connection import Connection, Reason
from evergrant.keeper.errors import NeedsReauth, VaultTrouble
from evergrant.keeper.exchange import Transport
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.opening import Applications, Plan, Rooms, plan
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.service.device import Show
from evergrant.keeper.service.disconnect import Siblings
from evergrant.keeper.service.failed import vault_trouble
from evergrant.keeper.service.importing import Existing
from evergrant.keeper.service.lease import Lease, Name
from evergrant.keeper.service.loopback import Open
from evergrant.keeper.service.refresh import Wish
from evergrant.keeper.service.told import Connected, Ends, Link, Report
from evergrant.keeper.settings import Settings
from evergrant.keeper.vault.port import Found, Vault, VaultUnavailable

if TYPE_CHECKING:
    from evergrant.keeper.auth.httpx2 import KeeperAuth

GRACE: Final = 40.0
"""Seconds that refreshes may take to finish when a keeper is closed: one request and its commit."""


class Keeper:
    """Other people's tokens, always fresh, never lost. Use within one event loop; close it, or use `async with`."""

    def __init__(self, how: Plan) -> None:
        self._plan = how
        self._rooms: Rooms | None = None
        self._opening: asyncio.Lock | None = None
        self._stop: asyncio.Event | None = None
        self._closed = False
        self.cached: Callable[[Name], Lease | None] = nothing_cached
        """The lease that is fresh in memory, or None; for any thread."""

    @classmethod
    def open(
        cls,
        address: str,
        *,
        key: object = None,
        clients: Applications = (),
        settings: Settings | None = None,
        catalog: Catalog | None = None,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
        transport: Transport | None = None,
        vault: Vault | None = None,
        pause: Callable[[float], Awaitable[None]] | None = None,
    ) -> Self:
        """A keeper on the vault at *address*: the path of a file, `postgresql://…`, or `memory:` for tests.

        *key*: what seals the vault. None is a file beside it, made when missing; a `Path` is that file; `env:NAME` a
        variable, `system:ACCOUNT` the operating system's keyring, other text the key itself (base64 of 32 bytes).
        *clients*: the applications registered by us, by the name that callers say. The rest is for tests.
        The vault itself is opened when it is first needed: then `VaultUnusable` and `KeyUnusable` may be raised.
        """
        how = plan(
            address,
            key=key,
            clients=clients,
            settings=settings,
            catalog=catalog,
            clock=clock,
            entropy=entropy,
            transport=transport,
            vault=vault,
            pause=pause,
        )
        return cls(how)

    @property
    def clock(self) -> Clock:
        """Whose time it is; for doors built on this one."""
        return self._plan.clock

    @property
    def entropy(self) -> Entropy:
        """Where its randomness comes from; for doors built on this one."""
        return self._plan.entropy

    async def __aenter__(self) -> Self:
        await self.rooms()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def rooms(self) -> Rooms:
        """The rooms, opened by whoever comes first. For doors built on this one; applications use the verbs."""
        if self._rooms is not None:
            return self._rooms
        if self._closed:
            msg = "the keeper is closed"
            raise VaultTrouble(msg, 1, Reason.NONE)
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._rooms is None:
                try:
                    self._rooms = await self._plan.open()
                    self.cached = self._rooms.leases.cached
                except VaultUnavailable as error:
                    msg = "the vault does not answer at the moment"
                    raise VaultTrouble.of(error, msg) from error
        return self._rooms

    async def close(self) -> None:
        """Stop the background, let refreshes finish, close the vault. Safe to call twice."""
        if self._stop is not None:
            self._stop.set()
        self._closed = True
        rooms, self._rooms = self._rooms, None
        self.cached = nothing_cached
        if rooms is not None:
            await rooms.close(GRACE)

    # ---- connecting

    async def begin(
        self,
        client: str,
        account: str,
        *,
        user: str = "",
        scopes: Sequence[str] = (),
        return_to: str = "",
        tags: Mapping[str, str] | None = None,
        tenant: str = "",
        values: Mapping[str, str] | None = None,
        offline: bool | None = None,
        hand_over: bool = False,
    ) -> Link:
        """Where to send the browser of *user* (default: the account's own name), and until when that works.

        *values* fills gaps in the provider's addresses (shop, tenant). Raises `BadRequest`, `UnknownProvider`.
        """
        rooms = await self.rooms()
        with vault_trouble():
            return await rooms.connecting.connect.begin(
                client,
                account,
                user=user,
                scopes=scopes,
                return_to=return_to,
                tags=tags,
                tenant=tenant,
                values=values,
                offline=offline,
                hand_over=hand_over,
            )

    async def finish(self, callback_url: str, user: str, *, tenant: str = "") -> Connected:
        """The connection that stands after the browser of *user* came back. Raises `CallbackRefused`, `BadRequest`."""
        rooms = await self.rooms()
        with vault_trouble():
            done = await rooms.connecting.connect.finish(callback_url, user, tenant=tenant)
            rooms.leases.forget(done.connection.id)
            return done

    async def reconnect(self, link: str, user: str, *, tenant: str = "", return_to: str = "") -> Link:
        """Where to send *user*, who has followed a reconnect link of ours. Raises `CallbackRefused`."""
        rooms = await self.rooms()
        with vault_trouble():
            return await rooms.connecting.reconnect.begin(link, user, tenant=tenant, return_to=return_to)

    async def connect_device(self, client: str, account: str, show: Show, **more: Any) -> Connected:
        """Connect from another device: *show* is handed what the user must read. *more* as in `begin`."""
        rooms = await self.rooms()
        done = await rooms.connecting.device.connect(client, account, show, **more)
        rooms.leases.forget(done.connection.id)
        return done

    async def connect_here(self, client: str, account: str, open_browser: Open, **more: Any) -> Connected:
        """Connect on this machine: *open_browser* is handed the address, and the answer comes to loopback."""
        rooms = await self.rooms()
        done = await rooms.connecting.loopback.connect(client, account, open_browser, **more)
        rooms.leases.forget(done.connection.id)
        return done

    async def import_tokens(self, existing: Existing, *, tenant: str = "") -> Connection:
        """Take over tokens that somebody else kept, without spending them. Raises `AlreadyConnected`, `BadRequest`."""
        rooms = await self.rooms()
        with vault_trouble():
            return await rooms.connecting.importing.take(existing, tenant=tenant)

    async def import_lines(
        self, lines: Iterable[str | bytes], *, tenant: str = "", key: Keyring | None = None
    ) -> Report:
        """Take over a file of tokens, a JSON object per line, and say what became of each line.

        Members: client, account, access_token, refresh_token, expires_at (seconds since the epoch), scope, user,
        subject, label, record, tags, fields, shared; client, account and one token are needed. *key* opens lines that
        `export` has written.
        """
        rooms = await self.rooms()
        return await rooms.connecting.importing.lines(lines, tenant=tenant, key=key)

    async def export(self, key: Keyring, *, tenant: str = "") -> AsyncIterator[str]:
        """Every connection of the tenant as lines for `import_lines`, sealed under *key*, which is not the vault's."""
        rooms = await self.rooms()
        async for line in rooms.connecting.exporting.sealed(key, tenant=tenant):
            yield line

    async def what_ends(self, client: str, account: str, *, tenant: str = "") -> Ends:
        """What disconnecting would end, here and at the provider: to be read before it is done."""
        rooms = await self.rooms()
        with vault_trouble():
            return await rooms.connecting.disconnect.what_ends(client, account, tenant=tenant)

    async def remove(self, client: str, account: str, *, tenant: str = "") -> None:
        """Take a revoked connection away, or one that never stood. Raises `NotUsable` for any other."""
        rooms = await self.rooms()
        with vault_trouble():
            await rooms.connecting.disconnect.forget(client, account, tenant=tenant)

    async def disconnect(
        self, client: str, account: str, *, tenant: str = "", siblings: Siblings | str = Siblings.REFUSE
    ) -> Connection:
        """End the connection here at once and at the provider as soon as it can be told. Raises `BadRequest` when
        other connections would end with it and *siblings* does not say what shall become of them.
        """
        rooms = await self.rooms()
        with vault_trouble():
            found = await rooms.connecting.finding.named(client, account, tenant)
            rooms.leases.forget(found.connection.id)
            try:
                return await rooms.connecting.disconnect.disconnect(client, account, tenant=tenant, siblings=siblings)
            finally:
                rooms.leases.forget(found.connection.id)

    # ---- tokens

    async def lease(self, client: str, account: str, *, tenant: str = "", caller: str = "", record: str = "") -> Lease:
        """An access token of *account* that works now; fresh from memory in microseconds, else after a refresh.

        Whatever was changed through this keeper is seen at once; what another process has changed, within
        `Settings.recheck_seconds` (1 s). *caller*: who takes it, for the audit trail. *record*: where a provider gives
        several tokens (Slack: `bot`, `user`). Raises `UnknownConnection`, `NeedsReauth`, `NotUsable`, `TryLater`.
        """
        held = self.cached((tenant, client, account, record, caller))
        if held is not None:
            return held
        rooms = await self.rooms()
        async with self._linking(rooms, client, account, tenant):
            return await rooms.leases.lease(client, account, tenant=tenant, caller=caller, record=record)

    async def report_unauthorized(self, lease: Lease, *, caller: str = "") -> Lease:
        """Say that an API answered 401 to *lease*: a newer token, after one forced refresh at most.

        A 403 that says `insufficient_scope` is no case for this; only the user can allow more. Raises what `lease`
        does.
        """
        rooms = await self.rooms()
        async with self._linking(rooms, lease.client, lease.account, lease.tenant):
            return await rooms.leases.report_unauthorized(lease, caller=caller)

    async def scope_missing(self, lease: Lease, scopes: Sequence[str]) -> NeedsReauth:
        """The error to raise when an API says that *scopes* are missing, with a link that asks the user for them."""
        rooms = await self.rooms()
        with vault_trouble():
            found = await rooms.connecting.finding.by_id(lease.connection_id, lease.tenant)
            link = rooms.connecting.reconnect.link(found.connection, tuple(scopes))
            msg = f"{lease.account} at {lease.client} has not allowed {' '.join(scopes) or 'this'}"
            return NeedsReauth(msg, Reason.SCOPE_MISSING, link)

    def auth(
        self, client: str, *, account: str, tenant: str = "", caller: str = "", record: str = "", **more: Any
    ) -> "KeeperAuth":
        """For `httpx2.AsyncClient(auth=…)`: every request carries a token that works; *more* as in `KeeperAuth`."""
        from evergrant.keeper.auth.httpx2 import KeeperAuth  # noqa: PLC0415 - only for whoever uses that client

        awaited: Awaited = Asking(
            lambda: self.lease(client, account, tenant=tenant, caller=caller, record=record),
            lambda lease: self.report_unauthorized(lease, caller=caller),
            self.scope_missing,
        )
        return KeeperAuth(awaited, **more)

    async def refresh(self, client: str, account: str, *, tenant: str = "", record: str = "") -> Connection:
        """Refresh now, whatever the age of the token. Raises what `lease` does, and the reason when it failed."""
        rooms = await self.rooms()
        async with self._linking(rooms, client, account, tenant):
            found = await rooms.connecting.finding.named(client, account, tenant)
            for name, held in found.records.items():
                if record in {"", name} and held.refresh_token:
                    found = await rooms.refresher.refresh(Wish(tenant, found.connection.id, name, held.version))
        return found.connection

    @asynccontextmanager
    async def _linking(self, rooms: Rooms, client: str, account: str, tenant: str) -> AsyncIterator[None]:
        """Put a reconnect link into whatever asks for the user."""
        try:
            with vault_trouble():
                yield
        except NeedsReauth as error:
            with suppress(VaultUnavailable):
                found = None if error.reconnect else await rooms.ground.vault.look_up(tenant, client, account)
                if found is not None:
                    error.reconnect = rooms.connecting.reconnect.link(found.connection)
            raise

    # ---- looking

    async def show(self, client: str, account: str, *, tenant: str = "") -> Found:
        """The connection with its records, sealed as they are. Raises `UnknownConnection`."""
        rooms = await self.rooms()
        with vault_trouble():
            return await rooms.connecting.finding.named(client, account, tenant)

    async def list(self, **narrowed: Any) -> "list[Connection]":
        """Connections of one tenant: *tenant*, *client*, *provider*, *account*, *user*, *health*, *tags*, *after*."""
        rooms = await self.rooms()
        with vault_trouble():
            return await rooms.connecting.finding.find(**narrowed)

    # ---- operating

    async def quarantine(self, client: str, account: str, *, tenant: str = "", detail: str = "") -> Connection:
        """Hand out no token of this connection until `release`; from this process at once."""
        rooms = await self.rooms()
        with vault_trouble():
            found = await rooms.connecting.finding.named(client, account, tenant)
            rooms.leases.forget(found.connection.id)
            try:
                return await rooms.watch.quarantine(found, Reason.BY_OPERATOR, detail)
            finally:
                rooms.leases.forget(found.connection.id)

    async def release(self, client: str, account: str, *, tenant: str = "", detail: str = "") -> Connection:
        """End a quarantine."""
        rooms = await self.rooms()
        with vault_trouble():
            found = await rooms.connecting.finding.named(client, account, tenant)
            return await rooms.watch.release(found, detail)

    async def run(self) -> None:
        """Refresh in the background until the keeper is closed, or this is cancelled; what is under way ends well.

        Raises `VaultTrouble` when the vault was moved to another place for good.
        """
        rooms = await self.rooms()
        self._stop = asyncio.Event()
        if self._closed:
            return
        await rooms.running.run(self._stop)


def nothing_cached(name: Name) -> None:  # noqa: ARG001 - what a keeper that is not open has in memory
    """Nothing."""
    return
