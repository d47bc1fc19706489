"""How fast one may guess, as pure arithmetic; and access tokens that were revoked one by one.

A bucket counts failures of one account, network or browser. The wait grows with each failure and is told to the person;
nobody is held on the line. What must not live here: where the counts are kept (`store`), which buckets a sign-in
touches (`issuer.service.sign_in`).
"""

from dataclasses import dataclass, replace
from typing import NamedTuple


class Pace(NamedTuple):
    """*free* failures cost nothing; then *base* seconds, doubling up to *most*. A quiet *window* forgets everything."""

    free: int
    base: int
    most: int
    window: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """Failures under one key since *since*; no try is taken before *open_at*. *ends_at* is when it may be forgotten."""

    key: str
    failures: int
    since: int
    open_at: int
    ends_at: int


@dataclass(frozen=True, slots=True)
class Barred:
    """One access token revoked before its end, by its jti (RFC 7009)."""

    jti: str
    expires_at: int


def wait(bucket: Bucket | None, now: int) -> int:
    """Seconds until the next try is taken; 0 for now."""
    return 0 if bucket is None or now >= bucket.ends_at else max(0, bucket.open_at - now)


def refunded(bucket: Bucket, now: int) -> Bucket:
    """The bucket without the failure it was charged last, because that try was never judged."""
    return replace(bucket, failures=max(bucket.failures - 1, 0), open_at=min(bucket.open_at, now))


def failed(key: str, bucket: Bucket | None, pace: Pace, now: int) -> Bucket:
    """The bucket after one more failure."""
    count = 1 if bucket is None or now >= bucket.ends_at else bucket.failures + 1
    over = count - pace.free
    delay = 0 if over <= 0 else min(pace.base << min(over - 1, 30), pace.most)
    since = now if count == 1 or bucket is None else bucket.since
    return Bucket(key, count, since, now + delay, now + max(delay, pace.window))
