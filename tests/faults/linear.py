"""Whether one linear history explains what everybody was told about a family: a small model of it, and the search.

Each operation took effect at one moment between its call and its answer, or, where the outcome is unknown, at any
moment after its call or never. A history is right when some order of those moments makes every answer the one that the
decision table gives (J. Wing and C. Gong, 1993). The model knows no code of the product.

Pure: operations in, a sentence out. `test_linear` shows that every kind of wrong is found, and that the search agrees
with trying every order. What must not live here: who asks (`storm`), what the database holds (`history`, `judging`).
"""

from collections.abc import Hashable, Iterator, Sequence
from enum import Enum
from math import inf
from typing import Final, NamedTuple

SLACK: Final = 2.0
"""Seconds by which an overlap may seem longer or shorter: its clock counts whole ones, and nodes may differ."""
MOST_STEPS: Final = 500_000


class Kind(Enum):
    """What was done."""

    PRESENT = "present"
    STRANGER = "a stranger presents"
    END = "end"
    LOSS = "the store goes back"
    DECLARED = "the loss is declared"


class Outcome(Enum):
    """What was told of it. *UNKNOWN*: no answer, or one that says so (503)."""

    GIVEN = "given"
    REFUSED = "refused"
    DONE = "done"
    UNKNOWN = "unknown"


class Token(NamedTuple):
    """One refresh token: its generation, and what tells it from another of that generation."""

    generation: int
    mark: Hashable


class Operation(NamedTuple):
    """One operation on one family. Times by a clock that never steps; *ended* counts for nothing when unknown.

    Of a loss, *got* says what the store went back to, where that is known; without it, to anything that it was.
    """

    began: float
    ended: float
    kind: Kind
    outcome: Outcome
    presented: Token | None = None
    got: Token | None = None

    @property
    def until(self) -> float:
        """The last moment at which it may have taken effect."""
        return inf if self.outcome is Outcome.UNKNOWN else self.ended


class Rules(NamedTuple):
    """How a family lives: whether it rotates, and how many seconds its immediate predecessor is repeated.

    *proved*: its client is believed, once a loss is declared, when it presents what the store does not know any more.
    """

    rotates: bool = True
    overlap: float = 60.0
    proved: bool = True


class State(NamedTuple):
    """A family between two operations. A mark is None while nobody has seen that token.

    *spent*: the earliest and the latest moment at which the predecessor may have been spent. *past*: what it was before
    each change, oldest first, where the store may go back. *declared*: it has not changed since a loss was declared.
    """

    generation: int
    head: Hashable = None
    predecessor: Hashable = None
    spent: tuple[float, float] = (-inf, -inf)
    ended: bool = False
    past: "tuple[State, ...]" = ()
    declared: bool = False


def steps(state: State, op: Operation, rules: Rules) -> list[State]:
    """What a family may be after *op* took effect with the outcome that was told; empty when it cannot have."""
    match op.kind:
        case Kind.END:
            return [] if op.outcome not in {Outcome.DONE, Outcome.UNKNOWN} else [_moved(state, ended=True)]
        case Kind.LOSS:
            return _gone_back(state, op)
        case Kind.DECLARED:
            return [state._replace(declared=True)]
        case Kind.STRANGER:
            return [state] if op.outcome in {Outcome.REFUSED, Outcome.UNKNOWN} else []
        case Kind.PRESENT:
            return _presented(state, op, rules)


def _presented(state: State, op: Operation, rules: Rules) -> list[State]:
    assert op.presented is not None
    refused = [state] if op.outcome in {Outcome.REFUSED, Outcome.UNKNOWN} else []
    behind = state.generation - op.presented.generation
    if behind < 0 and state.declared and not state.ended:
        return _ahead(state, op, rules)
    if state.ended or behind < 0:
        return refused
    known = (state.head, state.predecessor)[behind] if behind < 2 else None
    if known not in {None, op.presented.mark}:
        return refused  # forged, or from before the store went back
    if behind == 0:
        return _headed(state._replace(head=op.presented.mark), op, rules)
    reused = [_moved(state, ended=True)] if op.outcome in {Outcome.REFUSED, Outcome.UNKNOWN} else []
    if behind > 1 or not rules.rotates:
        return reused
    found: list[State] = []
    if op.outcome is Outcome.GIVEN and op.began <= state.spent[1] + rules.overlap + SLACK:
        found += _seen(state._replace(predecessor=op.presented.mark), op.got)
    if op.until >= state.spent[0] + rules.overlap - SLACK:
        found += reused
    return found


def _gone_back(state: State, op: Operation) -> list[State]:
    """The store forgot. What was told of before it was what it is now may have been forgotten with it."""
    if op.got is None:
        return list(state.past)
    if state.generation == op.got.generation:
        return [state]
    return [before for before in state.past if before.generation == op.got.generation]


def _ahead(state: State, op: Operation, rules: Rules) -> list[State]:
    """What the store has lost was presented, and it is known that it lost something."""
    assert op.presented is not None
    if rules.proved:
        head = state._replace(generation=op.presented.generation, head=op.presented.mark, predecessor=None)
        return _headed(head, op, rules)
    return [_moved(state, ended=True)] if op.outcome in {Outcome.REFUSED, Outcome.UNKNOWN} else []


def _headed(state: State, op: Operation, rules: Rules) -> list[State]:
    """The head was presented."""
    if not rules.rotates:
        same = op.outcome is Outcome.UNKNOWN or (op.outcome is Outcome.GIVEN and op.got == op.presented)
        return [state] if same else []
    following = state.generation + 1
    mark = op.got.mark if op.got else None
    if op.outcome is Outcome.REFUSED or (op.got is not None and op.got.generation != following):
        return []
    spent = (op.began, op.until)
    return [_moved(state, generation=following, head=mark, predecessor=state.head, spent=spent, declared=False)]


def _seen(state: State, got: Token | None) -> list[State]:
    """A repeat told what the head is."""
    if got is None or got.generation != state.generation or state.head not in {None, got.mark}:
        return []
    return [state._replace(head=got.mark)]


def _moved(state: State, **changes: object) -> State:
    """A change that is remembered, for the store may go back."""
    return state._replace(past=(*state.past, state._replace(past=()))[-64:], **changes)  # type: ignore[arg-type]


# ---- the search


class Explained(NamedTuple):
    """The order that explains a history, as places in it; or, in *wrong*, how far the best attempt came."""

    order: tuple[int, ...]
    wrong: str = ""


class _Search:
    """Depth first, what is certain before what is unknown; no situation is looked at twice."""

    def __init__(self, operations: Sequence[Operation], first: State, rules: Rules) -> None:
        self._ops = sorted(operations, key=lambda op: op.began)
        self._rules = rules
        self._forgets = not any(op.kind is Kind.LOSS for op in operations)
        self._first = first
        self._owing = sum(1 << at for at, op in enumerate(self._ops) if op.outcome is not Outcome.UNKNOWN)
        self._seen: set[tuple[int, State]] = set()
        self._furthest: tuple[int, int, State] = (-1, 0, first)

    def run(self) -> Explained:
        """Explain, or say what cannot be explained."""
        order: list[int] = []
        done = looked = 0
        stack = [self._following(done, self._first)]
        while stack:
            if not self._owing & ~done:
                return Explained(tuple(order))
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
                if order:
                    done ^= 1 << order.pop()
                continue
            looked += 1
            if looked > MOST_STEPS:
                return Explained((), f"undecided after {MOST_STEPS} steps; {self._stuck()}")
            at, state = found
            if (done | 1 << at, state) in self._seen:
                continue
            done |= 1 << at
            self._seen.add((done, state))
            order.append(at)
            self._furthest = max(self._furthest, (len(order), done, state), key=lambda far: far[0])
            stack.append(self._following(done, state))
        return Explained((), self._stuck())

    def _following(self, done: int, state: State) -> Iterator[tuple[int, State]]:
        """What may have taken effect next, and what the family was then."""
        declared: list[int] = []
        unknown: list[int] = []
        for at in self._open(done):
            if self._ops[at].outcome is Outcome.UNKNOWN:
                unknown.append(at)
            elif self._ops[at].kind is Kind.DECLARED:
                declared.append(at)  # heard as late as may be: whoever was refused meanwhile had not been believed yet
            else:
                yield from self._after(at, state)
        for at in declared:
            yield from self._after(at, state)
        for at in unknown:
            for place, after in self._after(at, state):
                if after != state:  # without an effect it need not have happened
                    yield place, after

    def _after(self, at: int, state: State) -> Iterator[tuple[int, State]]:
        for after in steps(state, self._ops[at], self._rules):
            yield at, after._replace(past=()) if self._forgets else after

    def _open(self, done: int) -> list[int]:
        """The operations that had begun before the first that is still owed had to be over."""
        found: list[int] = []
        bound = inf
        rest = ~done
        at = (rest & -rest).bit_length() - 1  # the first that is not done
        while at < len(self._ops) and self._ops[at].began <= bound:
            if rest >> at & 1:
                bound = min(bound, self._ops[at].until)
                found.append(at)
            at += 1
        return found

    def _stuck(self) -> str:
        _, done, state = self._furthest
        owed = [op for at in self._open(done) if (op := self._ops[at]).outcome is not Outcome.UNKNOWN]
        said = "; ".join(told(op) for op in owed[:3])
        ended = ", ended" if state.ended else ""
        return f"nothing explains, at generation {state.generation}{ended}: {said}"


def told(op: Operation) -> str:
    """One operation in words."""
    presented = f" generation {op.presented.generation}" if op.presented else ""
    got = f" generation {op.got.generation}" if op.got else ""
    return f"{op.kind.value}{presented} at {op.began:.3f}-{op.ended:.3f}: {op.outcome.value}{got}"


def explained(operations: Sequence[Operation], first: Token, rules: Rules) -> Explained:
    """Whether some order explains *operations* on a family that began with *first* as its head.

    Takes the places of the operations in the order in which they were called.
    """
    began = State(first.generation, first.mark)
    order = _as_answered(operations, began, rules)
    return Explained(order) if order else _Search(operations, began, rules).run()


def _as_answered(operations: Sequence[Operation], state: State, rules: Rules) -> tuple[int, ...]:
    """The order of the answers, if it explains everything: each took effect as it was answered, what is unknown never.

    A loss is heard of as late as may be. Most histories are explained by this, and a search of thousands takes long.
    """
    called = sorted(range(len(operations)), key=lambda at: operations[at].began)
    ops = [operations[at] for at in called]
    certain = sorted(
        (at for at, op in enumerate(ops) if op.outcome is not Outcome.UNKNOWN), key=lambda at: ops[at].ended
    )
    declared = [at for at in certain if ops[at].kind is Kind.DECLARED]
    order: list[int] = []
    for at in (at for at in certain if ops[at].kind is not Kind.DECLARED):
        op = ops[at]
        after = steps(state, op, rules)
        while declared and (ops[declared[0]].ended < op.ended or (not after and ops[declared[0]].began <= op.ended)):
            order.append(declared.pop(0))
            state = state._replace(declared=True)
            after = steps(state, op, rules)
        if not after:
            return ()
        order.append(at)
        state = after[0]
    return (*order, *declared)
