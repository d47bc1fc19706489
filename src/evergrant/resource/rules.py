"""What one API accepts: the rules of a verifier as one value, with what each is for."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from evergrant.fetch.address import check_address
from evergrant.keys.checking import ALGORITHMS
from evergrant.resource.shape import RFC9068, Shape

LEEWAY: Final = 10
"""Seconds by which clocks may differ. The only leeway there is: it moves `exp`, `nbf`, `iat` and `auth_time` alike."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How tokens are judged. Made with `rules`, which checks them."""

    issuer: str
    audience: frozenset[str]
    shape: Shape = RFC9068
    algorithms: tuple[str, ...] = ALGORITHMS
    sole_audience: bool = False
    """Refuse tokens that are for anybody else as well (RFC 8707 section 2.2)."""
    leeway: int = LEEWAY


def rules(
    issuer: str,
    audience: str | Iterable[str],
    shape: Shape = RFC9068,
    algorithms: Iterable[str] = ALGORITHMS,
    *,
    sole_audience: bool = False,
    leeway: int = LEEWAY,
) -> Rules:
    """Checked rules. Raises `ValueError` with what is wrong; nothing is accepted by leaving something out."""
    named = frozenset([audience] if isinstance(audience, str) else audience)
    allowed = tuple(algorithms)
    if not issuer or not named or not all(named):
        raise ValueError("an issuer and an audience are needed: a token for somebody else is never good")
    try:
        check_address(issuer)
    except ValueError as error:
        raise ValueError(f"the issuer's address {error}") from error
    if not allowed or not set(allowed) <= set(ALGORITHMS):
        raise ValueError(f"algorithms must be some of {', '.join(ALGORITHMS)}")
    if leeway < 0:
        raise ValueError("leeway cannot be negative")
    return Rules(issuer, named, shape, allowed, sole_audience, leeway)
