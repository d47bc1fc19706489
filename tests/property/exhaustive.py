"""Every state of one small family, by brute force: two honest copies, a thief, lost replies, crashes, time, ends.

The server's part is the real `decide`; the world around it is kept so small that each of its states can be visited.
Tokens are their generations. A token drawn by whoever loses a race differs from the winner's; it is called a sibling
here, and a sibling that is ever stored or handed out is the end of the exploration.

What lives here: the small world, its exploration and the invariants. What is told about it is written by
`docs/generate/exploration.py`.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from evergrant.domain.family import Ended, Family
from evergrant.domain.policy import Policy
from evergrant.domain.reason import Reason
from evergrant.domain.rotation import Ask, Presented, Settlement, Successor, Verdict, decide
from evergrant.testing import specimens

LAST_GENERATION: Final = 4
OVERLAP: Final = 60
INSIDE, OVER, EXPIRED = 0, OVERLAP + 1, 1_000
SIBLING: Final = b"sibling"
HONEST: Final = ("copy 1", "copy 2")
THIEF: Final = "thief"
NOTHING: Final = -1


class Copy(NamedTuple):
    """One holder: the generation it holds, and the one in a reply that is on its way (NOTHING for none)."""

    holds: int
    reply: int = NOTHING


class World(NamedTuple):
    """One state. *inside*: the overlap of the last rotation is not over; *sealed*: its successor is still kept."""

    generation: int = 0
    sealed: bool = False
    inside: bool = False
    expired: bool = False
    ended: str = ""
    one: Copy = Copy(0)
    two: Copy = Copy(0)
    thief: Copy = Copy(NOTHING)

    def copy(self, who: str) -> Copy:
        return {"copy 1": self.one, "copy 2": self.two, THIEF: self.thief}[who]

    def put(self, who: str, copy: Copy) -> "World":
        return self._replace(**{{"copy 1": "one", "copy 2": "two", THIEF: "thief"}[who]: copy})


BEGINNING: Final = World()


@dataclass(frozen=True)
class Setting:
    """What is explored: the client's rule, who takes part, and whether honest copies come in time only."""

    name: str
    rotate: bool = True
    bound: bool = False
    thief: bool = True
    in_time_only: bool = False
    time_passes: bool = True

    @property
    def policy(self) -> Policy:
        return Policy(rotate=self.rotate, overlap=OVERLAP, bound_overlap=OVERLAP, idle_lifetime=EXPIRED)


class Broken(AssertionError):
    """An invariant does not hold; the text says which, and the way there."""


Step = tuple[str, World]


def digest(generation: int) -> bytes:
    return b"%032d" % generation


def family_of(world: World, setting: Setting) -> Family:
    """The row behind a state."""
    head = specimens.head(
        generation=world.generation,
        digest=digest(world.generation),
        predecessor=digest(world.generation - 1) if world.generation else None,
        spent_at=0,
        overlap_end=OVERLAP if world.generation else 0,
        sealed=digest(world.generation) if world.sealed else None,
        idle_end=EXPIRED,
        used_at=0,
    )
    ended = Ended(0, Reason(world.ended)) if world.ended else None
    binding = "jkt:the-holders" if setting.bound else ""
    return specimens.family(0, 0, head=head, ended=ended, absolute_end=10 * EXPIRED, binding=binding)


def instant(world: World) -> int:
    return EXPIRED if world.expired else INSIDE if world.inside else OVER


def settle(world: World, setting: Setting, generation: int, *, knows_key: bool) -> Settlement:
    """What the real decision says to a presentation of *generation*."""
    family = family_of(world, setting)
    ask = Ask(family.client_id, family.binding if knows_key else "")
    drawn = digest(generation + 1) if generation == world.generation else SIBLING
    presented = Presented(family.id, generation, digest(generation))
    return decide(family, presented, ask, Successor(drawn, drawn), setting.policy, instant(world))


def present(world: World, setting: Setting, who: str, generation: int) -> World:
    """The state after *who* presented *generation* and the server has committed; the reply is on its way."""
    settlement = settle(world, setting, generation, knows_key=who != THIEF)
    after, reply = world, NOTHING
    head = settlement.head
    if head is not None:
        if SIBLING in {head.digest, head.sealed}:
            raise Broken("inv_1: a second successor was stored")
        after = after._replace(
            generation=head.generation,
            sealed=head.sealed is not None,
            inside=instant(world) <= head.overlap_end if head.generation else False,
        )
    if settlement.ended is not None:
        after = after._replace(ended=settlement.ended.reason.value, sealed=False)
    if settlement.verdict is Verdict.ROTATE:
        reply = generation + 1
    elif settlement.verdict is Verdict.REFRESH:
        reply = generation
    elif settlement.verdict is Verdict.REPEAT:
        assert head is not None
        assert head.sealed is not None
        reply = int(head.sealed)
    return after.put(who, Copy(world.copy(who).holds, reply))


def in_time(world: World, generation: int) -> bool:
    """Whether a presentation is one that the overlap is made for."""
    behind = world.generation - generation
    return behind == 0 or (behind == 1 and world.sealed and world.inside)


def steps(world: World, setting: Setting) -> Iterator[Step]:
    """Everything that can happen next."""
    people = (*HONEST, THIEF) if setting.thief else HONEST
    for who in people:
        yield from _of_one(world, setting, who)
    one, two = world.one, world.two
    if one.holds != two.holds:
        newest = max(one.holds, two.holds)
        yield (
            "the copies compare what they have stored",
            world._replace(one=Copy(newest, one.reply), two=Copy(newest, two.reply)),
        )
    if setting.thief and world.thief.holds == NOTHING:
        yield "the thief copies the token of copy 1", world._replace(thief=Copy(one.holds))
    if any(copy.reply != NOTHING for copy in (one, two, world.thief)):
        lost = {"one": Copy(one.holds), "two": Copy(two.holds), "thief": Copy(world.thief.holds)}
        yield "the server crashes; every reply under way is lost", world._replace(**lost)
    if not world.ended:
        yield "the family is revoked", world._replace(ended=Reason.REVOKED.value, sealed=False)
    if setting.time_passes:
        yield from _of_time(world)


def _of_one(world: World, setting: Setting, who: str) -> Iterator[Step]:
    copy = world.copy(who)
    if copy.reply != NOTHING:
        yield f"{who} gets the reply", world.put(who, Copy(max(copy.holds, copy.reply)))
        yield f"the reply to {who} is lost", world.put(who, Copy(copy.holds))
        return
    if copy.holds == NOTHING:
        return
    honest_in_time = setting.in_time_only and who in HONEST
    if world.generation >= LAST_GENERATION and copy.holds == world.generation and setting.rotate:
        return
    if honest_in_time and not world.ended and not world.expired and not in_time(world, copy.holds):
        return
    yield f"{who} presents generation {copy.holds}", present(world, setting, who, copy.holds)


def _of_time(world: World) -> Iterator[Step]:
    if world.inside:
        yield "the overlap ends", world._replace(inside=False)
    elif world.generation and not world.expired:
        yield "the clock steps back into the overlap", world._replace(inside=True)
    if world.sealed and not world.inside:
        yield "housekeeping erases the sealed successor", world._replace(sealed=False)
    if not world.expired and not world.ended:
        yield "the idle end passes", world._replace(expired=True, inside=False)


@dataclass
class Explored:
    """What an exploration found."""

    setting: Setting
    states: int = 0
    transitions: int = 0
    depth: int = 0
    deepest: World = BEGINNING
    endings: Counter[str] = field(default_factory=Counter)
    came_from: dict[World, Step | None] = field(default_factory=dict)

    def way_to(self, world: World) -> list[str]:
        """One shortest way from the beginning to a state."""
        way: list[str] = []
        step = self.came_from[world]
        while step is not None:
            way.append(step[0])
            step = self.came_from[step[1]]
        return way[::-1]


def explore(setting: Setting, until: Callable[[World], bool] = lambda _: False) -> Explored:
    """Visit every state, checking every invariant; stop early at a state that *until* names."""
    found = Explored(setting)
    found.came_from[BEGINNING] = None
    waiting = deque([(BEGINNING, 0)])
    while waiting:
        world, depth = waiting.popleft()
        found.states += 1
        found.endings[world.ended or "lives"] += 1
        if depth > found.depth:
            found.depth, found.deepest = depth, world
        try:
            check_state(world, setting)
            for name, after in steps(world, setting):
                check_step(world, after, setting)
                found.transitions += 1
                if after not in found.came_from:
                    found.came_from[after] = (name, world)
                    waiting.append((after, depth + 1))
        except Broken as error:
            raise Broken(f"{error}, after: {'; '.join(found.way_to(world))}") from None
        if until(world):
            found.deepest = world
            break
    return found


def check_step(before: World, after: World, setting: Setting) -> None:
    """Invariants 3, 5 and 6, on one transition."""
    if after.generation < before.generation:
        raise Broken("inv_3: a generation went back")
    if before.ended and after.ended != before.ended:
        raise Broken("inv_3: an end was undone or renamed")
    if before.ended and any(a.reply > b.reply for a, b in zip(after[-3:], before[-3:], strict=True)):
        raise Broken("inv_5: something was handed out after the end")
    if setting.in_time_only and not setting.thief and after.ended == Reason.REUSE.value:
        raise Broken("inv_6: honest copies, all in time, ended the family")


def check_state(world: World, setting: Setting) -> None:
    """Invariants 1, 2, 4, 5, 7, 10 and 11, by presenting every generation there ever was."""
    heads = 0
    for generation in range(world.generation + 1):
        settlement = settle(world, setting, generation, knows_key=True)
        heads += settlement.verdict in {Verdict.ROTATE, Verdict.REFRESH}
        _check_one(world, setting, generation, settlement)
        if setting.bound and settle(world, setting, generation, knows_key=False).verdict is not Verdict.REFUSE:
            raise Broken("inv_10: a bound family answered without its key")
    if heads > 1:
        raise Broken("inv_2: two live heads")
    if world.ended and heads:
        raise Broken("inv_5: an ended family has a live head")


def _check_one(world: World, setting: Setting, generation: int, settlement: Settlement) -> None:
    verdict = settlement.verdict
    if verdict is Verdict.REFUSE and settlement.ended is None and settlement.head is not None:
        raise Broken("inv_11: a refusal would write")
    if verdict is Verdict.REPEAT and settlement.head is not None and settlement.head.sealed != digest(generation + 1):
        raise Broken("inv_4: a repeat would get another successor")
    alive = not world.ended and not world.expired
    if alive and not in_time(world, generation) and verdict is not Verdict.REUSE:
        raise Broken("inv_7: a spent token out of time went unnoticed")
    if alive and in_time(world, generation) and verdict is Verdict.REUSE:
        raise Broken("inv_6: a token in time was taken for reuse")


def check_both_parties(found: Explored) -> int:
    """Invariant 7 in full: from each state, both parties use what they hold, late; in how many the family ended."""
    checked = 0
    for world in found.came_from:
        if world.ended or world.expired or world.thief.holds == NOTHING or world.generation >= LAST_GENERATION - 1:
            continue
        for first, second in ((HONEST[0], THIEF), (THIEF, HONEST[0])):
            late = world._replace(inside=False, sealed=False)
            late = present(late, found.setting, first, late.copy(first).holds)
            late = late._replace(inside=False)
            late = present(late, found.setting, second, late.copy(second).holds)
            if late.ended != Reason.REUSE.value:
                raise Broken(f"inv_7: both used it late and it lives, after: {'; '.join(found.way_to(world))}")
            checked += 1
    return checked


HONEST_ONLY: Final = Setting("honest copies, in time", thief=False, in_time_only=True)
SETTINGS: Final = (
    HONEST_ONLY,
    Setting("honest copies and a thief, rotating"),
    Setting("honest copies in time and a thief, rotating", in_time_only=True),
    Setting("the same, bound to a key that the thief does not have", bound=True),
    Setting("honest copies and a thief, reusable and bound", rotate=False, bound=True),
)


def spurious(setting: Setting) -> list[str]:
    """The shortest way in which honest copies alone end their family, when nobody keeps them in time."""
    found = explore(setting, until=lambda world: world.ended == Reason.REUSE.value)
    assert found.deepest.ended == Reason.REUSE.value
    return found.way_to(found.deepest)


LATE: Final = Setting("honest copies, whenever", thief=False)
CROWDED: Final = Setting("honest copies, whenever, no time passing", thief=False, time_passes=False)
