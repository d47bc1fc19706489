"""The members of a token answer, the same for every grant (RFC 6749 section 5.1, refresh-token-expiration draft)."""

from collections.abc import Generator
from typing import Any

from evergrant.domain.binding import confirmation, token_type
from evergrant.domain.client import Client
from evergrant.domain.family import Family
from evergrant.issuer.service.minting import Minter, Target
from evergrant.keys.ring import Ring


def tokens(
    minter: Minter, ring: Ring, client: Client, family: Family, target: Target, now: int,
    *, refresh: str | None, extra: dict[str, Any], unique: bytes = b"", binding: str = "",
) -> Generator[None, None, dict[str, Any]]:  # fmt: skip
    """Access token, ID token when openid is granted, refresh token with its remaining seconds when there is one.

    *binding*: what the access token is bound to, empty for nothing.
    """
    more = {"cnf": confirmation(binding)} if binding else None
    access = yield from minter.access(ring, client, target, family, now, unique, more)
    members: dict[str, Any] = {
        "access_token": access.text,
        "token_type": token_type(binding),
        "expires_in": access.expires_in,
        "scope": access.scope,
    }
    if refresh is not None:
        rest = max(family.absolute_end - now, 0)
        members["refresh_token"] = refresh
        members["refresh_token_timeout"] = min(max(family.head.idle_end - now, 0), rest)
        members["authorization_expires_in"] = rest
    if target.openid:
        yield
        members["id_token"] = yield from minter.id_token(ring, client, family, now, access.text, extra)
    return members
