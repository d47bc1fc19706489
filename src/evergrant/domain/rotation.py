"""The heart: what presenting a refresh token does to its family.

One pure, synchronous function and nothing else. It takes values and returns a `Settlement`; the store applies it in the
transaction that loaded the row. Called twice with the same values it answers the same, so a store may run it again.
The order of the checks is the promise: whatever can be refused is refused before anything is spent.
"""

from enum import StrEnum
from hmac import compare_digest
from typing import Final, NamedTuple

from evergrant.domain import id as ids
from evergrant.domain.epoch import Epoch
from evergrant.domain.event import Event, What
from evergrant.domain.family import Ended, Family, Head
from evergrant.domain.policy import Policy, Radius
from evergrant.domain.reason import Reason, Refusal
from evergrant.domain.scope import within
from evergrant.domain.session import Notice, Party


class Verdict(StrEnum):
    """What became of a presentation."""

    ROTATE = "rotate"
    REFRESH = "refresh"
    REPEAT = "repeat"
    REFUSE = "refuse"
    REUSE = "reuse"


class Presented(NamedTuple):
    """An authentic token, taken apart: its MAC has been verified, nothing else."""

    family_id: bytes
    generation: int
    digest: bytes


class Ask(NamedTuple):
    """The facts of one refresh request. *scope* and *resources* are normal forms, empty for all that was granted.

    *binding*: what it proves (`domain.binding`), empty for nothing.
    *clock_lead*: by how many seconds the clock may have jumped ahead of the one that wrote the row.
    *authenticated*: the client has proved who it is. *epoch*: the store's, as this process knows it.
    """

    client_id: str
    binding: str = ""
    scope: str = ""
    resources: str = ""
    network: str = ""
    agent: str = ""
    clock_suspect: bool = False
    clock_lead: int = 0
    authenticated: bool = False
    epoch: Epoch = Epoch()


class Successor(NamedTuple):
    """The next head, drawn before the transaction: its digest, and itself sealed under the presented token."""

    digest: bytes
    sealed: bytes


class Settlement(NamedTuple):
    """A decision and its whole effect.

    *head* replaces the stored one when given. *ended* closes the family; *radius* widens that end beyond the family.
    *events* and *notice* are written in the same transaction. *refusal* says why nothing was handed out.
    """

    verdict: Verdict
    family: Family | None
    head: Head | None = None
    ended: Ended | None = None
    radius: Radius = Radius.FAMILY
    events: tuple[Event, ...] = ()
    refusal: Refusal | None = None
    notice: Notice | None = None


def decide(
    family: Family | None, presented: Presented, ask: Ask, successor: Successor, policy: Policy, now: int
) -> Settlement:
    """Say what presenting *presented* does to *family*. Pure; may be called again on conflict (RFC 9700 4.14.2)."""
    if family is None:
        return Settlement(Verdict.REFUSE, None, refusal=Refusal.UNKNOWN)
    if family.client_id != ask.client_id:
        return _refuse(family, ask, Refusal.WRONG_CLIENT, now, presented)
    if family.binding and family.binding != ask.binding:
        return _refuse(family, ask, Refusal.WRONG_KEY, now, presented)
    if family.ended is not None:
        return _refuse(family, ask, Refusal.ENDED, now, presented, family.ended.reason)
    head = family.head
    behind = head.generation - presented.generation
    known = head.digest if behind == 0 else head.predecessor if behind == 1 else None
    differs = known is not None and not compare_digest(known, presented.digest)
    doubtful = behind < 0 or differs or head.epoch < ask.epoch.restored
    if doubtful and (lost := _lost(family, ask, presented, now, behind=behind, differs=differs)) is not None:
        return lost
    if now >= family.absolute_end or now >= head.idle_end:
        return _expire(family, ask, now, presented)
    # Attack O-09: the overlap is as long as it was promised, however far the clock was put ahead meanwhile.
    repeatable = behind == 1 and head.sealed is not None and now - ask.clock_lead <= head.overlap_end
    if behind > 0 and not repeatable:
        return _reuse(family, presented, ask, policy, now)
    if not within(ask.scope, family.scope):
        return _refuse(family, ask, Refusal.SCOPE, now, presented)
    if not within(ask.resources, family.resources):
        return _refuse(family, ask, Refusal.TARGET, now, presented)
    if behind > 0:
        return _repeat(family, ask, policy, now)
    if behind < 0:
        return _adopt(family, presented, ask, successor, policy, now)
    return _go_on(family, ask, successor, policy, now)


def _lost(family: Family, ask: Ask, presented: Presented, now: int, *, behind: int, differs: bool) -> Settlement | None:
    """What becomes of a token that says that the store forgot, or of a family from before it did; None: it goes on.

    Whoever proves a key or a secret cannot be a thief with a spent token alone, so is believed. Nobody else is: what
    they present may have been spent, and the rotation that tells forgotten (attacks O-03, O-13). No theft either way.
    """
    head, proved = family.head, ask.authenticated or bool(family.binding)
    if head.epoch < ask.epoch.restored and not proved:
        return _restored(family, ask, now, presented)
    if behind < 0 and head.epoch < ask.epoch.number:
        return None if proved else _restored(family, ask, now, presented)
    if behind < 0:
        return _refuse(family, ask, Refusal.AHEAD, now, presented)
    if differs and head.epoch and not proved:
        # The lost successor of a token that was presented again after the loss: two hold this family.
        return _restored(family, ask, now, presented)
    return _refuse(family, ask, Refusal.FORGED, now, presented) if differs else None


def _restored(family: Family, ask: Ask, now: int, presented: Presented) -> Settlement:
    event = _event(What.FAMILY_ENDED, family, ask, now, presented.generation)
    event = event._replace(reason=Reason.RESTORED, detail=_short(family, presented))
    ended = Ended(now, Reason.RESTORED)
    return Settlement(Verdict.REFUSE, family, family.head, ended, events=(event,), refusal=Refusal.RESTORED)


def _short(family: Family, presented: Presented) -> str:
    """How far a row is behind a token, for the trail: the difference is what the store lost. Empty when it is not."""
    known = family.head.generation
    return f"the row knew generation {known}" if presented.generation > known else ""


def _adopt(
    family: Family, presented: Presented, ask: Ask, successor: Successor, policy: Policy, now: int
) -> Settlement:
    """Go on from a token ahead of the row, as if the row had never lost the way to it."""
    head = family.head._replace(
        generation=presented.generation, digest=presented.digest, predecessor=None, sealed=None, repeats=0
    )
    settlement = _go_on(family._replace(head=head), ask, successor, policy, now)
    event = _event(What.FAMILY_ADOPTED, family, ask, now, presented.generation)
    event = event._replace(detail=_short(family, presented))
    return settlement._replace(events=(event, *settlement.events))


def _go_on(family: Family, ask: Ask, successor: Successor, policy: Policy, now: int) -> Settlement:
    return _rotate(family, ask, successor, policy, now) if policy.rotate else _refresh(family, ask, policy, now)


def _rotate(family: Family, ask: Ask, successor: Successor, policy: Policy, now: int) -> Settlement:
    old = family.head
    head = Head(
        old.generation + 1,
        successor.digest,
        old.digest,
        now,
        now + (policy.bound_overlap if family.binding else policy.overlap),
        successor.sealed,
        0,
        _idle_end(family, ask, policy, now),
        now,
        ask.network,
        ask.agent,
        max(old.epoch, ask.epoch.number),
    )
    event = _event(What.FAMILY_ROTATED, family, ask, now, head.generation)
    return Settlement(Verdict.ROTATE, family, head, events=(event,))


def _refresh(family: Family, ask: Ask, policy: Policy, now: int) -> Settlement:
    old = family.head
    head = old._replace(
        sealed=None,
        predecessor=None,
        idle_end=_idle_end(family, ask, policy, now),
        used_at=now,
        network=ask.network,
        agent=ask.agent,
        epoch=max(old.epoch, ask.epoch.number),
    )
    event = _event(What.FAMILY_REFRESHED, family, ask, now, head.generation)
    return Settlement(Verdict.REFRESH, family, head, events=(event,))


def _idle_end(family: Family, ask: Ask, policy: Policy, now: int) -> int:
    end = min(now + (policy.online_idle if family.online else policy.idle_lifetime), family.absolute_end)
    # Attack O-09: refreshed while the clock stood in the past, a family must not be found expired once it is right.
    return max(end, family.head.idle_end) if ask.clock_suspect else end


def _repeat(family: Family, ask: Ask, policy: Policy, now: int) -> Settlement:
    head = family.head._replace(repeats=family.head.repeats + 1)
    events = [_event(What.FAMILY_REPEATED, family, ask, now, head.generation - 1)]
    if head.repeats == policy.repeats_alarm:
        events.append(_event(What.FAMILY_REPEATS_MANY, family, ask, now, head.generation - 1))
    return Settlement(Verdict.REPEAT, family, head, events=tuple(events))


def _reuse(family: Family, presented: Presented, ask: Ask, policy: Policy, now: int) -> Settlement:
    head = family.head
    # Attack O-09: a clock that jumped ahead makes every retry look like reuse, while an older ancestor needs no clock.
    if ask.clock_suspect and head.sealed is not None and head.generation - presented.generation == 1:
        return _refuse(family, ask, Refusal.CLOCK_SUSPECT, now, presented)
    event = _event(What.FAMILY_REUSED, family, ask, now, presented.generation)
    if policy.observe_only:
        event = event._replace(reason="observed_only")
        return Settlement(Verdict.REFUSE, family, events=(event,), refusal=Refusal.REUSED)
    closing = _event(What.FAMILY_ENDED, family, ask, now, head.generation)._replace(reason=Reason.REUSE)
    notice = Notice(
        closing.family_id,
        family.account_id,
        family.client_id,
        family.label,
        now,
        Party(head.used_at, head.network, head.agent),
        Party(now, ask.network, ask.agent),
    )
    return Settlement(
        Verdict.REUSE,
        family,
        head,
        Ended(now, Reason.REUSE),
        policy.radius,
        (event, closing),
        Refusal.REUSED,
        notice,
    )


def _expire(family: Family, ask: Ask, now: int, presented: Presented) -> Settlement:
    if ask.clock_suspect:
        return _refuse(family, ask, Refusal.CLOCK_SUSPECT, now, presented)
    reason = Reason.ABSOLUTE if now >= family.absolute_end else Reason.IDLE
    event = _event(What.FAMILY_ENDED, family, ask, now, presented.generation)._replace(reason=reason)
    return Settlement(Verdict.REFUSE, family, family.head, Ended(now, reason), events=(event,), refusal=Refusal.EXPIRED)


ALARMS: Final = {Refusal.FORGED: What.FAMILY_FORGED, Refusal.AHEAD: What.FAMILY_AHEAD}


def _refuse(family: Family, ask: Ask, refusal: Refusal, now: int, presented: Presented, reason: str = "") -> Settlement:
    what = ALARMS.get(refusal, What.FAMILY_REFUSED)
    event = _event(what, family, ask, now, presented.generation)
    event = event._replace(reason=reason or refusal, client_id=ask.client_id, detail=_short(family, presented))
    return Settlement(Verdict.REFUSE, family, events=(event,), refusal=refusal)


def _event(what: What, family: Family, ask: Ask, now: int, generation: int) -> Event:
    return Event(
        now,
        what,
        family.client_id,
        family.account_id,
        ids.text(ids.Kind.FAMILY, family.id),
        family.session_id,
        "",
        generation,
        ask.network,
        ask.agent,
    )
