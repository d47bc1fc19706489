"""What every vault compares before it writes, and what it merges: pure, so that all vaults answer alike.

What lives here: claims against a clock, intents against late replies, notes against newer notes. What must not: how
anything is stored, or whether a token should be spent.
"""

from dataclasses import replace
from math import ceil
from typing import Final, NamedTuple

from evergrant.keeper.connection import Claim, Connection, Health, Intent, Record, Step
from evergrant.keeper.vault.port import Change, Fenced, VaultUnavailable

INTENT_REST: Final = 3_600
"""Seconds that a closed intent stays after its deadline: a reply that comes later than that comes from nowhere."""
RETURN: Final = 10
"""Seconds in which whoever holds an answer notices that the vault is back."""
ABANDONED_REST: Final = 86_400
"""Seconds after which a connection that nobody ever came back for goes, once no callback is awaited for it."""
REFRESHED: Final = (Health.ACTIVE, Health.DEGRADED)
"""The healths in which a record can fall due."""


class Held(NamedTuple):
    """A claim as it is stored. *length* is how long it had to live when it was last prolonged, in seconds."""

    owner: str
    fence: int
    until: int
    length: int

    @property
    def released(self) -> bool:
        return not self.owner

    def is_of(self, claim: Claim) -> bool:
        """Whether *claim* is the latest of its record, live or not, and was not released."""
        return not self.released and (self.owner, self.fence) == (claim.owner, claim.fence)

    def live(self, now: float) -> bool:
        return not self.released and self.until > now


def abandoned(connection: Connection, before: int) -> bool:
    """Whether it was begun before *before* and never stood. What it is a part of is for the vault to see."""
    begun = connection.health is Health.PENDING_CONSENT and connection.version == 0
    return begun and 0 < connection.created_at < before


def held(owner: str, fence: int, now: float, seconds: float) -> Held:
    """A new claim. It ends at a whole second, and never before *seconds* are over."""
    until = ceil(now + seconds)
    return Held(owner, fence, until, ceil(until - now))


def capped(stored: Held, now: float) -> Held:
    """The claim as a rival should see it: one whose end is further off than it ever was has met a clock set back.

    It is given its full length once more from now, which is never less than it really had.
    """
    if stored.until - now > stored.length + 1:
        return stored._replace(until=ceil(now + stored.length))
    return stored


def after_outage(stored: Held, back_at: float) -> Held:
    """The claim as a rival should see it that saw the vault come back at *back_at*; 0 when it never was away.

    While a vault is away nobody can prolong a claim or journal an answer. Whoever held one then, and has not been
    able to do so since, is given its full length and `RETURN` once more from the moment the vault was there again.
    """
    if not back_at or stored.released or stored.until - stored.length >= back_at:
        return stored
    return stored._replace(until=max(stored.until, ceil(back_at + stored.length + RETURN)))


def announced(now: float, seconds: float) -> int:
    """Until when a vault gives out no new claim, being about to be left; 0 when *seconds* is 0."""
    return ceil(now + seconds) if seconds else 0


def refuse_leaving(until: int, now: float) -> None:
    """Raise `VaultUnavailable` while the vault is about to be left."""
    if until > now:
        msg = "the vault is being moved; nothing new is begun in it"
        raise VaultUnavailable(msg)


def prolonged(stored: Held, now: float, seconds: float) -> Held:
    """The claim with *seconds* to live from now, or more if it had more."""
    until = max(capped(stored, now).until, ceil(now + seconds))
    return stored._replace(until=until, length=max(ceil(until - now), 1))


def released(stored: Held) -> Held:
    """Nobody's, with its fence kept."""
    return stored._replace(owner="", until=0)


def refuse_unseen(stored: Intent, noted_by: int, change: Change) -> None:
    """Raise `Fenced` when *change* would overwrite an intent with a reply that its author has not seen.

    *noted_by* is the fence under which the stored intent was last written: its author knows what it journalled itself.
    """
    if change.intent is None or stored.step is not Step.ANSWERED:
        return
    own = change.claim is not None and change.claim.fence == noted_by
    if not own and change.intent.answered_at < stored.answered_at:
        msg = f"intent {stored.id} was answered meanwhile"
        raise Fenced(msg)


def answered(stored: Intent, reply: bytes, at: int, *, standing: bool) -> Intent:
    """The intent with one more reply. *standing*: its record has not moved on, and no other intent is open.

    The same reply again is one that was not acknowledged the first time: it is noted once.
    """
    step = Step.CLOSED if stored.step is Step.CLOSED and not standing else Step.ANSWERED
    earlier = (*stored.earlier, stored.reply) if stored.reply not in {b"", reply} else stored.earlier
    return replace(stored, step=step, reply=reply, earlier=earlier, answered_at=max(at, stored.answered_at))


def kept(stored: Record | None, record: Record) -> Record:
    """The record to write: a use that was noted meanwhile is not forgotten."""
    if stored is not None and stored.used_at > record.used_at:
        return replace(record, used_at=stored.used_at)
    return record


def due_at(record: Record) -> int:
    """When the record falls due: the nearest end that is known; 0 for never."""
    if not record.refresh_token:
        return 0
    return min((end for end in (record.expires_at, record.refresh_idle_end) if end), default=0)
