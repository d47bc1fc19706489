"""
Every configuration key there is, section by section: its kind, default, documentation and the argument for the default.

This is the one table. Parsing, environment variables, validation, `config show` and docs/reference/configuration.md are
derived from it; a key that is not here does not exist. Only declarations live here: reading is in `sources`, rules that
look at several keys at once are in `judge`. Durations are seconds and sizes are bytes by the time anybody reads them.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evergrant.config import rules
from evergrant.config.key import key
from evergrant.config.kinds import (
    Choice,
    Duration,
    Flag,
    Folder,
    Key32,
    ListOf,
    Location,
    Matching,
    Network,
    NetworkRange,
    Size,
    Text,
    Whole,
)

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
YEAR: Final = 365 * DAY
KIB: Final = 1024

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

    data: Path = key(
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


@dataclass(frozen=True, slots=True)
class KeysConfig:
    """Signing keys, and the key that seals everything secret at rest."""

    key_encryption_key: bytes = key(
        Key32(),
        b"",
        "The key-encryption key: 32 bytes in base64; empty means the file in the data directory.",
        "A file with mode 0600, made at the first start, works without a secret store; a secret store can set the "
        "environment variable instead.",
        secret=True,
    )
    key_encryption_key_file: Path | None = key(
        Location(),
        None,
        "The file that holds the key-encryption key, in base64; empty means `key-encryption.key` in the data directory.",
        "Secrets mounted as files live elsewhere than the database, as they should.",
    )
    publish_before: int = key(
        Duration(0, 7 * DAY),
        1 * HOUR,
        "How long a new signing key is published before anything is signed with it.",
        "Longer than common libraries keep a key set without asking again (5 to 15 minutes), with room for a slow cache.",
    )
    rotate_every: int = key(
        Duration(1 * HOUR, 5 * YEAR),
        90 * DAY,
        "How often a new signing key takes over.",
        "Often enough that rotation is routine and rare enough that verifiers are not always fetching.",
    )
    retire_after: int = key(
        Duration(1 * MINUTE, 1 * YEAR),
        1 * DAY,
        "How long a signing key stays published after its last signature.",
        "No token may outlive the key that verifies it, and the longest token lives a day.",
    )
    default_alg: str = key(
        Choice(("ES256", "RS256", "PS256", "EdDSA")),
        "ES256",
        "The signature algorithm for clients that ask for none.",
        "Ten times cheaper to sign than RSA, a quarter of its size, and understood by every library in use.",
    )


@dataclass(frozen=True, slots=True)
class TokensConfig:
    """How long what is issued lasts; a client's own settings may be shorter."""

    access_lifetime: int = key(
        Duration(10, 1 * DAY),
        10 * MINUTE,
        "How long an access token lasts.",
        "A stolen one is good for ten minutes at most, and renewal is cheap enough to be invisible.",
    )
    id_token_lifetime: int = key(
        Duration(10, 1 * DAY),
        10 * MINUTE,
        "How long an ID token lasts.",
        "It is read once, on arrival; the rest is tolerance for clocks.",
    )
    code_lifetime: int = key(
        Duration(10, 10 * MINUTE),
        60,
        "How long an authorization code lasts.",
        "RFC 6749 allows ten minutes; a browser needs one redirect.",
    )
    idle_lifetime: int = key(
        Duration(1 * MINUTE, 10 * YEAR),
        30 * DAY,
        "How long a family lives without being used, unless its client says otherwise.",
        "Someone who comes back once a month stays signed in; a forgotten device does not.",
    )
    absolute_lifetime: int = key(
        Duration(1 * MINUTE, 10 * YEAR),
        365 * DAY,
        "How long a family lives altogether, unless its client says otherwise.",
        "A year: one sign-in per device and year is bearable, and nothing lives for ever.",
    )
    max_idle_lifetime: int = key(
        Duration(1 * MINUTE, 10 * YEAR),
        90 * DAY,
        "The longest idle lifetime that a client may be given.",
        "Three times the default leaves room for seasonal use and keeps abandoned families few.",
    )
    max_absolute_lifetime: int = key(
        Duration(1 * MINUTE, 10 * YEAR),
        365 * DAY,
        "The longest absolute lifetime that a client may be given.",
        "The default is the cap: who wants more has to say so here, once, for everybody to see.",
    )
    overlap: int = key(
        Duration(0, 1 * HOUR),
        60,
        "The window in which the immediate predecessor gets the same successor again; 0 turns it off.",
        "Longer than the usual 30-second HTTP timeout with one retry, shorter than a thief needs to be lucky.",
    )
    until_used_max: int = key(
        Duration(1 * MINUTE, 7 * DAY),
        1 * DAY,
        "The longest that a predecessor lives under `until_used`, when its successor is never used.",
        "A nightly job whose reply was lost finds its token still good the next night.",
    )
    default_resource: str = key(
        Matching(rule=rules.require_resource, wanted="an absolute URI"),
        "",
        "The audience of an access token for which no resource was asked; empty means the issuer's URL and /resource.",
        "A name of its own: the issuer's URL alone is the audience of client assertions (RFC 10070), and one audience "
        "must not mean two things.",
    )


@dataclass(frozen=True, slots=True)
class ResourceConfig:
    """One API that access tokens can be asked for (RFC 8707); `[[resource]]` may be repeated."""

    identifier: str = key(
        Matching(rule=rules.require_resource, wanted="an absolute URI", may_be_empty=False),
        "",
        "The resource's identifier, an absolute URI, which becomes the audience.",
        "There is no resource without a name: this one must be given.",
    )
    scopes: tuple[str, ...] = key(
        ListOf(Matching(rule=rules.require_scope, wanted="a scope", may_be_empty=False)),
        (),
        "The scopes that mean something at this resource.",
        "A token for a resource carries only scopes that the resource lists, so listing none grants none.",
    )
    access_token: str = key(
        Choice(("jwt", "opaque")),
        "jwt",
        "The form of its access tokens: verified in place (RFC 9068), or asked about (RFC 7662).",
        "An API that verifies in place needs no call to the issuer for each request.",
    )
    lifetime: int = key(
        Duration(0, 1 * DAY),
        0,
        "How long its access tokens last; 0 means `tokens.access_lifetime`.",
        "One lifetime for all is easier to reason about until an API has a reason.",
    )


@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """What happens when a spent token comes back."""

    reuse: str = key(
        Choice(("family", "session", "client", "user")),
        "family",
        "What a reuse ends: the family, its browser session, all of that client and user, or all of that user.",
        "What RFC 9700 section 4.14.2 asks for, and the least that an honest user with a broken client loses.",
    )
    observe_only: bool = key(
        Flag(),
        False,
        "Whether a reuse is only recorded and refused, without ending anything.",
        "Off, because a theft that ends nothing goes on; switch it on while moving in from another issuer.",
    )


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The browser's session at the issuer."""

    idle_lifetime: int = key(
        Duration(1 * MINUTE, 1 * YEAR),
        14 * DAY,
        "How long a session lives without being used.",
        "Two weeks outlast a holiday's beginning and not a lost laptop.",
    )
    absolute_lifetime: int = key(
        Duration(1 * MINUTE, 1 * YEAR),
        90 * DAY,
        "How long a session lives altogether.",
        "A password is asked for four times a year on a device in daily use.",
    )
    cookie_name: str = key(
        Matching(rule=rules.require_cookie_name, wanted="a cookie name"),
        "",
        "The session cookie's name; empty means `__Host-evergrant` over https and `evergrant` on loopback.",
        "The __Host- prefix makes the browser refuse a cookie planted by a neighbouring subdomain.",
    )


@dataclass(frozen=True, slots=True)
class PasswordConfig:
    """How passwords are hashed (Argon2id) and what they must be."""

    memory_kib: int = key(
        Whole(7168, 4 * 1024 * 1024),
        65536,
        "The memory of one hash, in KiB.",
        "RFC 9106 section 4, second recommended option: 64 MiB; more of it would only limit sign-ins per second.",
    )
    iterations: int = key(Whole(1, 100), 3, "The passes over that memory.", "RFC 9106 section 4, second option.")
    parallelism: int = key(Whole(1, 64), 4, "The lanes of one hash.", "RFC 9106 section 4, second option.")
    workers: int = key(
        Whole(1, 64),
        2,
        "How many hashes run at once in one process.",
        "Two hold 128 MiB while they run; hashing never takes every core from refreshing.",
    )
    queue_limit: int = key(
        Whole(1, 10_000),
        32,
        "How many sign-ins may wait for a hash in one process; more are told to come back.",
        "At 50 to 100 ms a hash on two threads the last in the queue waits about a second and a half.",
    )
    queue_timeout: int = key(
        Duration(1, 1 * MINUTE),
        5,
        "How long a sign-in waits for its turn before it is told to come back.",
        "People reload a page that has not answered for five seconds, which would queue them twice.",
    )
    min_length: int = key(
        Whole(8, 64),
        12,
        "The shortest password that can be set, in characters.",
        "Twelve random lower-case letters are 2^56 guesses, out of reach at the ten thousand a second that a rack of "
        "graphics cards makes against stolen Argon2id hashes of this cost; eight letters (2^38) last eight months. NIST "
        "SP 800-63B-4 asks for fifteen where the password stands alone.",
    )
    max_length: int = key(
        Whole(64, 4096),
        256,
        "The longest password that is accepted, in characters.",
        "NIST SP 800-63B asks for at least 64; a bound keeps a megabyte from being hashed.",
    )


@dataclass(frozen=True, slots=True)
class ThrottleConfig:
    """How failed sign-ins are slowed down, per account and per network."""

    free_failures: int = key(
        Whole(0, 100),
        5,
        "How many failures of one account cost nothing.",
        "People mistype, try the old password, and find the caps-lock key.",
    )
    base_delay: int = key(
        Duration(1, 1 * HOUR),
        1,
        "The delay after the first failure that is not free; it doubles with each one more.",
        "Unnoticed by a person, and doubling makes it prohibitive within ten guesses.",
    )
    max_delay: int = key(
        Duration(1, 1 * DAY),
        15 * MINUTE,
        "The longest delay.",
        "96 guesses a day at most; and a stranger who fails on purpose locks nobody out for longer than a coffee.",
    )
    window: int = key(
        Duration(1 * MINUTE, 7 * DAY),
        1 * HOUR,
        "How long a failure is remembered.",
        "Four times the longest delay, so that waiting it out does not reset the count.",
    )
    network_limit: int = key(
        Whole(1, 1_000_000),
        100,
        "How many failures one network (an IPv4 address, an IPv6 /64) may make within the window.",
        "An office behind one address stays below it; a list of stolen passwords tried from one host does not.",
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
        "A log line costs about as much as the whole refresh saves by batching; the audit trail holds all of them anyway.",
    )


@dataclass(frozen=True, slots=True)
class BrandingConfig:
    """What people read on the pages."""

    name: str = key(
        Text(64),
        "Evergrant",
        "The name on the pages.",
        "Something has to be there until it is yours.",
    )
    support_url: str = key(
        Matching(rule=rules.require_web_address, wanted="an https:// address"),
        "",
        "Where people who are stuck are sent; empty shows no link.",
        "No address is better than a wrong one.",
    )
