"""Running the demo: addresses, a place on disk, the issuer and the sample application side by side, and a clean end."""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evergrant.assembly import ROUTE_NAMES, Given, House, Life, assemble, opened
from evergrant.config import Config, load
from evergrant.config.rules import is_loopback
from evergrant.demo.furnish import SCOPES, Furnished, furnish
from evergrant.demo.oidc import OidcClient, Registration
from evergrant.demo.place import DemoClock, place
from evergrant.demo.site import Parts, Site
from evergrant.demo.theft import thief_address
from evergrant.entropy import SystemEntropy
from evergrant.observe.log import set_up
from evergrant.observe.metrics import Metrics
from evergrant.observe.sampling import error_id
from evergrant.observe.watch import Watch
from evergrant.protocol.error import Refused
from evergrant.protocol.form import FormLimits
from evergrant.serving import Part, bound, together
from evergrant.web.app import Application, HttpLimits
from evergrant.web.ask import Ask

LISTEN: Final = "127.0.0.1:8000"
APP_LISTEN: Final = "127.0.0.1:8001"
_LOG: Final = logging.getLogger("evergrant.demo")
_STOPPING: Final = ("SIGINT", "SIGTERM", "SIGHUP")


class NotLoopback(ValueError):
    """The demo is for this machine alone: its password is printed, and its clock can be moved by anybody."""


class AddressUnusable(Exception):
    """An address that was asked for cannot be listened at; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What whoever starts the demo asked for; None where the choice is ours."""

    listen: str | None = None
    app_listen: str | None = None
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """What is running, told once it answers. *moved*: the addresses that were taken, so that others were chosen."""

    issuer: str
    application: str
    username: str
    password: str
    folder: Path
    kept: bool
    moved: tuple[str, ...]


async def run(wishes: Wishes, ready: Callable[[Running], None]) -> None:
    """Run until told to stop by a signal. Raises `NotLoopback`, `AddressUnusable`, `NotADemo`, `StoreUnusable`."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in _STOPPING:
        if hasattr(signal, name):
            loop.add_signal_handler(getattr(signal, name), stop.set)
    with contextlib.ExitStack() as stack:
        config, sock, app_config, app_sock, moved = _addresses(wishes, stack)
        folder = stack.enter_context(place(wishes.data))
        config = config.replace(store__data=folder)
        set_up(config.log)
        clock = DemoClock(folder)
        async with opened(config, Metrics(endpoints=ROUTE_NAMES), Given(None, clock)) as house:
            furnished = await furnish(house, app_config.issuer)
            running = Running(
                config.issuer, app_config.issuer, furnished.username, furnished.password, folder,
                wishes.data is not None, moved,
            )  # fmt: skip
            watch = Watch(house.metrics, clock, house.entropy)
            issuer = assemble(house, watch, Life(contextlib.AsyncExitStack(), house, watch))
            async with sample(house, clock, furnished, app_config.issuer) as application:
                parts = (Part(config, issuer, sock), Part(app_config, application, app_sock))
                await together(parts, lambda: ready(running), stop)


def _addresses(
    wishes: Wishes, stack: contextlib.ExitStack
) -> tuple[Config, socket.socket, Config, socket.socket, tuple[str, ...]]:
    """Two sockets that listen already, so that nobody else can take their addresses meanwhile."""
    moved: list[str] = []
    found = []
    for asked, usual in ((wishes.listen, LISTEN), (wishes.app_listen, APP_LISTEN)):
        sock, config = _listening(asked, usual, moved)
        stack.callback(sock.close)
        # Cookies know no ports: two demos on one machine would sign each other's browsers out.
        found.append((config.replace(session__cookie_name=f"evergrant-{sock.getsockname()[1]}"), sock))
    (config, sock), (app_config, app_sock) = found
    return config, sock, app_config, app_sock, tuple(moved)


def _listening(asked: str | None, usual: str, moved: list[str]) -> tuple[socket.socket, Config]:
    try:
        return _listen(asked or usual)
    except OSError as error:
        if asked is not None:
            busy = error.errno == errno.EADDRINUSE
            why = f"another program listens at {asked}" if busy else f"nobody can listen at {asked}: {error.strerror}"
            raise AddressUnusable(why) from error
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        moved.append(usual)
        return _listen(usual.rpartition(":")[0] + ":0")


def _listen(address: str) -> tuple[socket.socket, Config]:
    # The environment of a real issuer on this machine is not the demo's.
    config = load(None, {}, {"server.listen": address, "server.shutdown_grace": 1, "log.level": "warning"})
    if not is_loopback(config.server.address[0]):
        msg = f"the demo listens on loopback alone, not at {address}"
        raise NotLoopback(msg)
    sock, config = bound(config)
    try:
        sock.listen()
    except OSError:
        sock.close()
        raise
    return sock, config


@contextlib.asynccontextmanager
async def sample(house: House, clock: DemoClock, furnished: Furnished, address: str) -> AsyncIterator[Application]:
    """The sample application for as long as the block runs."""
    registration = Registration(
        house.config.issuer, furnished.sample.id, furnished.sample.redirect_uris[0], " ".join(SCOPES)
    )
    source = thief_address(house.config.issuer)
    client = OidcClient(registration, clock, house.entropy)
    thief = OidcClient(registration, clock, house.entropy, source)
    site = Site(Parts(house, clock, furnished, client, thief, source, address))
    hosts = frozenset({address.partition("//")[2].encode("ascii")})
    try:
        limits = HttpLimits(65_536, 16_384, FormLimits(), (), hosts)
        yield Application(site.routes(), site.fallback, limits, _Told(), _Idle())
    finally:
        await client.close()
        await thief.close()


class _Told:
    """What the sample application tells its log: its own faults, and nothing else."""

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Nothing is told of what went well."""

    def refused(self, _route: str, _error: Refused, _ask: Ask) -> str:
        return error_id(SystemEntropy())

    def failed(self, route: str, error: BaseException) -> str:
        identity = error_id(SystemEntropy())
        _LOG.error("the sample application failed at %s (%s)", route, identity, exc_info=error)
        return identity

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class _Idle:
    """The sample application begins and ends with the block around it."""

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""
