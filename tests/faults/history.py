"""What many clients were told, and whether one linear history of every family explains it.

Pure: answers in, sentences about what cannot be true out. `test_history` shows that each kind of wrong is found.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from evergrant.domain import id as ids
from evergrant.domain.secret import digest
from evergrant.issuer.service.refresh import HEAD_DIGEST
from tests.faults.client import taken_apart
from tests.faults.judging import ROTATED, View, looking
from tests.faults.linear import Kind, Operation, Outcome, Rules, Token, explained

OK: Final = 200
REFUSED: Final = 400


class Answer(NamedTuple):
    """One presentation that was answered. Times by the clock that never steps. *got* is empty unless it was 200."""

    began: float
    ended: float
    presented: str
    status: int
    got: str = ""
    said: str = ""


@dataclass
class History:
    """The answers of one family, and what an operator did to it."""

    family: bytes
    rotates: bool
    answers: list[Answer] = field(default_factory=list)
    first: str = ""
    """The token it began with; without it, order is not looked at."""
    overlap: float = 60.0
    unanswered: list[Answer] = field(default_factory=list)
    """What was asked and not answered, or answered by 503: nobody knows what became of it."""
    ending: float | None = None
    """When somebody set out to end it."""
    ended: float | None = None
    """When they were told that it is done."""
    losses: list[Operation] = field(default_factory=list)
    """When the store went back, to which generation, and when that was declared: then refusals may be right, and the
    order that explains them is all that is asked for."""
    proved: bool = True
    """Whether its client proves itself."""

    @property
    def name(self) -> str:
        return ids.text(ids.Kind.FAMILY, self.family)

    @property
    def refreshed(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status == OK]

    @property
    def newest(self) -> int:
        """The newest generation anybody saw."""
        return max((taken_apart(answer.got)[1] for answer in self.refreshed), default=0)


def wrongs(history: History) -> list[str]:
    """Everything that no honest server could have answered."""
    if history.losses:
        return list(_unexplained(history))
    return [*_forks(history), *_lost(history), *_risen(history), *_unexplained(history)]


def _forks(history: History) -> Iterable[str]:
    """One token has one successor, and one generation has one token."""
    successors: dict[str, set[str]] = {}
    tokens: dict[int, set[str]] = {}
    for answer in history.refreshed:
        successors.setdefault(answer.presented, set()).add(answer.got)
        family, generation, _ = taken_apart(answer.presented)
        next_family, next_generation, _ = taken_apart(answer.got)
        tokens.setdefault(generation, set()).add(answer.presented)
        tokens.setdefault(next_generation, set()).add(answer.got)
        if (family, next_family) != (history.family, history.family):
            yield f"{history.name}: another family's token was handed out"
        if next_generation != generation + history.rotates:
            yield f"{history.name}: generation {generation} was followed by {next_generation}"
    for presented, followed in successors.items():
        if len(followed) > 1:
            yield f"{history.name}: {len(followed)} successors of generation {taken_apart(presented)[1]}"
    for generation, known in tokens.items():
        if len(known) > 1:
            yield f"{history.name}: {len(known)} tokens of generation {generation}"


def _lost(history: History) -> Iterable[str]:
    """Nobody honest is refused, unless an operator had at least set out to end the family."""
    for answer in history.answers:
        if answer.status != OK and (history.ending is None or answer.ended < history.ending):
            yield f"{history.name}: an honest client was refused with {answer.status}: {answer.said}"


def _risen(history: History) -> Iterable[str]:
    """What was ended stays ended (invariant 5)."""
    for answer in history.refreshed:
        if history.ended is not None and answer.began > history.ended:
            yield f"{history.name}: refreshed {answer.began - history.ended:.3f} s after it was ended"


def _unexplained(history: History) -> Iterable[str]:
    """Some order of what took effect makes every answer the right one."""
    if history.first:
        rules = Rules(history.rotates, history.overlap, history.proved)
        found = explained(operations(history), _token(history.first), rules)
        if found.wrong:
            yield f"{history.name}: {found.wrong}"


def operations(history: History) -> list[Operation]:
    """The history for the search of `linear`."""
    outcomes = {OK: Outcome.GIVEN, REFUSED: Outcome.REFUSED}
    found = history.losses + [
        Operation(
            answer.began, answer.ended, Kind.PRESENT, outcomes.get(answer.status, Outcome.UNKNOWN),
            _token(answer.presented), _token(answer.got) if answer.got else None,
        )
        for answer in [*history.answers, *history.unanswered]
    ]  # fmt: skip
    if history.ending is not None:
        told = Outcome.UNKNOWN if history.ended is None else Outcome.DONE
        found.append(Operation(history.ending, history.ended or history.ending, Kind.END, told))
    return found


def _token(text: str) -> Token:
    _, generation, secret = taken_apart(text)
    return Token(generation, secret)


def stored_wrongs(where: Any, histories: Iterable[History]) -> list[str]:
    """What the database does not say of the answers that were seen (invariant 12), and what it says twice."""
    with looking(where) as view:
        found = [] if (whole := view.whole()) == "ok" else [f"integrity_check: {whole}"]
        for history in histories:
            found += _stored(view, history)
    return found


def _stored(view: View, history: History) -> Iterable[str]:
    row = view.family(history.family)
    if not row:
        yield f"{history.name}: its row is gone"
        return
    told = [generation for what, generation in view.told(history.family) if what == ROTATED]
    generation, ended_at = row["generation"], row["ended_at"]
    if told != list(range(1, generation + 1)):
        yield f"{history.name}: generation {generation}, but the events tell {told[-5:]} last"
    if generation < history.newest:
        yield f"{history.name}: a client saw generation {history.newest}, stored is {generation}"
    if ended_at is not None and history.ending is None:
        yield f"{history.name}: ended, though nobody set out to end it"
    if ended_at is None and history.ended is not None:
        yield f"{history.name}: alive, though an operator was told that it ended"
    kept = {generation: row["digest"], generation - 1: row["predecessor"]}
    for answer in history.refreshed:
        _, number, secret = taken_apart(answer.got)
        if kept.get(number) not in {None, digest(HEAD_DIGEST, secret)}:
            yield f"{history.name}: a client holds generation {number}, and it is not the one that is stored"
