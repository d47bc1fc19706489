"""Keys about the keeper: where it keeps what it keeps, how patient it is, and the clients we have at providers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evergrant.config import rules
from evergrant.config.key import DAY, HOUR, MINUTE, YEAR, key
from evergrant.config.kinds import Flag, ListOf, Location, Matching, Network, NetworkRange, TableOf, Text
from evergrant.config.numbers import Duration, Whole


@dataclass(frozen=True, slots=True)
class KeeperConfig:
    """Other people's tokens: the vault they are kept in, and how they are kept fresh."""

    vault: Path | None = key(  # noqa: RUF009  declares a field
        Location(),
        None,
        "The file of the vault; empty means `keeper.db` in the data directory.",
        "One file beside the issuer's, and no server to run for it.",
    )
    vault_url: str = key(
        Text(),
        "",
        "Instead of a file: the PostgreSQL database of a vault that several hosts share.",
        "One host needs no database server.",
        secret=True,
    )
    vault_url_file: Path | None = key(  # noqa: RUF009  declares a field
        Location(),
        None,
        "A file that holds `vault_url` alone.",
        "Orchestrators mount secrets as files; a variable shows in every listing of the process's environment.",
    )
    keys: str = key(
        Text(4096),
        "",
        "The keys that seal the vault: 32 bytes in base64 each, several separated by commas, the first one current.",
        "A secret store sets the environment variable; without one, a file does.",
        secret=True,
    )
    keys_file: Path | None = key(  # noqa: RUF009  declares a field
        Location(),
        None,
        "The file with the keys that seal the vault, one a line, the first one current; empty means the vault's name "
        "and `.key`, made at the first start. Hosts that share a vault share its "
        "keys: a database has no such file beside it.",
        "It works without anything to set up; a real deployment keeps it elsewhere than the vault.",
    )
    keyring: str = key(
        Text(255),
        "",
        "The account under which the operating system's keyring holds the keys; empty does not use it.",
        "Servers have no keyring that opens without somebody at a desk.",
    )
    providers: Path | None = key(  # noqa: RUF009  declares a field
        Location(),
        None,
        "A folder with provider files of your own; one of the same name replaces a shipped one.",
        "The shipped ones are enough for whoever they describe.",
    )
    lend: bool = key(
        Flag(),
        default=False,
        doc="Whether the issuer lends from this vault: a service that was allowed to (`client update "
        "--exchange-provider`) exchanges the token it was sent for that person's token at a provider.",
        why="Two sides that do not know each other cannot harm each other.",
    )
    lend_tenant: str = key(
        Text(255),
        "",
        "The tenant whose connections are lent; their accounts are called by the ids of the issuer's accounts.",
        "Most deployments have one tenant, and it has no name.",
    )
    listen: str = key(
        Matching(rule=rules.require_listen, wanted='HOST:PORT such as "127.0.0.1:8100"', may_be_empty=False),
        "127.0.0.1:8100",
        "Where `evergrant keeper serve` listens, HOST:PORT; port 0 takes any free one.",
        "Loopback, because TLS ends in the proxy in front; another port than the issuer's, so that both run.",
    )
    url: str = key(
        Matching(rule=rules.require_issuer, wanted='an https:// address such as "https://keeper.example.com"'),
        "",
        "The address at which people reach the pages of `keeper serve`; empty means http:// and that of `listen`.",
        "Nothing to configure for a trial; never taken from a request.",
    )
    return_to: tuple[str, ...] = key(
        ListOf(Matching(rule=rules.require_origin, wanted='an origin such as "https://app.example.com"',
                        may_be_empty=False)),
        (),
        "The origins to which a browser may be sent back after connecting.",
        "None, because an address from a request that is not checked sends people anywhere.",
    )  # fmt: skip
    reconnect_page: str = key(
        Matching(rule=rules.require_web_address, wanted="an https:// address"),
        "",
        "Your page at which a reconnect link arrives; empty means that of `keeper serve`.",
        "Only your application knows who is signed in.",
    )
    webhook: str = key(
        Matching(rule=rules.require_web_address, wanted="an https:// address"),
        "",
        "Where letters about connections are sent; empty sends none.",
        "Nobody can guess where yours should go.",
    )
    webhook_secret: str = key(
        Text(1024),
        "",
        "What those letters are signed with; two, separated by a comma, while one replaces the other.",
        "A letter that is not signed could be from anybody.",
        secret=True,
    )
    private_networks: tuple[Network, ...] = key(
        ListOf(NetworkRange()),
        (),
        "Private networks in which an issuer that is found by its address, or a webhook, may be.",
        "None: an address that somebody types in must not lead into your own network.",
    )
    loopback: bool = key(
        Flag(),
        default=False,
        doc="Whether issuers and webhooks may be on this machine, over plain http.",
        why="Only a trial has its provider on the same machine.",
    )
    link_lifetime: int = key(
        Duration(1 * MINUTE, 1 * DAY),
        15 * MINUTE,
        "How long somebody who was sent to a provider may take to come back.",
        "Long enough for a password manager and a second factor.",
    )
    reconnect_lifetime: int = key(
        Duration(1 * HOUR, 90 * DAY),
        7 * DAY,
        "How long a reconnect link can be used.",
        "People read their mail within a week, and a link is good for its one user alone.",
    )
    request_timeout: int = key(
        Duration(1, 5 * MINUTE),
        30,
        "The longest that a provider may take to answer, connecting included.",
        "The slowest honest answers take half of it, and a caller may be waiting.",
    )
    connect_timeout: int = key(
        Duration(1, 1 * MINUTE),
        10,
        "The longest that a connection to a provider may take.",
        "A request that was never sent can be repeated for nothing, so it is given up early.",
    )
    commit_allowance: int = key(
        Duration(1, 5 * MINUTE),
        10,
        "What is kept back of a claim for writing an answer down.",
        "A busy disk takes one second of it.",
    )
    claim: int = key(
        Duration(10, 15 * MINUTE),
        60,
        "How long one refresher may hold the right to spend a refresh token.",
        "Longer than a request and its commit, so that a second one never starts while the first may arrive.",
    )
    wait: int = key(
        Duration(1, 5 * MINUTE),
        35,
        "How long a caller waits for somebody else's refresh.",
        "A little longer than the request may take.",
    )
    backoff_least: int = key(
        Duration(1, 1 * HOUR),
        5,
        "The first pause after a failed refresh; it doubles with each further one.",
        "Most troubles of a provider are over in seconds.",
    )
    backoff_most: int = key(
        Duration(1 * MINUTE, 1 * DAY),
        15 * MINUTE,
        "The longest such pause.",
        "An outage of a day costs a hundred requests, and its end is noticed within a quarter of an hour.",
    )
    concurrent: int = key(
        Whole(1, 1000),
        8,
        "Token requests at once for one client, where the provider's facts say nothing.",
        "Fleets that fall due together are spread over seconds instead of being refused.",
    )
    per_second: int = key(
        Whole(1, 10_000),
        50,
        "Token requests per second for one client.",
        "Below what any provider is known to refuse.",
    )
    breaker_after: int = key(
        Whole(1, 1000),
        5,
        "After so many troubles of a provider in a row, asking it stops for a while.",
        "Five in a row are no accident.",
    )
    background_pause: int = key(
        Duration(1, 1 * HOUR),
        20,
        "The pause between two rounds of the background refresher.",
        "A round that finds nothing to do costs two reads.",
    )
    background_ahead: int = key(
        Duration(1 * MINUTE, 1 * DAY),
        15 * MINUTE,
        "How far the background refresher looks ahead.",
        "Tokens that live an hour are renewed before anybody has to wait for it.",
    )
    hard_limit_notice: tuple[int, ...] = key(
        ListOf(Duration(1 * HOUR, 1 * YEAR)),
        (30 * DAY, 7 * DAY, 1 * DAY),
        "How long before a consent runs out for good a letter says so.",
        "A month to plan, a week to act, a day for those who did not.",
    )
    quarantine: bool = key(
        Flag(),
        default=False,
        doc="Whether evidence of misuse stops a connection by itself.",
        why="Off: a false alarm would stop a customer's work, and the letter is sent either way.",
    )
    unusual_rate: int = key(
        Whole(1, 1_000_000),
        600,
        "Leases of one connection by one caller in a minute, over which it is told to be unusual.",
        "Ten a second is more than a caller needs that keeps its lease for as long as it is good.",
    )
    keep_events: int = key(
        Duration(1 * DAY, 10 * YEAR),
        400 * DAY,
        "How long the keeper's audit trail is kept.",
        "More than a year, so that the same month of last year can be looked at.",
    )

    @property
    def address(self) -> tuple[str, int]:
        """Split `listen` into host and port."""
        return rules.split_listen(self.listen)


@dataclass(frozen=True, slots=True)
class KeeperClientConfig:
    """One application that you have registered at a provider; NAME is what callers say."""

    provider: str = key(
        Text(64),
        "",
        "The provider's id, as `evergrant keeper provider list` shows it; empty means NAME.",
        "Most people have one application at a provider, and call it as the provider is called.",
    )
    issuer: str = key(
        Matching(rule=rules.require_web_address, wanted="an https:// address"),
        "",
        "Instead of a provider's id: the address of any OpenID Connect or RFC 8414 issuer.",
        "Its own document says everything; a provider's file says what documents leave out.",
    )
    client_id: str = key(
        Text(1024),
        "",
        "The client's id at the provider.",
        "There is no client without one: this one must be given.",
    )
    secret: str = key(
        Text(4096),
        "",
        "The client's secret; better in `secret_file` or in the environment.",
        "Public clients have none.",
        secret=True,
    )
    secret_file: Path | None = key(  # noqa: RUF009  declares a field
        Location(),
        None,
        "A file that holds the secret alone.",
        "Secrets mounted as files are read when the keeper starts.",
    )
    private_key_file: Path | None = key(  # noqa: RUF009  declares a field
        Location(),
        None,
        "A private key in PEM (PKCS #8), where the client proves itself with a signed assertion (RFC 7523).",
        "Few providers ask for it.",
    )
    redirect_uri: str = key(
        Matching(rule=rules.require_web_address, wanted="an https:// address"),
        "",
        "The redirect URI that is registered at the provider; each client has its own. Empty means that of `keeper "
        "serve`, its URL and `/callback/NAME`, and any port of this machine for `keeper connect`.",
        "Only an application that takes its users back itself needs another one.",
    )
    scopes: tuple[str, ...] = key(
        ListOf(Matching(rule=rules.require_scope, wanted="a scope", may_be_empty=False)),
        (),
        "What is asked for when a caller names no scopes.",
        "What an application needs is its own affair.",
    )
    overrides: Mapping[str, Any] | None = key(
        TableOf(),
        None,
        "Facts of the provider that are different for you, in the words of a provider's file.",
        "The file is right for most.",
    )
