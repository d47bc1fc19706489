"""Turning a grant into tokens: access tokens (RFC 9068, or opaque) and ID tokens (OpenID Connect Core section 2).

Nothing is stored: an access token names its family, and whoever asks about it asks the family. So ending a family ends
every access token ever minted from it.
"""

from collections.abc import Generator, Mapping
from hashlib import sha256, sha512
from typing import Any, Final, NamedTuple

from msgspec import DecodeError, json

from evergrant.domain import base64url
from evergrant.domain import id as ids
from evergrant.domain.client import Client
from evergrant.domain.family import Family
from evergrant.domain.scope import OPENID, join, split
from evergrant.domain.token import ACCESS
from evergrant.entropy import Entropy
from evergrant.issuer.settings import Resource, Settings
from evergrant.keys.ring import NONCE_LENGTH, Ring
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.resource import canonical

JTI_LENGTH: Final = 16
MOST_TARGETS: Final = 10_000
AT_JWT: Final = "at+jwt"
ID_JWT: Final = "JWT"


class Target(NamedTuple):
    """Where an access token goes, whether opaque, its seconds, and whether an ID token goes with it.

    *granted* is what the client may still have of the scope, *scope* the part of it that means something there.
    """

    audience: tuple[str, ...]
    opaque: bool
    lifetime: int
    granted: str
    scope: str
    openid: bool


class Minted(NamedTuple):
    """An access token and what the answer says about it."""

    text: str
    expires_in: int
    scope: str


def target_of(settings: Settings, client: Client, scope: str, resources: str) -> Target:
    """What an access token for *scope* at *resources* looks like.

    Raises `Refused` when the client may have nothing of it any more, or when the resources disagree.
    """
    granted = still_allowed(scope, client)
    if scope and not granted:
        raise Refused(Code.INVALID_SCOPE, "Nothing of that scope is open to this client any more.")
    return aimed(settings, client, granted, _named(settings, client, resources))


def aimed(settings: Settings, client: Client, granted: str, named: list[Resource]) -> Target:
    """What an access token of *client* for all of *granted* looks like at *named* resources. Raises `Refused`."""
    if len({item.opaque for item in named}) > 1:
        raise Refused(Code.INVALID_TARGET, "These resources take different kinds of token; ask for them one by one.")
    audience, openid = tuple(item.identifier for item in named), OPENID in split(granted)
    if openid:
        audience = (*audience, f"{settings.issuer}/userinfo")
    lifetimes = [item.lifetime or settings.limits.access_lifetime for item in named]
    if client.access_lifetime:
        lifetimes = [min(client.access_lifetime, item.lifetime or client.access_lifetime) for item in named]
    scope = _narrowed(granted, named, settings)
    return Target(audience, named[0].opaque, min(lifetimes), granted, scope, openid)


def still_allowed(scope: str, client: Client) -> str:
    """What is left of a granted scope when the client's registration has shrunk since (attack RT-23)."""
    return join([name for name in split(scope) if name in client.scopes])


def _named(settings: Settings, client: Client, resources: str) -> list[Resource]:
    """The resources of a token: those of a grant that are still open to the client, or those it gets unasked."""
    own = {canonical(uri) for uri in client.resources}
    default = canonical(settings.default_resource)
    unasked = own if own and default not in own else {default}
    wanted = split(resources) or sorted(unasked)
    named = [settings.resources[uri] for uri in wanted if uri in settings.resources and (not own or uri in own)]
    if not named:
        # Falling back to another audience would reach a place that nobody agreed to (RFC 9700 section 4.14.2).
        raise Refused(Code.INVALID_TARGET, "None of these resources is open to this client any more.")
    return named


def _narrowed(scope: str, named: list[Resource], settings: Settings) -> str:
    """Scopes that belong to other resources are left out of the token (RFC 8707 section 2)."""
    here = {name for item in named for name in item.scopes}
    elsewhere = {name for item in settings.resources.values() for name in item.scopes} - here
    return join([name for name in split(scope) if name not in elsewhere])


class Minter:
    """Mints under one ring at one instant's request. What it remembers follows from the registration alone."""

    def __init__(self, settings: Settings, entropy: Entropy) -> None:
        self._settings, self._entropy = settings, entropy
        self._targets: dict[tuple[str, str, str], tuple[Client, Target]] = {}

    def target(self, client: Client, scope: str, resources: str) -> Target:
        """As `target_of`, worked out once per registration and request shape. Raises `Refused` as it does."""
        key = (client.id, scope, resources)
        known = self._targets.get(key)
        # The very object: a changed registration is another one, and what was worked out for the old one is void.
        if known is not None and known[0] is client:
            return known[1]
        target = target_of(self._settings, client, scope, resources)
        if len(self._targets) >= MOST_TARGETS:
            self._targets.clear()
        self._targets[key] = (client, target)
        return target

    def access(
        self, ring: Ring, client: Client, target: Target, family: Family | None, now: int, unique: bytes = b"",
        more: Mapping[str, Any] | None = None, until: int = 0,
    ) -> Generator[None, None, Minted]:  # fmt: skip
        """An access token for a family, or for the client itself when there is none (RFC 9068 section 2.2).

        In two steps, so that the signatures of one commit are made in a row. *unique*: 16 random bytes for its `jti`,
        when the caller has drawn them with others. *more*: further claims; *until*: an end it may not outlive.
        """
        lifetime = target.lifetime
        if family is not None:
            # Ends by expiry are told to nobody, so nothing may outlive them (see `evergrant.domain.ending`).
            lifetime = min(lifetime, max(min(family.absolute_end, family.head.idle_end) - now, 1))
        if until:
            lifetime = min(lifetime, until - now)
        audience: Any = target.audience[0] if len(target.audience) == 1 else target.audience
        claims: dict[str, Any] = {
            "iss": self._settings.issuer,
            "sub": client.id if family is None else family.account_id,
            "aud": audience,
            "client_id": client.id,
            "iat": now,
            "exp": now + lifetime,
            "jti": base64url.encode(unique or self._entropy.draw(JTI_LENGTH)).decode("ascii"),
            "scope": target.scope,
        }
        if family is not None:
            claims["auth_time"] = family.auth_time
            claims["acr"] = family.acr
            claims["fam"] = ids.text(ids.Kind.FAMILY, family.id)
            if family.session_id:
                claims["sid"] = family.session_id
        if more:
            claims.update(more)
        if target.opaque:
            return Minted(self._opaque(ring, claims, now), lifetime, target.scope)
        signer = ring.signer(client.access_token_alg, now)
        message = signer.message(AT_JWT, json.encode(claims))
        yield
        return Minted(signer.signed(message), lifetime, target.scope)

    def _opaque(self, ring: Ring, claims: dict[str, Any], now: int) -> str:
        version = ring.mac_version(now)
        body = ring.seal_opaque(json.encode(claims), self._entropy.draw(NONCE_LENGTH), version)
        return ACCESS + base64url.encode(body).decode("ascii")

    def id_token(
        self, ring: Ring, client: Client, family: Family, now: int, access: str, extra: dict[str, Any]
    ) -> Generator[None, None, str]:
        """An ID token; *extra* holds the nonce on first issue and claims asked for by name (Core sections 2, 12.2)."""
        claims: dict[str, Any] = {
            "iss": self._settings.issuer,
            "sub": family.account_id,
            "aud": client.id,
            "iat": now,
            "exp": now + self._settings.id_token_lifetime,
            "auth_time": family.auth_time,
            "acr": family.acr,
            "amr": split(family.amr),
            "at_hash": _half_hash(client.id_token_alg, access),
        }
        if family.session_id:
            claims["sid"] = family.session_id
        claims.update(extra)
        signer = ring.signer(client.id_token_alg, now)
        message = signer.message(ID_JWT, json.encode(claims))
        yield
        return signer.signed(message)


def _half_hash(alg: str, text: str) -> str:
    """The left half of the hash that belongs to *alg* (Core section 3.1.3.6; Ed25519 hashes with SHA-512)."""
    hashed = (sha512 if alg == "Ed25519" else sha256)(text.encode("ascii")).digest()
    return base64url.encode(hashed[: len(hashed) // 2]).decode("ascii")


def read_access(ring: Ring, text: str) -> dict[str, Any] | None:
    """The claims of one of our access tokens, of either kind, or None. Times and family are the caller's to check."""
    if not text.startswith(ACCESS):
        return ring.verify(text, AT_JWT)
    try:
        body = base64url.decode(text[len(ACCESS) :])
        clear = ring.open_opaque(body)
        claims = None if clear is None else json.decode(clear)
    except (ValueError, DecodeError):
        return None
    return claims if isinstance(claims, dict) else None
