"""Keys about what is issued: signing keys, lifetimes, audiences, and what a reuse ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evergrant.config import rules
from evergrant.config.key import DAY, HOUR, MINUTE, YEAR, key
from evergrant.config.kinds import Choice, Flag, Key32, ListOf, Location, Matching
from evergrant.config.numbers import Duration


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
    key_encryption_key_file: Path | None = key(  # noqa: RUF009  declares a field
        Location(),
        None,
        "The file that holds the key-encryption key in base64; empty means `key-encryption-key` in the data directory.",
        "Secrets mounted as files live elsewhere than the database, as they should.",
    )
    publish_before: int = key(
        Duration(0, 7 * DAY),
        1 * HOUR,
        "How long a new signing key is published before anything is signed with it.",
        "Longer than common libraries keep a key set without asking again (5 to 15 minutes), with room to spare.",
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
        Choice(("ES256", "RS256", "PS256", "Ed25519")),
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
    dpop_nonce: bool = key(
        Flag(),
        default=False,
        doc="Whether every DPoP proof must hold a nonce of this server, which the client then asks for first.",
        why="Off, because it costs one more request now and then; on, nobody can make proofs ahead of time with a key "
        "that is held for a moment.",
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
        "A scope that a resource lists is left out of tokens for others; one that nobody lists goes into all of them.",
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
        default=False,
        doc="Whether a reuse is only recorded and refused, without ending anything.",
        why="Off, because a theft that ends nothing goes on; switch it on while moving in from another issuer.",
    )
