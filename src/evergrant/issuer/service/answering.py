"""The members of a token answer, the same for every grant (RFC 6749 section 5.1, refresh-token-expiration draft)."""

from collections.abc import Generator
from typing import Any

from evergrant.domain.client import Client
from evergrant.domain.family import Family
from evergrant.domain.scope import OPENID, join, split
from evergrant.issuer.service.minting import Minter, Target
from evergrant.keys.ring import Ring


def tokens(
    minter: Minter, ring: Ring, client: Client, family: Family, target: Target, now: int,
    *, scope: str, refresh: str | None, extra: dict[str, Any],
) -> Generator[None, None, dict[str, Any]]:  # fmt: skip
    """Access token, ID token when *scope* has openid, refresh token with its remaining seconds when there is one."""
    access = yield from minter.access(ring, client, target, family, now)
    members: dict[str, Any] = {
        "access_token": access.text,
        "token_type": "Bearer",
        "expires_in": access.expires_in,
        "scope": scope,
    }
    if refresh is not None:
        rest = max(family.absolute_end - now, 0)
        members["refresh_token"] = refresh
        members["refresh_token_timeout"] = min(max(family.head.idle_end - now, 0), rest)
        members["authorization_expires_in"] = rest
    if OPENID in split(scope):
        yield
        members["id_token"] = yield from minter.id_token(ring, client, family, now, access.text, extra)
    return members


def still_allowed(scope: str, client: Client) -> str:
    """What is left of a granted scope when the client's registration has shrunk since (attack RT-23)."""
    allowed = client.scopes
    parts = split(scope)
    return scope if all(name in allowed for name in parts) else join([name for name in parts if name in allowed])
