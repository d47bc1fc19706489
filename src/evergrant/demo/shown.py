"""From what is held and what is seen to what a page shows: facts, claims, lines of the audit trail. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from evergrant.demo.drawing import Drawing, draw
from evergrant.demo.ledger import Sight
from evergrant.demo.picture import Picture, picture
from evergrant.demo.plain_words import hms, left, meaning, who, why
from evergrant.demo.visitor import Purse
from evergrant.domain import id as ids
from evergrant.domain.event import Event, What
from evergrant.domain.family import Family
from evergrant.domain.secret import fingerprint

MOST_TOLD: Final = 60
# What happened this long before a family began belongs to its sign-in: password, consent, code.
SIGN_IN_SECONDS: Final = 600
INSTANTS: Final = frozenset({"iat", "exp", "auth_time", "nbf"})


class Fact(NamedTuple):
    """One thing with its name. *note* says it in other words."""

    name: str
    value: str
    note: str = ""


class Told(NamedTuple):
    """One line of the audit trail; *times* when the same was told several times in a row."""

    at: int
    clock: str
    sentence: str
    times: int
    token: int
    why: str
    who: str
    stranger: bool
    tone: str


class FamilyShown(NamedTuple):
    """The operator's view of one family, ready to be printed."""

    id: str
    picture: Picture
    drawing: Drawing
    facts: tuple[Fact, ...]
    trail: tuple[Told, ...]
    families: tuple[Fact, ...]
    ended: bool


class Held(NamedTuple):
    """What the application holds, ready to be printed. Tokens are fingerprints here."""

    access: str
    access_left: str
    access_over: bool
    inside: tuple[Fact, ...]
    refresh: str
    place: int
    idle_left: str
    absolute_left: str
    identity: tuple[Fact, ...]
    scope: str
    name: str


def family_shown(sight: Sight, purse: Purse) -> FamilyShown:
    """The operator's view, with the fingerprints that the application knows."""
    family, now = sight.family, sight.now
    seen = picture(family, sight.trail, purse.fingerprints(), now)
    own = ids.text(ids.Kind.FAMILY, family.id)
    return FamilyShown(
        own,
        seen,
        draw(seen),
        _facts(family, now, over=seen.end is not None),
        told(_of_this_sign_in(sight, own), seen.owner),
        tuple(_line(one, own, now) for one in sight.families),
        seen.end is not None,
    )


def _of_this_sign_in(sight: Sight, own: str) -> Iterator[Event]:
    """The family's own events, and those of its account that belong to no other family, from its sign-in on."""
    begins = sight.family.started_at - SIGN_IN_SECONDS
    for event in sight.account:
        theirs = event.family_id and event.what is not What.NOTICE_ACKNOWLEDGED
        if event.family_id == own or (not theirs and event.at >= begins):
            yield event


def _facts(family: Family, now: int, *, over: bool) -> tuple[Fact, ...]:
    head = family.head
    facts = [Fact("In the database", f"1 row, after {head.generation} rotation{'' if head.generation == 1 else 's'}")]
    if over:
        return tuple(facts)
    if head.sealed is not None and now <= head.overlap_end:
        facts.append(Fact(f"Token {head.generation - 1} may come again", f"for {left(max(head.overlap_end - now, 1))}"))
    facts.append(Fact("Ends unless used", f"in {left(head.idle_end - now)}"))
    facts.append(Fact("Ends in any case", f"in {left(family.absolute_end - now)}"))
    return tuple(facts)


def _line(family: Family, own: str, now: int) -> Fact:
    name = ids.text(ids.Kind.FAMILY, family.id)
    state = "alive"
    if family.ended is not None:
        state = f"ended {hms(family.ended.at)}: {why(family.ended.reason)}"
    elif now >= min(family.absolute_end, family.head.idle_end):
        state = "ran out"
    tokens = f"{family.head.generation + 1} token{'' if family.head.generation == 0 else 's'}"
    return Fact(f"{name[:12]}…", f"{tokens}, {state}", "this one" if name == own else "")


_TONES: Final[dict[What, str]] = {
    What.FAMILY_STARTED: "good",
    What.CONSENT_GIVEN: "good",
    What.SIGNED_IN: "good",
    What.FAMILY_REPEATED: "again",
    What.FAMILY_REPEATS_MANY: "warning",
    What.FAMILY_REFUSED: "warning",
    What.SIGN_IN_FAILED: "warning",
    What.CONSENT_DENIED: "warning",
    What.FAMILY_REUSED: "bad",
    What.FAMILY_ENDED: "bad",
    What.FAMILIES_ENDED: "bad",
    What.FAMILY_FORGED: "bad",
    What.FAMILY_AHEAD: "bad",
    What.FAMILY_ADOPTED: "warning",
}


def told(events: Iterable[Event], owner: str) -> tuple[Told, ...]:
    """The audit trail, oldest first; the same told several times in a row is one line with a number."""
    lines: list[Told] = []
    for event in events:
        line = Told(
            event.at, hms(event.at), meaning(event), 1, event.generation, why(event.reason) if event.reason else "",
            who(event), bool(who(event)) and who(event) != owner, _TONES.get(event.what, "plain"),
        )  # fmt: skip
        if lines and lines[-1][2:3] + lines[-1][4:] == line[2:3] + line[4:]:
            lines[-1] = lines[-1]._replace(times=lines[-1].times + 1)
        else:
            lines.append(line)
    return tuple(lines[-MOST_TOLD:])


def held(purse: Purse, now: int) -> Held:
    """What the application holds at *now*."""
    tokens = purse.tokens
    return Held(
        fingerprint(tokens.access.reveal()),
        left(tokens.access_end - now),
        now >= tokens.access_end,
        claims(tokens.inside),
        fingerprint(purse.head.reveal()),
        purse.current,
        left(tokens.idle_end - now),
        left(tokens.absolute_end - now),
        claims(tokens.claims),
        tokens.scope,
        purse.name,
    )


def claims(members: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Claims as facts; instants also as a time of day."""
    return tuple(
        Fact(
            name,
            " ".join(map(str, value)) if isinstance(value, list) else str(value),
            f"{hms(value)} UTC" if name in INSTANTS and isinstance(value, int) else "",
        )
        for name, value in members.items()
    )
