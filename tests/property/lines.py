"""What ought to happen, said a second time and more simply: one family as its clients know it.

What lives here: the expectation against which the stores are held. It knows generations, ends and instants and nothing
of rows, digests or sealing; it was written from the decision table, not from `evergrant.domain.rotation`.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from evergrant.domain.client import Client
from evergrant.domain.family import Family
from evergrant.domain.policy import Limits, Policy, Preset, Radius
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.rotation import Verdict
from evergrant.domain.secret import Secret
from evergrant.testing import specimens

DAY: Final = specimens.DAY
KEY: Final = "jkt:the-holders"


class Kind(NamedTuple):
    """A client and how its families turn."""

    client: Client
    policy: Policy
    binding: str


def _kind(preset: Preset, radius: Radius, binding: str = "") -> Kind:
    client = specimens.client(preset, preset=preset, idle_lifetime=7 * DAY, overlap=None)
    return Kind(client, client.policy(Limits(radius=radius, session_idle=3 * DAY)), binding)


KINDS: Final = (
    _kind(Preset.PUBLIC, Radius.FAMILY),
    _kind(Preset.CONFIDENTIAL, Radius.SESSION),
    _kind(Preset.FAPI2, Radius.FAMILY, KEY),
    _kind(Preset.MCP, Radius.CLIENT),
    _kind(Preset.PUBLIC, Radius.USER, KEY),
)


class Facts(NamedTuple):
    """How a token is presented: by whom, proving what, asking for what."""

    own_client: bool = True
    own_key: bool = True
    own_scope: bool = True
    own_resource: bool = True


@dataclass
class Line:
    """One family. `tokens[g]` is the text of generation g, as far as anybody was ever given it."""

    born: Family
    kind: Kind
    tokens: list[Secret]
    idle_end: int
    overlap_end: int = 0
    repeatable: bool = False
    ended: Reason | None = None
    stolen: bool = False
    deleted: bool = False
    copies: list[int] = field(default_factory=lambda: [0, 0])
    thief: int = -1

    @property
    def generation(self) -> int:
        return len(self.tokens) - 1

    def in_time(self, generation: int, now: int) -> bool:
        """Whether an honest client may present this generation now: the head, or its predecessor inside the overlap."""
        if generation == self.generation:
            return True
        return generation == self.generation - 1 and self.repeatable and now <= self.overlap_end

    def expect(self, generation: int, facts: Facts, now: int) -> tuple[Verdict, Refusal | None]:
        """What presenting a generation must answer; nothing is changed."""
        refusal = self._refusal(facts)
        if refusal is not None:
            return Verdict.REFUSE, refusal
        if generation > self.generation:
            return Verdict.REFUSE, Refusal.AHEAD
        if now >= self.idle_end or now >= self.born.absolute_end:
            return Verdict.REFUSE, Refusal.EXPIRED
        if not self.in_time(generation, now):
            return Verdict.REUSE, Refusal.REUSED
        if not facts.own_scope:
            return Verdict.REFUSE, Refusal.SCOPE
        if not facts.own_resource:
            return Verdict.REFUSE, Refusal.TARGET
        if generation < self.generation:
            return Verdict.REPEAT, None
        return (Verdict.ROTATE if self.kind.policy.rotate else Verdict.REFRESH), None

    def _refusal(self, facts: Facts) -> Refusal | None:
        if self.deleted:
            return Refusal.UNKNOWN
        if not facts.own_client:
            return Refusal.WRONG_CLIENT
        if self.kind.binding and not facts.own_key:
            return Refusal.WRONG_KEY
        return Refusal.ENDED if self.ended is not None else None

    def apply(self, verdict: Verdict, refusal: Refusal | None, token: Secret | None, now: int) -> None:
        """Take in what happened."""
        policy = self.kind.policy
        if verdict is Verdict.ROTATE:
            assert token is not None
            self.tokens.append(token)
            overlap = policy.bound_overlap if self.kind.binding else policy.overlap
            self.overlap_end, self.repeatable = now + overlap, True
        if verdict in {Verdict.ROTATE, Verdict.REFRESH}:
            idle = policy.online_idle if self.born.online else policy.idle_lifetime
            self.idle_end = min(now + idle, self.born.absolute_end)
        if refusal is Refusal.EXPIRED:
            self.end(Reason.ABSOLUTE if now >= self.born.absolute_end else Reason.IDLE)
        if verdict is Verdict.REUSE:
            self.end(Reason.REUSE)

    def end(self, reason: Reason) -> bool:
        """End it, unless it has ended; whether it did."""
        if self.ended is not None or self.deleted:
            return False
        self.ended, self.repeatable = reason, False
        return True

    def sweep(self, now: int, keep: int) -> None:
        """What housekeeping does to it."""
        if self.deleted:
            return
        if self.born.absolute_end + keep < now:
            self.deleted, self.repeatable = True, False
            return
        if now >= self.born.absolute_end:
            self.end(Reason.ABSOLUTE)
        elif now >= self.idle_end:
            self.end(Reason.IDLE)
        if now > self.overlap_end:
            self.repeatable = False

    def within(self, other: "Line", radius: Radius) -> bool:
        """Whether *other* lies within the blast radius of this one."""
        mine, theirs = self.born, other.born
        same = {
            Radius.FAMILY: other is self,
            Radius.SESSION: mine.session_id == theirs.session_id,
            Radius.CLIENT: (mine.account_id, mine.client_id) == (theirs.account_id, theirs.client_id),
            Radius.USER: mine.account_id == theirs.account_id,
        }
        return same[radius]
