"""Keys about running the server: where it listens and keeps things, what it writes, what it removes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evergrant.config import rules
from evergrant.config.key import DAY, KIB, MINUTE, YEAR, key
from evergrant.config.kinds import Choice, Flag, Folder, ListOf, Location, Matching, Network, NetworkRange, Text
from evergrant.config.numbers import Duration, Size, Whole

_LOOPBACK_NETWORKS: Final[tuple[Network, ...]] = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1/128"),
)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where the issuer listens, what it is called, and how much it reads before it refuses."""

    issuer: str = key(
        Matching(rule=rules.require_issuer, wanted='an https:// address such as "https://id.example.com"'),
        "",
        "The issuer's URL, which clients compare byte by byte; empty means http:// and the address of `listen`.",
        "Nothing to configure for a trial on one machine; an issuer that others can reach has to be told its name, "
        "because the Host header of a request is never believed.",
    )
    listen: str = key(
        Matching(rule=rules.require_listen, wanted='HOST:PORT such as "127.0.0.1:8000"', may_be_empty=False),
        "127.0.0.1:8000",
        "The address to listen on, HOST:PORT; port 0 takes any free one.",
        "Loopback, because TLS ends in the proxy in front and nobody else should reach the plain port.",
    )
    workers: int = key(
        Whole(1, 64),
        1,
        "How many processes serve requests.",
        "One process settles in one queue and groups its commits best; more help when signatures fill a core.",
    )
    trusted_proxies: tuple[Network, ...] = key(
        ListOf(NetworkRange()),
        (),
        "The proxies whose X-Forwarded-For is believed, as addresses or networks.",
        "Believing nobody is the only default under which a client cannot choose its own address.",
    )
    receiver_networks: tuple[Network, ...] = key(
        ListOf(NetworkRange()),
        (),
        "The private networks in which clients may be told of a logout, and receivers of security events.",
        "None: an address that a client was registered with must not lead into the operator's own network.",
    )
    client_certificates: bool = key(
        Flag(),
        default=False,
        doc="Whether the trusted proxies hand on clients' certificates in the header Client-Cert (RFC 9440).",
        why="Off, because a proxy that knows nothing of the header lets clients write it themselves.",
    )
    client_certificate_url: str = key(
        Matching(rule=rules.require_origin, wanted='an origin such as "https://mtls.id.example.com"'),
        "",
        "The origin at which the proxy asks for certificates, published beside the issuer's own addresses; empty for "
        "the issuer's own.",
        "Browsers ask people about certificates: a host name of its own keeps that away from the pages.",
    )
    extra_hosts: tuple[str, ...] = key(
        ListOf(Matching(rule=rules.require_host, wanted="a host name", may_be_empty=False)),
        (),
        "Host names answered besides the issuer's own, for health checks and for the inside of a network.",
        "The issuer's own name is enough until something inside calls it by another.",
    )
    max_body: int = key(
        Size(1 * KIB, 1024 * KIB),
        64 * KIB,
        "The largest request body that is read.",
        "The largest honest form, a token request with a client assertion and several resources, is under 16 KiB.",
    )
    max_fields: int = key(
        Whole(10, 1000),
        100,
        "The largest number of fields in a form or query.",
        "No request of the protocols served here has 30.",
    )
    max_field: int = key(
        Size(1 * KIB, 256 * KIB),
        8 * KIB,
        "The largest single field of a form or query.",
        "Signed tokens as hints stay below 4 KiB; anything larger is not meant for this server.",
    )
    max_header: int = key(
        Size(4 * KIB, 256 * KIB),
        16 * KIB,
        "The largest set of request headers.",
        "What common proxies allow (8 KiB) twice over.",
    )
    shutdown_grace: int = key(
        Duration(0, 10 * MINUTE),
        10,
        "How long requests that are being served may take to finish after a request to stop.",
        "Ordinary requests take milliseconds; orchestrators kill after 30 seconds.",
    )
    metrics_networks: tuple[Network, ...] = key(
        ListOf(NetworkRange()),
        _LOOPBACK_NETWORKS,
        "The networks that may read /metrics.",
        "Counts of refusals and reuse tell an attacker what was noticed.",
    )

    @property
    def address(self) -> tuple[str, int]:
        """Split `listen` into host and port."""
        return rules.split_listen(self.listen)


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Where families, clients, users and events are kept."""

    data: Path = key(  # noqa: RUF009  declares a field
        Folder(),
        Path("./evergrant-data"),
        "The directory that holds the database and the generated keys; created when missing.",
        "Visible, in the working directory, and easy to remove after a trial.",
    )
    url: str = key(
        Text(),
        "",
        "The database; empty means SQLite in the data directory.",
        "A single machine needs no database server for tens of millions of families.",
        secret=True,
    )
    url_file: Path | None = key(  # noqa: RUF009  declares a field
        Location(),
        None,
        "A file that holds `url` alone.",
        "Orchestrators mount secrets as files; a variable shows in every listing of the process's environment.",
    )
    connections: int = key(
        Whole(6, 100),
        10,
        "How many connections one process may hold at the database of `url`; SQLite needs none.",
        "Two carry all refreshes, one waits for rows that others hold, one listens, the rest write and read; a server "
        "allows a hundred by default, which is nine processes and an operator.",
    )


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """The trail of what happened and why."""

    retention: int = key(
        Duration(1 * DAY, 10 * YEAR),
        90 * DAY,
        "How long events are kept.",
        "Thefts are noticed after weeks, not days; and events name people, so they are not kept for ever.",
    )


@dataclass(frozen=True, slots=True)
class HousekeepingConfig:
    """The removal of what has ended long ago, in small steps."""

    interval: int = key(
        Duration(1, 1 * DAY),
        30,
        "How often housekeeping looks for something to remove.",
        "Small and often: what ends in thirty seconds fits one batch on all but the largest issuers.",
    )
    batch: int = key(
        Whole(1, 100_000),
        500,
        "How many rows one step removes at most.",
        "A step of 500 holds the writer for a few milliseconds, which no refresh notices.",
    )


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What is written to stderr."""

    level: str = key(
        Choice(("debug", "info", "warning", "error")),
        "info",
        "The least important level that is written.",
        "Starts, stops, refusals in samples, and trouble; nothing per ordinary request.",
    )
    format: str = key(
        Choice(("auto", "json", "text")),
        "auto",
        "JSON lines or text; `auto` writes text to a terminal and JSON to anything else.",
        "People read terminals and machines read everything else.",
    )
    sample: int = key(
        Whole(0, 1_000_000),
        100,
        "One ordinary request in this many is logged; 0 logs none, 1 logs each.",
        "A line for each would cost a tenth of the refresh it tells about; the audit trail holds all of them anyway.",
    )
