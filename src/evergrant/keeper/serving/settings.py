"""What the service is told when it starts. Durations in seconds, sizes in bytes."""

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from evergrant.domain.secret import Secret
from evergrant.keeper.errors import BadRequest
from evergrant.keeper.wire.fetch import Reach
from evergrant.web.ask import Ask

_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where letters of a tenant go. *secrets*: those that sign; two while one replaces the other.

    *tenant* None: the letters of every tenant, and those about our own clients. *what*: kinds of events, empty: all.
    """

    name: str
    url: str
    secrets: tuple[Secret, ...]
    tenant: str | None = None
    what: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Raise `BadRequest` for an endpoint that nobody could verify a letter of."""
        if not self.secrets:
            msg = f"the webhook {self.name} has no secret to sign with"
            raise BadRequest(msg)

    def wants(self, tenant: str, what: str) -> bool:
        """Whether a letter of *tenant* about *what* goes here."""
        return self.tenant in {None, tenant} and (not self.what or what in self.what)


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever is signed in to the application that this service is mounted in."""

    tenant: str
    user: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """*address*: how the outside reaches the service, as in https://app.example/keeper; its path is the base of all."""

    address: str
    brand: str = "Evergrant"
    support_url: str = ""
    extra_hosts: tuple[str, ...] = ()
    """Further Host header values that are ours."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks in CIDR whose X-Forwarded-For is believed."""
    metrics_networks: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    max_body: int = 65_536
    max_header: int = 16_384
    background: bool = True
    """Whether this process refreshes what falls due; any number of processes may."""
    link_seconds: int = 600
    """How long a connect link may be used, once."""
    visit_seconds: int = 3_600
    """How long a browser that came with a link may look at and change its user's connections."""
    webhooks: tuple[Endpoint, ...] = ()
    webhook_reach: Reach = field(default_factory=Reach)
    """Which private networks webhooks may be sent into; none, unless it says so."""
    webhook_pause: float = 5.0
    webhook_give_up: int = 86_400
    """After so many seconds of trying a letter is parked."""
    log_sample: int = 0
    """One ordinary request in so many is logged; 0: none."""
    identify: Callable[[Ask], Awaitable[Person | None]] | None = None
    """For applications that mount this: who is signed in, by their own session."""

    def __post_init__(self) -> None:
        """Raise `BadRequest` for an address that browsers could not come back to."""
        parts = urlsplit(self.address)
        if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
            msg = "address is like https://keeper.example or https://app.example/keeper"
            raise BadRequest(msg)

    @property
    def base(self) -> str:
        """The path of the address, empty or like /keeper."""
        return urlsplit(self.address).path.rstrip("/")

    @property
    def origin(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def secure(self) -> bool:
        return self.address.startswith("https://")

    def url(self, path: str) -> str:
        """The whole address of a *path* of ours."""
        return f"{self.origin}{self.base}{path}"

    @property
    def hosts(self) -> frozenset[bytes]:
        """Every Host header value that names us, with and without a default port."""
        found: set[str] = set(self.extra_hosts)
        parts = urlsplit(self.address)
        found.add(parts.netloc.lower())
        default = _PORTS[parts.scheme]
        if parts.port is None:
            found.add(f"{parts.netloc.lower()}:{default}")
        elif parts.port == default:
            found.add(parts.netloc.lower().rsplit(":", 1)[0])
        return frozenset(host.encode("ascii") for host in found)

    def may_see_metrics(self, address: str) -> bool:
        """Whether metrics are for somebody at *address*."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        networks = [ipaddress.ip_network(each) for each in self.metrics_networks]
        return any(ip in network for network in networks if network.version == ip.version)
