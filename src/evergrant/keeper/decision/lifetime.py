"""How long an access token lives, from whatever a reply says (RFC 6749 section 5.1), or from what else is known.

Ends count from when the request was sent: the provider's own count began later, so this is never too late. A
provider's clock matters only where it names an instant, and there its `Date` header takes its error away.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from evergrant.domain.base64url import decode
from evergrant.keeper.connection import Origin
from evergrant.keeper.decision.body import Members, at, number
from evergrant.keeper.provider.model import Provider, Reply

ASSUMED: Final = 3_600
"""Seconds a token is taken to live when nobody says; `Origin.UNKNOWN` stands beside it."""
LONGEST: Final = 10 * 366 * 86_400
"""More than this many seconds is a slip, not a lifetime."""
JWS_PARTS: Final = 3
_INSTANTS: Final = ("expires_at", "expires", "expiresAt", "expiry")


def end_of(
    found: Members, reply: Reply, provider: Provider, access: str, *, sent_at: int, date: int
) -> tuple[int, Origin]:
    """When the access token ends, and how that is known. (0, NEVER) when it does not end by age."""
    skew = date - sent_at if date else 0
    seconds = _said(found, reply, sent_at, skew)
    if seconds:
        return sent_at + seconds, Origin.PROVIDER
    if provider.access_lifetime == 0:
        return 0, Origin.NEVER
    seconds = _of_jwt(access, sent_at, skew)
    if seconds:
        return sent_at + seconds, Origin.JWT
    if provider.access_lifetime:
        return sent_at + provider.access_lifetime, Origin.CATALOG
    return sent_at + ASSUMED, Origin.UNKNOWN


def seconds_at(found: Members, path: str) -> int:
    """A duration at *path*, 0 when there is none that can be one."""
    value = number(at(found, path)) if path else None
    return int(value) if value is not None and 1 <= value <= LONGEST else 0


def _said(found: Members, reply: Reply, sent_at: int, skew: int) -> int:
    value = number(at(found, reply.expires_in)) if reply.expires_in else None
    if value is not None:
        seconds = value / 1_000 if reply.expires_in_unit == "ms" else value
        return _duration(seconds) or _until(value, sent_at, skew)
    prefix = reply.expires_in.rpartition(".")[0]
    for name in _INSTANTS:
        seconds = _until(_instant(at(found, f"{prefix}.{name}" if prefix else name)), sent_at, skew)
        if seconds:
            return seconds
    return 0


def _duration(seconds: float) -> int:
    return int(seconds) if 1 <= seconds <= LONGEST else 0


def _until(instant: float | None, sent_at: int, skew: int) -> int:
    """Seconds from the request to an instant, in seconds or milliseconds; 0 when it is not in the next ten years."""
    if instant is None:
        return 0
    return _duration(instant - skew - sent_at) or _duration(instant / 1_000 - skew - sent_at)


def _instant(value: object) -> float | None:
    read = number(value)
    if read is not None or not isinstance(value, str):
        return read
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def claims_of(token: str) -> Mapping[str, Any]:
    """The claims of a JWS, unverified, and empty for anything else (RFC 7519)."""
    parts = token.split(".")
    if len(parts) != JWS_PARTS:
        return {}
    try:
        claims = json.loads(decode(parts[1]))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _of_jwt(access: str, sent_at: int, skew: int) -> int:
    claims = claims_of(access)
    end, start = number(claims.get("exp")), number(claims.get("iat"))
    if end is None:
        return 0
    return _duration(end - start) if start is not None else _duration(end - skew - sent_at)
