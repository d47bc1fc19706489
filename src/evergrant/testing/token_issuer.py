"""A real issuer on loopback, for the tests of an API: it mints tokens of any shape, and ends them for good.

Nothing is mocked: key set, metadata, introspection and the feed of what has ended are the product's own, over HTTP; a
token that nothing is wrong with stands for a family in a store. The server runs in a thread of its own, so that both
synchronous and asynchronous tests can use it. `evergrant.testing.plugin` offers it as a pytest fixture.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, TypeVar

from msgspec import json

from evergrant.assembly import ROUTE_NAMES, Given, House, Life, assemble, opened
from evergrant.clock import Clock, SystemClock
from evergrant.config import Config
from evergrant.domain import base64url
from evergrant.domain import id as ids
from evergrant.domain.client import Client, ClientType
from evergrant.domain.reason import Reason
from evergrant.domain.registration import GRANTS_OF, METHODS, PRESET_OF
from evergrant.domain.token import ACCESS, RefreshToken
from evergrant.issuer.service.ends import end_family, end_session
from evergrant.keys.lifecycle import ensure
from evergrant.keys.ring import NONCE_LENGTH, Ring
from evergrant.observe.metrics import Metrics
from evergrant.observe.watch import Watch
from evergrant.serving import Part, bound, together
from evergrant.store.memory import MemoryStore
from evergrant.store.port import Tx
from evergrant.testing.beginnings import Begun, begin
from evergrant.testing.shapes import AT_JWT, By, shaped

T = TypeVar("T")
SUBJECT: Final = "ada@example.com"
_SECONDS: Final = 30


class Credentials(NamedTuple):
    """A client that authenticates: what an API introspects and reads the feed with."""

    client_id: str
    client_secret: str


class TokenIssuer:
    """The issuer. Its methods may be called from any thread, and from tests with or without `await`.

    *url* is the issuer's identifier, *audience* the API that tokens are for unless a test says otherwise.
    """

    def __init__(self, config: Config, house: House, loop: asyncio.AbstractEventLoop) -> None:
        self.url: Final = config.issuer
        self.audience: Final = config.default_resource
        self._house, self._loop, self._catalog = house, loop, house.catalog
        self._clients: dict[str, Client] = {}
        self._credentials: Credentials | None = None

    @property
    def credentials(self) -> Credentials:
        """A service that may introspect the tokens for `audience`."""
        if self._credentials is None:
            self._credentials = self.service("api")
        return self._credentials

    def service(self, name: str, **more: Any) -> Credentials:
        """Another API for the same audience; *more* as a client's registration has it."""
        client, secret = self._register(name, ClientType.SERVICE, **{"resources": (self.audience,), **more})
        return Credentials(client.id, secret)

    # ---- whole sign-ins

    def person(self, subject: str, password: str) -> None:
        """An account that can sign in on the issuer's pages."""
        self._call(lambda: self._house.accounts.add(subject, password))

    def application(self, name: str, redirect_uri: str, *, scopes: tuple[str, ...] = ()) -> str:
        """The id of a public client that signs people in and sends them back to *redirect_uri*."""
        client, _ = self._register(name, ClientType.NATIVE, redirect_uris=(redirect_uri,), scopes=scopes)
        self._clients[name] = client
        return client.id

    # ---- minting

    def token(
        self, subject: str = SUBJECT, *, scope: str = "", audience: str | tuple[str, ...] = "", client: str = "app",
        lifetime: int = 600, claims: Mapping[str, Any] | None = None, without: tuple[str, ...] = (), typ: str = AT_JWT,
        alg: str = "ES256", by: By = By.ISSUER, header: Mapping[str, Any] | None = None,
    ) -> str:  # fmt: skip
        """An access token (RFC 9068) of *subject*, made an account when new, for *client*, registered when new.

        A negative *lifetime* gives an expired one. *claims* replaces or adds, *without* takes away; *header* likewise,
        with None for a member to be taken away. Each call begins a family of its own: another device.
        """
        said = self._claims(self._begun(subject, client, scope), scope, audience, lifetime, claims)
        kept = {name: value for name, value in said.items() if name not in without}
        return shaped(self._ring(alg).signer(alg, self._now), by, typ, kept, header or {})

    def opaque(
        self, subject: str = SUBJECT, *, scope: str = "", audience: str | tuple[str, ...] = "", client: str = "app",
        lifetime: int = 600, claims: Mapping[str, Any] | None = None,
    ) -> str:  # fmt: skip
        """An opaque access token (`ega_…`), which only introspection can read."""
        said = self._claims(self._begun(subject, client, scope), scope, audience, lifetime, claims)
        ring, nonce = self._ring(), self._house.entropy.draw(NONCE_LENGTH)
        body = ring.seal_opaque(json.encode(said), nonce, ring.mac_version(self._now))
        return ACCESS + base64url.encode(body).decode("ascii")

    def refresh_token(self, subject: str = SUBJECT, *, client: str = "app", scope: str = "") -> str:
        """A living refresh token, for tests of what must never be accepted in place of an access token."""
        begun, ring = self._begun(subject, client, scope), self._ring()
        return ring.write(RefreshToken(ring.mac_version(self._now), begun.family.id, 0, begun.secret))

    # ---- ending

    def end(self, token: str) -> None:
        """End the family that *token* stands for, as a client does that revokes its refresh token."""
        family_id = ids.parse(ids.Kind.FAMILY, self._read(token)["fam"])
        if family_id is None:
            raise ValueError("this token stands for no family")

        def work(tx: Tx) -> None:
            family = tx.families.get(family_id)
            if family is not None:
                end_family(tx, family, Reason.REVOKED, self._now)

        self._write(work)

    def sign_out(self, token: str) -> None:
        """End the browser session that *token* came from."""
        session = self._read(token)["sid"]
        self._write(lambda tx: end_session(tx, session, Reason.SIGNED_OUT, self._now))

    def disable(self, subject: str = SUBJECT) -> None:
        """Disable an account, and end all that it has."""
        self._call(lambda: self._house.accounts.disable(subject))

    def delete_client(self, name: str = "app") -> None:
        """Delete a client, and end all that it has."""
        client = self._clients.pop(name)
        self._call(lambda: self._house.clients.delete(client.id))

    def rotate_keys(self, alg: str = "ES256") -> None:
        """A new signing key in place of all others, at once: what they signed is worth nothing from now on."""
        self._call(lambda: self._house.keys.replace_at_once((alg,)))

    # ---- beneath

    @property
    def _now(self) -> int:
        return self._house.clock.now()

    def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        async def once() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(once(), self._loop).result(_SECONDS)

    def _write(self, work: Callable[[Tx], T]) -> T:
        return self._call(lambda: self._house.store.write(work))

    def _ring(self, alg: str = "ES256") -> Ring:
        house = self._house
        self._write(lambda tx: ensure(tx, (alg,), house.kek, house.entropy, self._now))
        self._call(self._catalog.fresh)
        return self._catalog.ring

    def _register(self, name: str, type_: ClientType, **more: Any) -> tuple[Client, str]:
        uris = ("https://app.example/callback",) if type_ is ClientType.SPA else ()
        said = {"redirect_uris": uris, "scopes": (), "grant_types": GRANTS_OF[type_], **more}
        client = Client(
            id=self._house.clients.new_id(), name=name, type=type_, auth_method=METHODS[type_],
            preset=PRESET_OF[type_], created_at=self._now, **said,
        )  # fmt: skip
        made, secret = self._call(lambda: self._house.clients.add(client))
        return made, secret.reveal() if secret is not None else ""

    def _begun(self, subject: str, client: str, scope: str) -> Begun:
        if client not in self._clients:
            self._clients[client], _ = self._register(client, ClientType.SPA)
        named, draw = self._clients[client], self._house.entropy.draw
        return self._write(lambda tx: begin(tx, subject, named, scope, self._now, draw))

    def _claims(
        self, begun: Begun, scope: str, audience: str | tuple[str, ...], lifetime: int,
        more: Mapping[str, Any] | None,
    ) -> dict[str, Any]:  # fmt: skip
        family, now = begun.family, self._now
        at = min(now, now + lifetime - 1)
        return {
            "iss": self.url, "sub": family.account_id, "aud": audience or self.audience, "client_id": family.client_id,
            "iat": at, "exp": now + lifetime, "jti": base64url.encode(self._house.entropy.draw(16)).decode("ascii"),
            "scope": scope, "auth_time": at, "acr": family.acr, "fam": ids.text(ids.Kind.FAMILY, family.id),
            "sid": family.session_id, **(more or {}),
        }  # fmt: skip

    def _read(self, token: str) -> dict[str, Any]:
        """What *token* says; whoever signed it."""
        if token.startswith(ACCESS):
            clear = self._ring().open_opaque(base64url.decode(token[len(ACCESS) :]))
        else:
            clear = base64url.decode(token.split(".")[1])
        claims: dict[str, Any] = json.decode(clear or b"")
        return claims


@contextlib.contextmanager
def token_issuer(config: Config | None = None, clock: Clock | None = None) -> Iterator[TokenIssuer]:
    """An issuer on a free port of loopback, for as long as the block runs. *config* adds resources and scopes."""
    with TemporaryDirectory(prefix="evergrant-issuer-") as folder:
        base = (config or Config()).replace(store__data=Path(folder), server__listen="127.0.0.1:0")
        ready: Future[TokenIssuer] = Future()
        stop: Future[Callable[[], object]] = Future()
        thread = threading.Thread(target=_run, args=(base, clock or SystemClock(), ready, stop), daemon=True)
        thread.start()
        try:
            yield ready.result(_SECONDS)
        finally:
            if not stop.cancel():
                stop.result()()
            thread.join(_SECONDS)


def _run(config: Config, clock: Clock, ready: "Future[TokenIssuer]", stop: "Future[Callable[[], object]]") -> None:
    try:
        asyncio.run(_serve(config, clock, ready, stop))
    except BaseException as error:  # noqa: BLE001 - whoever waits in the other thread hears of it
        if not ready.done():
            ready.set_exception(error)


async def _serve(
    config: Config, clock: Clock, ready: "Future[TokenIssuer]", stop: "Future[Callable[[], object]]"
) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    sock, config = bound(config)
    with sock:
        async with contextlib.AsyncExitStack() as stack:
            metrics = Metrics(endpoints=ROUTE_NAMES)
            house = await stack.enter_async_context(opened(config, metrics, Given(MemoryStore(), clock)))
            watch = Watch(metrics, house.clock, house.entropy)
            app = assemble(house, watch, Life(stack.pop_all(), house, watch))
            stop.set_result(lambda: loop.call_soon_threadsafe(over.set))
            issuer = TokenIssuer(config, house, loop)
            await together([Part(config, app, sock)], lambda: ready.set_result(issuer), over)


__all__ = ["By", "Credentials", "TokenIssuer", "token_issuer"]
