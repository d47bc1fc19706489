"""A lease: one job at a time across processes and hosts, with a fence for whoever wakes up late (attack O-18).

Pure: who has it, who may take it. The instants are the store's own (`Tx.now`), because the clocks of hosts differ.
What must not live here: what the job is.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lease:
    """*owner* may do the job *name* until *until*. *fence* grows whenever it goes to somebody else."""

    name: str
    owner: str
    fence: int
    until: int


def taken(held: Lease | None, name: str, owner: str, now: int, seconds: int) -> Lease | None:
    """The lease as *owner* holds it from *now* on; None while it is somebody else's.

    An end further away than a lease is long was written by a clock that has been put back since, and binds nobody.
    """
    if held is None:
        return Lease(name, owner, 1, now + seconds)
    if held.owner == owner:
        return Lease(name, owner, held.fence, now + seconds)
    if now < held.until <= now + seconds:
        return None
    return Lease(name, owner, held.fence + 1, now + seconds)


def kept(held: Lease | None, mine: Lease, now: int, seconds: int) -> Lease | None:
    """*mine*, prolonged; None when it went to somebody else meanwhile. Nobody took it: late is still in time."""
    if held is None or (held.owner, held.fence) != (mine.owner, mine.fence):
        return None
    return Lease(mine.name, mine.owner, mine.fence, now + seconds)
