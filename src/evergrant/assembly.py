"""The only file that knows every room: opens what the configuration names and puts the issuer together.

What lives here: choosing adapters, opening them in the right order, closing them again. What must not: a rule.
Raises everywhere: `StoreUnusable`, `KeyUnusable`, each with one sentence for whoever starts the server.
"""

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from evergrant.clock import Clock, clock_from_environment
from evergrant.config import Config
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Verdict
from evergrant.entropy import Entropy, SystemEntropy
from evergrant.fetch.fetched import Fetched
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.endpoints.events import EventsEndpoint
from evergrant.issuer.endpoints.operate import Operate
from evergrant.issuer.passwords import Passwords
from evergrant.issuer.refusals import Refusals
from evergrant.issuer.rooms import Ground, event_routes, machine_routes, page_routes
from evergrant.issuer.service.accounts import Accounts
from evergrant.issuer.service.clients import Clients
from evergrant.issuer.service.feed import Feed
from evergrant.issuer.service.housekeeping import Done, Housekeeper
from evergrant.issuer.service.key_rotation import KeyRotation
from evergrant.issuer.service.lending import Lender, Nobody
from evergrant.issuer.service.outbox import Outbox
from evergrant.issuer.service.timekeeping import follow
from evergrant.issuer.settings import Settings, settings_of
from evergrant.keys import local
from evergrant.keys.lifecycle import ensure
from evergrant.keys.port import Kek, KeyUnusable
from evergrant.observe.log import fields
from evergrant.observe.metrics import Metrics
from evergrant.observe.watch import Watch
from evergrant.protocol.form import FormLimits
from evergrant.store.port import Store, StoreUnavailable, StoreUnusable, Tx
from evergrant.store.sqlite import FILE_NAME
from evergrant.store.whereabouts import Whereabouts
from evergrant.web.app import Application, HttpLimits

if TYPE_CHECKING:
    from evergrant.fetch.fetcher import Fetcher

_LOG: Final = logging.getLogger("evergrant.issuer")
DATABASE: Final = FILE_NAME
# A receiver that takes longer is tried again later, and delays those of the same round by no more than this.
RECEIVER_SECONDS: Final = 5.0
RECEIVER_BYTES: Final = 16_384
ROUTE_NAMES: Final = (
    "token", "revoke", "revocations", "events", "introspect", "userinfo", "jwks", "metadata", "healthz", "readyz",
    "metrics", "index", "authorize", "sign_in", "select_account", "consent", "notice", "end_session", "signed_out",
    "account", "password", "unknown",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class House:
    """Everything opened for one process."""

    config: Config
    settings: Settings
    store: Store
    kek: Kek
    clock: Clock
    entropy: Entropy
    passwords: Passwords
    metrics: Metrics
    refusals: Refusals = field(default_factory=Refusals)

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.store, self.passwords, self.clock, self.entropy)

    @property
    def clients(self) -> Clients:
        return Clients(self.store, self.kek, self.clock, self.entropy)

    @property
    def keys(self) -> KeyRotation:
        return KeyRotation(
            self.store, self.kek, self.clock, self.entropy, self.settings.schedule, self.config.keys.rotate_every
        )

    @property
    def catalog(self) -> Catalog:
        return Catalog(self.store, self.kek, self.clock, self.settings.limits, self.refusals)


def data_folder(config: Config) -> Path:
    """The data directory, made with mode 0700 when it is missing. Raises `StoreUnusable`."""
    folder = config.store.data
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder}: the data directory cannot be made: {error.strerror}"
        raise StoreUnusable(msg) from error
    return folder


def open_kek(config: Config, entropy: Entropy) -> Kek:
    """The key-encryption key: configured, or in a file of the data directory. Raises `KeyUnusable`."""
    if config.keys.key_encryption_key:
        return local.LocalKek(config.keys.key_encryption_key)
    if config.keys.key_encryption_key_file is not None:
        return local.from_file(config.keys.key_encryption_key_file, entropy, make=False)
    path, where = data_folder(config) / local.FILE_NAME, whereabouts(config)
    # A database whose key is gone must not get a new key: nothing in it could ever be read again.
    make = not path.exists() and not where.is_keyed()
    if not make and not path.exists() and config.store.url:
        raise KeyUnusable(
            f"{where.shown} was set up with a key-encryption key that is not here: give every node the same one, in "
            "keys.key_encryption_key_file or EVERGRANT_KEYS_KEY_ENCRYPTION_KEY"
        )
    return local.from_file(path, entropy, make=make)


def whereabouts(config: Config) -> Whereabouts:
    """Where the issuer's store is."""
    return Whereabouts(config.store.data, config.store.url, config.store.connections)


class Given(NamedTuple):
    """What a test brings instead of the real thing: a store, a clock, entropy."""

    store: Store | None = None
    clock: Clock | None = None
    entropy: Entropy | None = None


@contextlib.asynccontextmanager
async def opened(config: Config, metrics: Metrics | None = None, given: Given = Given()) -> AsyncIterator[House]:
    """A house for as long as the block runs: store open, keys present. Raises `StoreUnusable`, `KeyUnusable`."""
    metrics = metrics or Metrics(endpoints=ROUTE_NAMES)
    entropy, clock = given.entropy or SystemEntropy(), given.clock or clock_from_environment(os.environ)
    kek = open_kek(config, entropy)
    store = given.store or whereabouts(config).open(metrics.settle_batch.observe)
    passwords = Passwords(config)
    try:
        house = House(config, settings_of(config), store, kek, clock, entropy, passwords, metrics)
        try:
            await follow(store, clock)
            await store.write(lambda tx: _furnish(tx, config, kek, entropy, clock.now()))
            await house.catalog.fresh()
        except StoreUnavailable as error:  # damaged, full or held: it opened, and is of no use all the same
            raise StoreUnusable(str(error)) from error
        yield house
    finally:
        passwords.close()
        await store.close()
        metrics.close()


def _furnish(tx: Tx, config: Config, kek: Kek, entropy: Entropy, now: int) -> None:
    """What must be there before the first request: keys, and room in the audit trail for the days ahead."""
    tx.events.arrange(now, 0)  # before the first event: where today has one already, it gets no room of its own
    ensure(tx, (config.keys.default_alg,), kek, entropy, now)


class MetricsTally:
    """Counts what the issuer tells, under the metrics' own names."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def refreshed(self, verdict: Verdict, refusal: Refusal | None) -> None:
        self._metrics.refreshes.add(verdict)
        if refusal is not None:
            self._metrics.refusals.add(refusal)

    def issued(self, grant_type: str) -> None:
        self._metrics.issued.add(grant_type)

    def signed_in(self, outcome: str) -> None:
        self._metrics.sign_ins.add(outcome)

    def ended(self, reason: Reason, count: int = 1) -> None:
        self._metrics.ended.add(reason, count)


def housekeeper_name(entropy: Entropy) -> str:
    """A name for this process that no other has, on whatever host: HOST:PID:RANDOM."""
    return f"{os.uname().nodename}:{os.getpid()}:{entropy.draw(8).hex()}"


class Companion(Protocol):
    """Work that goes on beside requests."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Life:
    """What begins and ends with the server: housekeeping and its companions, and closing the house last."""

    def __init__(self, stack: contextlib.AsyncExitStack, house: House, watch: Watch) -> None:
        self._stack, self._house, self._watch = stack, house, watch
        self._task: asyncio.Task[None] | None = None
        self.companions: list[Companion] = []
        self.leaving = False

    async def start(self) -> None:
        for companion in self.companions:
            await companion.start()
        self._task = asyncio.create_task(self._keep_house())

    async def stop(self) -> None:
        self.leaving = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for companion in self.companions:
            await companion.stop()
        await self._tell_refusals()
        await self._stack.aclose()

    async def _keep_house(self) -> None:
        config = self._house.config
        keeper = Housekeeper(
            self._house.store, self._house.clock, name=housekeeper_name(self._house.entropy),
            batch=config.housekeeping.batch, interval=config.housekeeping.interval, retention=config.audit.retention,
            keys=self._house.keys, settings=self._house.settings,
        )  # fmt: skip
        while True:
            await asyncio.sleep(config.housekeeping.interval)
            try:
                await follow(self._house.store, self._house.clock)
                _count(self._house.metrics, await keeper.round())
            except StoreUnavailable as error:
                _LOG.warning("housekeeping will try again", extra=fields(detail=str(error)))
            except Exception:  # noqa: BLE001 - a row that another release wrote must not end housekeeping for good
                _LOG.exception("housekeeping failed, and will try again")
            if self._house.refusals.due(self._house.clock.now()):
                await self._tell_refusals()
            self._watch.look_round()

    async def _tell_refusals(self) -> None:
        """Every process tells its own, whoever keeps house."""
        try:
            await self._house.refusals.tell(self._house.store)
        except StoreUnavailable as error:
            _LOG.warning("refused clients are told later", extra=fields(detail=str(error)))


class Outward:
    """Asking at addresses that clients were registered with. The HTTP client is loaded when somebody has one."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @functools.cached_property
    def _fetcher(self) -> "Fetcher":
        from evergrant.fetch.fetcher import Fetcher, Reach  # noqa: PLC0415 - ten megabytes that few need

        networks = tuple(str(network) for network in self._config.server.receiver_networks)
        # An issuer without https is one for a trial on this very machine, and so are its clients.
        reach = Reach(not self._config.is_secure, networks, RECEIVER_SECONDS, RECEIVER_BYTES)
        return Fetcher(reach)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Fetched:
        return await self._fetcher.post(url, headers, body)

    async def judge(self, url: str) -> None:
        await self._fetcher.judge(url)


def _count(metrics: Metrics, done: Done) -> None:
    metrics.swept.add("families", done.families + done.expired)
    metrics.swept.add("sessions", done.sessions)
    metrics.swept.add("events", done.events)


async def application(config: Config, metrics: Metrics | None = None, given: Given = Given()) -> Application:
    """The ASGI application with its own house, closed when the server shuts down."""
    stack = contextlib.AsyncExitStack()
    house = await stack.enter_async_context(opened(config, metrics, given))
    losing = "" if given.store else whereabouts(config).losing(house.clock.now())
    if losing:
        _LOG.warning("acknowledged rotations can be lost", extra=fields(detail=losing))
    watch = Watch(house.metrics, house.clock, house.entropy, sample=config.log.sample)
    life = Life(stack, house, watch)
    return assemble(house, watch, life, await _lender(house, stack))


async def _lender(house: House, stack: contextlib.AsyncExitStack) -> Lender:
    if not house.config.keeper.lend:
        return Nobody()
    from evergrant.keeping.lending import lender  # noqa: PLC0415 - the other side is loaded where it is joined to this one

    try:
        return await stack.enter_async_context(lender(house.config, house.clock))
    except BaseException:
        await stack.aclose()
        raise


def assemble(house: House, watch: Watch, life: Life, lender: Lender | None = None) -> Application:
    """Routes over an open house."""
    ground = Ground(
        house.store, house.catalog, house.settings, house.passwords, house.clock, house.entropy,
        MetricsTally(house.metrics), lender or Nobody(),
    )  # fmt: skip
    operate = Operate(
        house.store, house.metrics.render, house.config.server.metrics_networks, lambda: life.leaving, house.clock
    )  # fmt: skip
    feed = Feed(house.store, ground.catalog, house.settings, house.clock, house.metrics.followers.set)
    life.companions.append(feed)
    outward = Outward(house.config)
    outbox = Outbox(
        house.store, ground.catalog, house.settings, house.kek, house.clock, outward.post,
        housekeeper_name(house.entropy), house.metrics.deliveries.add,
    )  # fmt: skip
    life.companions.append(outbox)
    receivers = EventsEndpoint(
        house.store, ground.catalog, house.settings, house.kek, house.clock, house.entropy, outbox, outward.judge
    )
    people = page_routes(ground)
    machines = {**machine_routes(ground, operate, feed), **event_routes(house.settings.base, receivers)}
    routes = {**machines, **people.routes}
    return Application(routes, people.other, http_limits(house.config), watch, life)


def http_limits(config: Config) -> HttpLimits:
    """Limits and hosts from the configuration."""
    server = config.server
    named = [config.issuer, *([server.client_certificate_url] if server.client_certificate_url else [])]
    hosts = _hosts((*named, *(f"http://{host}" for host in server.extra_hosts)))
    return HttpLimits(
        server.max_body, server.max_header, FormLimits(server.max_fields, server.max_field), server.trusted_proxies,
        frozenset(hosts), server.client_certificates,
    )  # fmt: skip


def _hosts(urls: Iterable[str]) -> set[bytes]:
    """Every Host header value that names us, with and without a default port."""
    found: set[bytes] = set()
    for url in urls:
        parts = urlsplit(url)
        host, port = parts.netloc.rsplit("@")[-1].lower(), parts.port
        found.add(host.encode("ascii"))
        default = {"https": 443, "http": 80}[parts.scheme]
        if port is None:
            found.add(f"{host}:{default}".encode("ascii"))
        elif port == default:
            found.add(host.rsplit(":", 1)[0].encode("ascii"))
    return found
