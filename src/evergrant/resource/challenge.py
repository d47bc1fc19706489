"""The exact text of a challenge (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9470 section 3, RFC 9728 section 5.1).

Every attribute occurs once, and none reflects what the caller sent.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_UNQUOTABLE: Final = re.compile(r"[^\x20-\x7e]")
_DPOP_ERRORS: Final = frozenset({"invalid_dpop_proof", "use_dpop_nonce"})


@dataclass(frozen=True, slots=True)
class Offer:
    """What a challenge says of the API whatever the mistake: fixed when the verifier is made."""

    bearer: bool = True
    dpop_algorithms: tuple[str, ...] = ()
    """Those taken in proofs; empty when DPoP is not offered."""
    realm: str = ""
    resource_metadata: str = ""
    scopes: tuple[str, ...] = ()
    """Told to whoever brings no token, so that a client knows what to ask for."""


def challenges(
    offer: Offer, error: str, scopes: Iterable[str] = (), acr: Iterable[str] = (), max_age: int | None = None
) -> tuple[str, ...]:
    """One value per scheme that could help; the schemes of one answer carry the same error."""
    dpop_only = error in _DPOP_ERRORS
    attributes = _attributes(offer, error, sorted(scopes) or ([] if error else list(offer.scopes)), acr, max_age)
    found = []
    if offer.bearer and not dpop_only:
        found.append(_written("Bearer", attributes))
    if offer.dpop_algorithms or dpop_only:
        algorithms = [("algs", " ".join(offer.dpop_algorithms))] if offer.dpop_algorithms else []
        found.append(_written("DPoP", [*attributes, *algorithms]))
    return tuple(found) or (_written("Bearer", attributes),)


def _attributes(
    offer: Offer, error: str, scopes: list[str], acr: Iterable[str], max_age: int | None
) -> list[tuple[str, str]]:
    said = [
        ("realm", offer.realm),
        ("error", error),
        ("scope", " ".join(scopes)),
        ("acr_values", " ".join(acr)),
        ("max_age", "" if max_age is None else str(max_age)),
        ("resource_metadata", offer.resource_metadata),
    ]
    return [(name, value) for name, value in said if value]


def _written(scheme: str, attributes: list[tuple[str, str]]) -> str:
    shown = ", ".join(f'{name}="{_quoted(value)}"' for name, value in attributes)
    return f"{scheme} {shown}" if shown else scheme


def _quoted(value: str) -> str:
    return _UNQUOTABLE.sub("", value).replace("\\", "\\\\").replace('"', '\\"')
