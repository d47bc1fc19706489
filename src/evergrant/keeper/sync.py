"""The same keeper without `await`: for threads, scripts and frameworks that are not asynchronous.

One core: a thread of the keeper's own runs the event loop for whatever takes time, and a fresh token comes straight
from memory on the calling thread. One `Keeper` serves any number of threads. A forked process gets its own: the
first call in it opens the vault anew, with no claim and no refresh of its parent's.
"""

import importlib
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from evergrant.keeper.auth.asking import Asking, Blocking
from evergrant.keeper.auth.httpx2 import KeeperAuth
from evergrant.keeper.connection import Connection, Reason
from evergrant.keeper.errors import NeedsReauth, VaultTrouble
from evergrant.keeper.keeper import Keeper as Core
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.opening import Plan, plan
from evergrant.keeper.service.device import Show
from evergrant.keeper.service.importing import Existing
from evergrant.keeper.service.lease import Lease
from evergrant.keeper.service.loopback import Open
from evergrant.keeper.service.told import Connected, Ends, Link, Report
from evergrant.keeper.vault.port import Found
from evergrant.loop import LoopClosed, OwnLoop

R = TypeVar("R")
CLOSING: Final = 60.0


class Keeper:
    """Blocks where the asynchronous keeper awaits. Close it, or use `with`."""

    def __init__(self, how: Plan) -> None:
        self._plan = how
        self._lock = threading.Lock()
        self._core: Core | None = None
        self._background: Any = None
        self._own: Final = OwnLoop("evergrant-keeper", CLOSING, self._forked)

    @classmethod
    def open(cls, address: str, **given: Any) -> Self:
        """A keeper on the vault at *address*; takes what the asynchronous `Keeper.open` takes, and raises as it does.

        A vault in memory cannot be shared with a forked process: each has its own from then on, and it is empty.
        """
        return cls(plan(address, **given))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- connecting

    def begin(self, client: str, account: str, **more: Any) -> Link:
        """Where to send the browser of the user; *more* as in the asynchronous `begin`."""
        return self._wait(self._ready().begin(client, account, **more))

    def finish(self, callback_url: str, user: str, *, tenant: str = "") -> Connected:
        """The connection that stands after the browser of *user* came back. Raises `CallbackRefused`."""
        return self._wait(self._ready().finish(callback_url, user, tenant=tenant))

    def reconnect(self, link: str, user: str, *, tenant: str = "", return_to: str = "") -> Link:
        """Where to send *user*, who has followed a reconnect link of ours. Raises `CallbackRefused`."""
        return self._wait(self._ready().reconnect(link, user, tenant=tenant, return_to=return_to))

    def connect_device(self, client: str, account: str, show: Show, **more: Any) -> Connected:
        """Connect from another device: *show* is handed what the user must read."""
        return self._wait(self._ready().connect_device(client, account, show, **more))

    def connect_here(self, client: str, account: str, open_browser: Open, **more: Any) -> Connected:
        """Connect on this machine: *open_browser* is handed the address, and the answer comes to loopback."""
        return self._wait(self._ready().connect_here(client, account, open_browser, **more))

    def import_tokens(self, existing: Existing, *, tenant: str = "") -> Connection:
        """Take over tokens that somebody else kept, without spending them."""
        return self._wait(self._ready().import_tokens(existing, tenant=tenant))

    def import_lines(self, lines: Iterable[str | bytes], *, tenant: str = "", key: Keyring | None = None) -> Report:
        """Take over a file of tokens, a JSON object per line, and say what became of each line."""
        return self._wait(self._ready().import_lines(lines, tenant=tenant, key=key))

    def export(self, key: Keyring, *, tenant: str = "") -> Sequence[str]:
        """Every connection of the tenant as lines for `import_lines`, sealed under *key*."""
        return self._wait(_all(self._ready().export(key, tenant=tenant)))

    def what_ends(self, client: str, account: str, *, tenant: str = "") -> Ends:
        """What disconnecting would end, here and at the provider: to be read before it is done."""
        return self._wait(self._ready().what_ends(client, account, tenant=tenant))

    def remove(self, client: str, account: str, *, tenant: str = "") -> None:
        """Take a revoked connection away, or one that never stood. Raises `NotUsable` for any other."""
        self._wait(self._ready().remove(client, account, tenant=tenant))

    def disconnect(self, client: str, account: str, **more: Any) -> Connection:
        """End the connection here at once and at the provider as soon as it can be told."""
        return self._wait(self._ready().disconnect(client, account, **more))

    # ---- tokens

    def lease(self, client: str, account: str, *, tenant: str = "", caller: str = "", record: str = "") -> Lease:
        """An access token that works now: fresh from memory in microseconds, else after a refresh.

        As old as the asynchronous one may be: changes of this process count at once, those of others within
        `Settings.recheck_seconds`. Raises what it raises.
        """
        core = self._core
        if core is not None:
            held = core.cached((tenant, client, account, record, caller))
            if held is not None:
                return held
        core = self._ready()
        return self._wait(core.lease(client, account, tenant=tenant, caller=caller, record=record))

    def report_unauthorized(self, lease: Lease, *, caller: str = "") -> Lease:
        """Say that an API answered 401 to *lease*: a newer token, after one forced refresh at most."""
        return self._wait(self._ready().report_unauthorized(lease, caller=caller))

    def scope_missing(self, lease: Lease, scopes: Sequence[str]) -> NeedsReauth:
        """The error to raise when an API says that *scopes* are missing, with a link that asks the user for them."""
        return self._wait(self._ready().scope_missing(lease, scopes))

    def auth(
        self, client: str, *, account: str, tenant: str = "", caller: str = "", record: str = "", **more: Any
    ) -> KeeperAuth:
        """For `httpx2.Client(auth=…)`; *more* as in `KeeperAuth`."""
        return KeeperAuth(None, self._asking(client, account, tenant, caller, record), **more)

    def auth_requests(
        self, client: str, *, account: str, tenant: str = "", caller: str = "", record: str = "", **more: Any
    ) -> Any:
        """For `requests.get(…, auth=…)`; *more* as in `KeeperRequestsAuth`. Needs the package requests."""
        door = importlib.import_module("evergrant.keeper.auth.requests")
        return door.KeeperRequestsAuth(self._asking(client, account, tenant, caller, record), **more)

    def _asking(self, client: str, account: str, tenant: str, caller: str, record: str) -> Blocking:
        return Asking(
            lambda: self.lease(client, account, tenant=tenant, caller=caller, record=record),
            lambda lease: self.report_unauthorized(lease, caller=caller),
            self.scope_missing,
        )

    def refresh(self, client: str, account: str, *, tenant: str = "", record: str = "") -> Connection:
        """Refresh now, whatever the age of the token."""
        return self._wait(self._ready().refresh(client, account, tenant=tenant, record=record))

    # ---- looking and operating

    def show(self, client: str, account: str, *, tenant: str = "") -> Found:
        """The connection with its records, sealed as they are. Raises `UnknownConnection`."""
        return self._wait(self._ready().show(client, account, tenant=tenant))

    def list(self, **narrowed: Any) -> "list[Connection]":
        """Connections of one tenant, narrowed as the asynchronous `list` is."""
        return self._wait(self._ready().list(**narrowed))

    def quarantine(self, client: str, account: str, *, tenant: str = "", detail: str = "") -> Connection:
        """Hand out no token of this connection until `release`."""
        return self._wait(self._ready().quarantine(client, account, tenant=tenant, detail=detail))

    def release(self, client: str, account: str, *, tenant: str = "", detail: str = "") -> Connection:
        """End a quarantine."""
        return self._wait(self._ready().release(client, account, tenant=tenant, detail=detail))

    def start(self) -> None:
        """Refresh in the background, on the keeper's own thread, until it is closed. Safe to call twice."""
        core = self._ready()
        with self._lock:
            if self._background is None and self._core is core:
                try:
                    self._background = self._own.send(core.run())
                except LoopClosed as error:
                    raise _closed() from error

    def close(self) -> None:
        """Let refreshes finish, close the vault, end the thread. Safe to call twice, and from any thread."""
        self._own.close(self._last)

    # ---- the thread

    def do(self, work: "Coroutine[Any, Any, R]") -> R:
        """Run *work* on the keeper's loop and wait for it; for doors built on this one."""
        self._ready()
        return self._wait(work)

    @property
    def core(self) -> Core:
        """The asynchronous keeper behind this one; its coroutines belong into `do`."""
        return self._ready()

    def _ready(self) -> Core:
        core = self._core
        if core is not None:
            return core
        with self._lock:
            if self._core is None:
                self._begun()
                self._core = Core(self._plan)
            return self._core

    def _begun(self) -> None:
        try:
            self._own.running()
        except LoopClosed as error:
            raise _closed() from error

    def _wait(self, work: "Coroutine[Any, Any, R]") -> R:
        try:
            return self._own.wait(work)
        except LoopClosed as error:
            raise _closed() from error

    def _last(self) -> Coroutine[Any, Any, None] | None:
        with self._lock:
            core, self._core, self._background = self._core, None, None
        return None if core is None else core.close()

    def _forked(self) -> None:
        """In a child: leave what belongs to the parent alone."""
        _left.append(self._core)
        self._lock = threading.Lock()
        self._core = self._background = None


_left: list[Any] = []
"""What a child process inherited: kept, because closing it would end it for the parent as well."""


def _closed() -> VaultTrouble:
    return VaultTrouble("the keeper is closed, or was called from its own thread", 1, Reason.NONE)


async def _all(lines: AsyncIterator[str]) -> Sequence[str]:
    return [line async for line in lines]
