"""The picture of a family, as values: which tokens there were, what was done with each, and how it ended.

Pure: from a row, its events and an instant to a `Picture`. Where things stand on paper is next door (`drawing`).
Who did something is said only where it was not the one who began the family, so that a stranger stands out.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from evergrant.demo.plain_words import hms, who, why
from evergrant.domain.event import Event, What
from evergrant.domain.family import Family
from evergrant.domain.reason import Reason, Refusal

NEWEST_SHOWN: Final = 5


class State(StrEnum):
    """What a token is worth now."""

    SPENT = "spent"
    REPEATABLE = "repeatable"
    NEWEST = "newest"
    VOID = "void"


class Deed(StrEnum):
    """What was done with a token."""

    BORN = "born"
    SPENT = "spent"
    USED = "used"
    REPEATED = "repeated"
    REUSED = "reused"
    REFUSED = "refused"
    ALARM = "alarm"


class Mark(NamedTuple):
    """One deed: when (first), how often, *note* why, and by whom if not by the family's owner."""

    deed: Deed
    at: int
    times: int
    words: str
    note: str
    stranger: str


class Node(NamedTuple):
    """One token of the chain. *guilty*: presenting it ended the family."""

    generation: int
    state: State
    fingerprint: str
    marks: tuple[Mark, ...]
    guilty: bool


class Gap(NamedTuple):
    """Tokens left out of the picture because there are many."""

    tokens: int


class End(NamedTuple):
    """How the family ended; *words* say why. *ran_out* when its time is over and nobody has come to notice."""

    at: int
    words: str
    ran_out: bool = False


class Picture(NamedTuple):
    """A family, ready to be drawn and to be read aloud. *sealed_until* is 0 when no successor lies sealed."""

    owner: str
    parts: tuple[Node | Gap, ...]
    sealed_until: int
    end: End | None
    title: str
    told: str


_DEEDS: Final[dict[What, Deed]] = {
    What.FAMILY_STARTED: Deed.BORN,
    What.FAMILY_REFRESHED: Deed.USED,
    What.FAMILY_REPEATED: Deed.REPEATED,
    What.FAMILY_REPEATS_MANY: Deed.ALARM,
    What.FAMILY_REUSED: Deed.REUSED,
    What.FAMILY_REFUSED: Deed.REFUSED,
    What.FAMILY_FORGED: Deed.ALARM,
    What.FAMILY_AHEAD: Deed.ALARM,
    What.FAMILY_ADOPTED: Deed.ALARM,
}
_SPOKEN: Final[dict[Deed, str]] = {
    Deed.BORN: "handed out",
    Deed.SPENT: "spent",
    Deed.USED: "used",
    Deed.REPEATED: "came again",
    Deed.REUSED: "presented again",
    Deed.REFUSED: "refused",
    Deed.ALARM: "alarm",
}


def picture(family: Family, trail: Iterable[Event], fingerprints: Mapping[int, str], now: int) -> Picture:
    """The picture of *family* at *now*; *fingerprints* of the tokens that somebody here knows, by generation."""
    events = tuple(trail)
    owner = next((who(event) for event in events if event.what is What.FAMILY_STARTED), "")
    head = family.head
    over = _end(family, now)
    sealed = over is None and head.sealed is not None and now <= head.overlap_end and head.generation > 0
    guilty = _guilty(family, events)
    marks = _marks(events, owner)
    nodes = [
        Node(
            generation,
            _state(generation, head.generation, over=over is not None, sealed=sealed),
            fingerprints.get(generation, ""),
            marks.get(generation, ()),
            generation == guilty,
        )
        for generation in _shown(head.generation, guilty)
    ]
    parts = tuple(_with_gaps(nodes))
    title = f"A family of {head.generation + 1} token" + ("" if head.generation == 0 else "s")
    title += ", alive" if over is None else ", ended"
    sealed_until = head.overlap_end if sealed else 0
    return Picture(owner, parts, sealed_until, over, title, _told(owner, parts, sealed_until, over))


def _state(generation: int, newest: int, *, over: bool, sealed: bool) -> State:
    if generation == newest:
        return State.VOID if over else State.NEWEST
    return State.REPEATABLE if sealed and generation == newest - 1 else State.SPENT


def _end(family: Family, now: int) -> End | None:
    if family.ended is not None:
        return End(family.ended.at, why(family.ended.reason))
    for at, reason in ((family.absolute_end, Reason.ABSOLUTE), (family.head.idle_end, Reason.IDLE)):
        if now >= at:
            return End(at, why(reason), ran_out=True)
    return None


def _guilty(family: Family, events: tuple[Event, ...]) -> int:
    """The generation whose presentation ended the family, or -1."""
    if family.ended is None or family.ended.reason is not Reason.REUSE:
        return -1
    return next((event.generation for event in reversed(events) if event.what is What.FAMILY_REUSED), -1)


def _marks(events: tuple[Event, ...], owner: str) -> dict[int, tuple[Mark, ...]]:
    """What was done with each generation, in order; the same deed by the same party counts up."""
    found: dict[int, list[Mark]] = {}
    for event in events:
        generation, deed = event.generation, _DEEDS.get(event.what)
        if event.what is What.FAMILY_ROTATED:
            generation, deed = generation - 1, Deed.SPENT
        if deed is None or generation < 0:
            continue
        stranger = who(event) if who(event) != owner else ""
        mark = Mark(deed, event.at, 1, *_words(deed, event), stranger)
        before = found.setdefault(generation, [])
        same = next((at for at, one in enumerate(before) if _alike(one, mark)), None)
        if same is None:
            before.append(mark)
        else:
            before[same] = before[same]._replace(times=before[same].times + 1)
    return {generation: tuple(marks) for generation, marks in found.items()}


def _alike(one: Mark, other: Mark) -> bool:
    return (one.deed, *one[3:]) == (other.deed, *other[3:])


def _words(deed: Deed, event: Event) -> tuple[str, str]:
    """What was done, and why, where the event says so."""
    if event.what is What.FAMILY_REPEATS_MANY:
        return "came again very often", ""
    if deed is Deed.REFUSED and event.reason in set(Reason):
        # The reason is the end's, told again to whoever comes after it.
        return _SPOKEN[deed], why(Refusal.ENDED)
    return _SPOKEN[deed], why(event.reason) if event.reason else ""


def _shown(newest: int, guilty: int) -> list[int]:
    """The first token, the newest ones, and the one that was presented too late."""
    wanted = {0, *range(max(newest - NEWEST_SHOWN + 1, 0), newest + 1)}
    return sorted(wanted | ({guilty} if 0 <= guilty <= newest else set()))


def _with_gaps(nodes: list[Node]) -> Iterable[Node | Gap]:
    last = -1
    for node in nodes:
        if node.generation > last + 1:
            yield Gap(node.generation - last - 1)
        yield node
        last = node.generation


# ------------------------------------------------------------------------------------------------ read aloud

_WORTH: Final[dict[State, str]] = {
    State.SPENT: "spent",
    State.REPEATABLE: "spent, and may still come again",
    State.NEWEST: "the newest, unspent",
    State.VOID: "void",
}


def _told(owner: str, parts: tuple[Node | Gap, ...], sealed_until: int, over: End | None) -> str:
    """The picture in sentences, for whoever does not see it."""
    said = [f"Where nobody is named, it was {owner}." if owner else ""]
    for part in parts:
        if isinstance(part, Gap):
            said.append(f"{part.tokens} spent token{'' if part.tokens == 1 else 's'} not shown.")
        else:
            deeds = "; ".join(sentence(mark) for mark in part.marks)
            said.append(f"Token {part.generation}: {_WORTH[part.state]}" + (f"; {deeds}." if deeds else "."))
    if sealed_until:
        said.append(f"Its successor lies sealed under the token before it until {hms(sealed_until)}.")
    if over is not None:
        said.append(f"The family ended at {hms(over.at)}: {over.words}.")
    return " ".join(sentence for sentence in said if sentence)


def sentence(mark: Mark) -> str:
    """A mark in words: what, how often, when, by whom."""
    often = f" {mark.times} times" if mark.times > 1 else ""
    by = f" by {mark.stranger}" if mark.stranger else ""
    because = f" ({mark.note})" if mark.note else ""
    return f"{mark.words}{often} at {hms(mark.at)}{by}{because}"
