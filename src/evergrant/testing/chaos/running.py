"""Starting a chaos provider in this process, and what a test does with it while it runs."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from evergrant.clock import Clock, SystemClock
from evergrant.entropy import Entropy, SeededEntropy, SystemEntropy
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.provider.model import Provider
from evergrant.testing.chaos.client_auth import Registered
from evergrant.testing.chaos.endpoints.control import make_grant
from evergrant.testing.chaos.endpoints.device import decide
from evergrant.testing.chaos.ledger import Ledger
from evergrant.testing.chaos.plain import PLAIN
from evergrant.testing.chaos.site import Site
from evergrant.testing.chaos.state import State
from evergrant.testing.chaos.wire import Listener
from evergrant.testing.chaos.wishes import InForce, Wish, wish

T = TypeVar("T")
PATIENCE: Final = 30
HOST: Final = "127.0.0.1"
CLIENT_ID: Final = "chaos-client"


@dataclass(frozen=True, slots=True)
class Given:
    """A grant made without a browser: its id, and the reply a code would have got. Tokens in clear."""

    id: str
    reply: Mapping[str, Any]

    @property
    def access_token(self) -> str:
        """The first record's access token."""
        return str(self.reply["access_token"])

    @property
    def refresh_token(self) -> str:
        """The first record's refresh token; empty where there is none."""
        return str(self.reply.get("refresh_token", ""))

    def __repr__(self) -> str:
        return f"Given({self.id})"


class Chaos:
    """A chaos provider for as long as an `async with` block runs.

    *provider*: the id of one that is shipped, `plain`, or a `Provider`. *modes*: texts as `wish` reads them. *seed*
    makes tokens and probabilities the same each time. *user* consents to every authorization at once (a `login_hint`
    names another); None shows the page. *late* keeps origins that only a callback or reply tells as placeholders.
    *client_keys*: public JWKs with which the client proves itself by a signed assertion (RFC 7523).
    """

    def __init__(
        self, provider: str | Provider = "plain", modes: Iterable[str | Wish] = (), *, clock: Clock | None = None,
        seed: int | str | None = None, user: str | None = "ada", host: str = HOST, port: int = 0, late: bool = False,
        client_keys: Iterable[Mapping[str, Any]] = (),
    ) -> None:  # fmt: skip
        """Prepare; nothing listens yet. Raises `NoSuchMode`, `UnknownProvider`."""
        entropy: Entropy = SystemEntropy() if seed is None else SeededEntropy(f"tokens {seed}")
        dice: Entropy = SystemEntropy() if seed is None else SeededEntropy(f"dice {seed}")
        in_force = InForce(map(_wish, modes), lambda: int.from_bytes(dice.draw(8), "big") / 2**64)
        facts = known(provider) if isinstance(provider, str) else provider
        secret = entropy.draw(24).hex()
        self._state = State(
            facts, clock or SystemClock(), entropy, in_force, Registered(CLIENT_ID, secret, tuple(client_keys)),
            entropy.draw(24).hex(), user or "", late,
        )  # fmt: skip
        self._host, self._port = host, port
        self._loop: asyncio.AbstractEventLoop | None = None
        site = Site(self._state)
        self._listener = Listener(site.handle, site.accepts)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen. Raises `OSError`."""
        self._loop = asyncio.get_running_loop()
        port = await self._listener.start(self._host, self._port)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._state.origin = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Close everything, held answers too."""
        await self._listener.stop()

    @property
    def url(self) -> str:
        """The origin, `http://127.0.0.1:PORT`; also the issuer."""
        return self._state.origin

    @property
    def provider(self) -> Provider:
        """The provider with its addresses here."""
        return self._state.provider

    @property
    def client_id(self) -> str:
        """The one client's id."""
        return self._state.client.client_id

    @property
    def client_secret(self) -> str:
        """Its secret, in clear."""
        return self._state.client.client_secret

    @property
    def control_token(self) -> str:
        """What the control endpoint at `/chaos/…` wants as bearer."""
        return self._state.control_token

    @property
    def ledger(self) -> Ledger:
        """What has happened."""
        return self._state.ledger

    @property
    def modes(self) -> list[Wish]:
        """What is in force."""
        return self._state.modes.wishes

    def set(self, *texts: str, **more: Any) -> None:
        """Put modes in force on top of those there are: `chaos.set("lost_reply", times=1)`. Raises `NoSuchMode`."""
        wishes = [wish(text, **more) for text in texts]
        self._do(lambda: self._state.modes.add(*wishes))

    def clear(self) -> None:
        """Put no mode in force; the provider is as it is described."""
        self._do(self._state.modes.clear)

    def release(self) -> None:
        """Let go of the answers that `held_reply` holds now."""
        self._do(self._state.release)

    def grant(self, user: str = "ada", scope: str = "", redirect_uri: str = "") -> Given:
        """A grant without a browser. *scope* is separated by spaces."""
        made = self._do(lambda: make_grant(self._state, user, scope, redirect_uri))
        return Given(made["grant"], made["reply"])

    def withdraw(self, user: str) -> tuple[str, ...]:
        """End every grant of a user, as they might at the provider; the ids."""
        return self._do(lambda: self._state.book.end(self._state.book.of_user(user), "withdrawn"))

    def end_access(self, user: str = "") -> int:
        """End the access tokens of *user*, or of everybody, before their time: an API says 401. How many lived."""
        return self._do(lambda: self._state.book.end_all_access(user))

    def decide_device(self, user_code: str, user: str = "ada", *, allow: bool = True) -> bool:
        """Answer for the person at a device; whether one waits with this code."""
        return self._do(lambda: decide(self._state, user_code, user, allow=allow))

    def _do(self, work: Callable[[], T]) -> T:
        """Work on the state between two requests, from whichever thread."""
        if self._loop is None or not self._loop.is_running() or _running() is self._loop:
            return work()

        async def between() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(between(), self._loop).result(PATIENCE)


@contextlib.contextmanager
def beside(*given: Any, **more: Any) -> Iterator[Chaos]:
    """A chaos provider in a thread of its own, for a test that is not async; takes what `Chaos` takes."""
    chaos = Chaos(*given, **more)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="chaos", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(chaos.start(), loop).result(PATIENCE)
        yield chaos
    finally:
        asyncio.run_coroutine_threadsafe(chaos.stop(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def known(name: str) -> Provider:
    """A provider by its id: `plain`, or one that is shipped. Raises `UnknownProvider`."""
    if name == PLAIN.id:
        return PLAIN
    return Catalog.shipped().get(name)


def _wish(one: str | Wish) -> Wish:
    return wish(one) if isinstance(one, str) else one
