"""A token family: one authorization of one client on one device, in one row for ever.

What lives here: the row as a value. `Family` is what never changes after birth; `Head` is what a refresh changes.
What must not: deciding anything (`domain.rotation`), making tokens (`domain.token`).
Tuples rather than dataclasses: a refresh builds them thousands of times a second straight from a row.
"""

from typing import NamedTuple

from evergrant.domain.reason import Reason


class Head(NamedTuple):
    """The changing part. Digests are SHA-256 of the token's secret part; times in seconds since the epoch.

    *sealed* is the current head, encrypted under a key that only the holder of its predecessor can derive.
    *overlap_end* is fixed when the predecessor is spent and never moved; *repeats* counts how often it came again.
    *epoch* is the one in which this was last written by a refresh (`domain.epoch`).
    """

    generation: int
    digest: bytes
    predecessor: bytes | None
    spent_at: int
    overlap_end: int
    sealed: bytes | None
    repeats: int
    idle_end: int
    used_at: int
    network: str
    agent: str
    epoch: int = 0


class Ended(NamedTuple):
    """When and why a family ended."""

    at: int
    reason: Reason


class Family(NamedTuple):
    """One family. *scope* and *resources* are normal forms (`domain.scope`); *session_id* is kept for offline ones too.

    *online* families end with their session. *binding* is empty or names the key every refresh must prove.
    *claims* is the OpenID Connect claims request as it was consented to, JSON, or empty.
    """

    id: bytes
    client_id: str
    account_id: str
    grant_id: str
    session_id: str
    online: bool
    scope: str
    resources: str
    binding: str
    auth_time: int
    acr: str
    amr: str
    claims: str
    label: str
    started_at: int
    absolute_end: int
    head: Head
    ended: Ended | None = None
