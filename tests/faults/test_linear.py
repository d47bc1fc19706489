"""The search for a linear history: right ones are explained, every kind of wrong is not, and it misses no order."""

from itertools import permutations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.faults.linear import Kind, Operation, Outcome, Rules, State, Token, explained, steps

FIRST = Token(0, "a0")
PRESENT, STRANGER, END, LOSS, DECLARED = Kind.PRESENT, Kind.STRANGER, Kind.END, Kind.LOSS, Kind.DECLARED
GIVEN, REFUSED, DONE, UNKNOWN = Outcome.GIVEN, Outcome.REFUSED, Outcome.DONE, Outcome.UNKNOWN


def token(name):
    """`b3` is the token b of generation 3."""
    return Token(int(name[1:]), name) if name else None


def turn(began, ended, presented, got="", kind=PRESENT):
    return Operation(began, ended, kind, GIVEN if got else REFUSED, token(presented), token(got))


def lost(began, presented):
    return Operation(began, began + 1, PRESENT, UNKNOWN, token(presented))


def end(began, ended, outcome=DONE):
    return Operation(began, ended, END, outcome)


def loss(began, ended, kept=""):
    return Operation(began, ended, LOSS, DONE, None, token(kept))


def declared(began, ended):
    return Operation(began, ended, DECLARED, DONE)


def wrong(*operations, rules=None):
    return explained(operations, FIRST, rules or Rules()).wrong


RIGHT = {
    "turns": [turn(0, 1, "a0", "a1"), turn(2, 3, "a1", "a2")],
    "a repeat in the overlap": [turn(0, 1, "a0", "a1"), turn(50, 51, "a0", "a1"), turn(52, 53, "a1", "a2")],
    "losers of a race": [turn(0, 9, "a0", "a1"), turn(1, 2, "a0", "a1"), turn(1, 3, "a0", "a1")],
    "a lost answer, repeated": [lost(0, "a0"), turn(5, 6, "a0", "a1")],
    "a lost answer that had no effect": [lost(0, "a0"), turn(5, 6, "a0", "a1"), turn(6, 7, "a1", "a2")],
    "a lost answer behind a later turn": [lost(0, "a0"), turn(1, 2, "a0", "a1"), turn(3, 4, "a1", "a2"), lost(5, "a2"),
                                          turn(6, 7, "a2", "a3")],
    "a thief late, the victim refused": [turn(0, 1, "a0", "a1"), turn(2, 3, "a1", "a2"), turn(4, 5, "a0"),
                                         turn(6, 7, "a2")],
    "a predecessor after the overlap": [turn(0, 1, "a0", "a1"), turn(70, 71, "a0"), turn(72, 73, "a1")],
    "a thief whose answer was lost": [turn(0, 1, "a0", "a1"), turn(2, 3, "a1", "a2"), lost(4, "a0"),
                                      turn(6, 7, "a2")],
    "ended, then refused": [turn(0, 1, "a0", "a1"), end(2, 3), turn(4, 5, "a1")],
    "an end and a turn at once, either way": [end(0, 5), turn(1, 2, "a0", "a1"), turn(6, 7, "a1")],
    "an end that was not told": [end(0, 1, UNKNOWN), turn(2, 3, "a0")],
    "an end that was not told and not done": [end(0, 1, UNKNOWN), turn(2, 3, "a0", "a1")],
    "a stranger changes nothing": [turn(0, 1, "a0", kind=STRANGER), turn(2, 3, "a0", "a1")],
    "a store that went back, an older token": [turn(0, 1, "a0", "a1"), loss(2, 3), turn(4, 5, "a0", "b1")],
    "a store that went back, a token ahead": [turn(0, 1, "a0", "a1"), turn(2, 3, "a1", "a2"), loss(4, 5),
                                              turn(6, 7, "a2"), turn(8, 9, "a0", "b1"), turn(10, 11, "a1")],
    "an end that the store forgot": [end(0, 1), loss(2, 3), turn(4, 5, "a0", "a1")],
    "a store that went back to what it was": [turn(0, 1, "a0", "a1"), loss(2, 3, "a1"), turn(4, 5, "a1", "a2")],
    "a token ahead, believed once the loss is declared": [
        turn(0, 1, "a0", "a1"), turn(1.2, 1.5, "a1", "a2"), loss(2, 3, "a0"), turn(4, 5, "a2"), declared(6, 7),
        turn(8, 9, "a2", "a3"), turn(9.2, 9.5, "a2", "a3"), turn(10, 11, "a3", "a4")],
    "a node that has not heard of it": [turn(0, 1, "a0", "a1"), loss(2, 3, "a0"), declared(4, 8), turn(5, 6, "a1"),
                                        turn(7, 9, "a1", "a2")],
    "two losses": [turn(0, 1, "a0", "a1"), loss(2, 3, "a0"), declared(4, 5), turn(6, 7, "a1", "a2"),
                   turn(7.2, 7.5, "a2", "a3"), loss(8, 9, "a2"), declared(10, 11), turn(12, 13, "a3", "a4")],
}  # fmt: skip

WRONG = {
    "two successors": [turn(0, 1, "a0", "a1"), turn(2, 3, "a0", "b1")],
    "two successors at once": [turn(0, 5, "a0", "a1"), turn(0, 5, "a0", "b1")],
    "a rotation that was told and lost": [turn(0, 1, "a0", "a1"), turn(2, 3, "a1", "a2"), turn(4, 5, "a1", "b2")],
    "an honest client refused": [turn(0, 1, "a0", "a1"), turn(2, 3, "a1")],
    "an honest repeat refused": [turn(0, 1, "a0", "a1"), turn(2, 3, "a0")],
    "an honest loser refused": [turn(0, 9, "a0", "a1"), turn(1, 2, "a0")],
    "given after an end that was told": [end(0, 1), turn(2, 3, "a0", "a1")],
    "given after an end that overlapped an earlier turn": [end(0, 5), turn(1, 2, "a0", "a1"), turn(6, 7, "a1", "a2")],
    "given after a refusal without an end": [turn(0, 1, "a0"), turn(2, 3, "a0", "a1")],
    "a thief is given what is spent": [turn(0, 1, "a0", "a1"), turn(2, 3, "a1", "a2"), turn(4, 5, "a0", "a1")],
    "the overlap is over": [turn(0, 1, "a0", "a1"), turn(100, 101, "a0", "a1")],
    "a generation is left out": [turn(0, 1, "a0", "a2")],
    "the same token again, though it rotates": [turn(0, 1, "a0", "a0")],
    "a stranger is given": [turn(0, 1, "a0", "a1", kind=STRANGER)],
    "the family lives on after reuse": [turn(0, 1, "a0", "a1"), turn(2, 3, "a1", "a2"), turn(4, 5, "a0"),
                                        turn(6, 7, "a2", "a3")],
    "given before anything began it": [turn(2, 3, "a1", "a2"), turn(4, 5, "a0", "a1")],
    "gone back although nothing was lost": [turn(0, 1, "a0", "a1"), turn(2, 3, "a1", "a2"), turn(4, 5, "a2"),
                                            turn(6, 7, "a0", "b1")],
    "lost more than once": [turn(0, 1, "a0", "a1"), loss(2, 3), turn(4, 5, "a0", "b1"), turn(6, 7, "a0", "c1")],
    "a token ahead is given": [turn(0, 1, "a0", "a1"), turn(1.2, 1.5, "a1", "a2"), loss(2, 3),
                               turn(4, 5, "a0", "b1"), turn(6, 7, "a2", "a3")],
    "a token ahead is given before the loss is declared": [
        turn(0, 1, "a0", "a1"), loss(2, 3), turn(4, 5, "a1", "a2"), declared(6, 7)],
    "more is lost than the store went back": [turn(0, 1, "a0", "a1"), turn(1.2, 1.5, "a1", "a2"), loss(2, 3, "a1"),
                                              turn(4, 5, "a0", "b1")],
    "refused although it proved itself": [turn(0, 1, "a0", "a1"), loss(2, 3, "a0"), declared(4, 5), turn(6, 7, "a1")],
    "two successors of what was believed": [turn(0, 1, "a0", "a1"), loss(2, 3, "a0"), declared(4, 5),
                                            turn(6, 7, "a1", "a2"), turn(8, 9, "a1", "b2")],
    "believed, though it has changed since": [
        turn(0, 1, "a0", "a1"), turn(1.2, 1.5, "a1", "a2"), loss(2, 3, "a0"), declared(4, 5), turn(6, 7, "a0", "b1"),
        turn(8, 9, "a2", "a3")],
}  # fmt: skip


@pytest.mark.parametrize("history", RIGHT.values(), ids=RIGHT)
def test_a_right_history_is_explained(history):
    assert wrong(*history) == ""


@pytest.mark.parametrize("history", WRONG.values(), ids=WRONG)
def test_a_wrong_history_is_found(history):
    assert "nothing explains" in wrong(*history)


def test_whoever_proves_nothing_is_not_believed_after_a_loss_and_what_is_ahead_ends_the_family():
    unproved = Rules(proved=False)
    lost_ = [turn(0, 1, "a0", "a1"), loss(2, 3, "a0"), declared(4, 5)]
    assert wrong(*lost_, turn(6, 7, "a0", "b1"), rules=unproved) == "", "what is stored is believed"
    assert wrong(*lost_, turn(6, 7, "a1"), turn(8, 9, "a0"), rules=unproved) == ""
    assert wrong(*lost_, turn(6, 7, "a1", "a2"), rules=unproved)
    assert wrong(*lost_, turn(6, 7, "a1"), turn(8, 9, "a0", "b1"), rules=unproved)


def test_a_reusable_token_stays_what_it_is():
    still = Rules(rotates=False)
    assert wrong(turn(0, 1, "a0", "a0"), turn(2, 3, "a0", "a0"), lost(4, "a0"), rules=still) == ""
    assert wrong(turn(0, 1, "a0", "a1"), rules=still)
    assert wrong(turn(0, 1, "a0"), rules=still)


# ---- a server that is right, and every way of spoiling what it told


@st.composite
def executions(draw):
    """What a right server would tell: operations in the order of their effect, each with a time around that moment."""
    rules = Rules(overlap=draw(st.sampled_from([3.0, 60.0])))
    state, marks, told = State(0, "a0"), {0: "a0"}, []
    for at in range(draw(st.integers(1, 14))):
        kind = draw(st.sampled_from([PRESENT] * 8 + [STRANGER, END]))
        began, ended = at - draw(st.floats(0.01, 3)), at + draw(st.floats(0.01, 3))
        if kind is END:
            op = Operation(began, ended, END, DONE)
        else:
            generation = max(0, state.generation - draw(st.sampled_from([0, 0, 0, 0, 1, 1, 2])))
            op = Operation(began, ended, kind, REFUSED, Token(generation, marks[generation]))
            if kind is PRESENT and not state.ended and state.generation - generation < 2:
                following = generation + 1
                marks.setdefault(following, f"a{following}")
                given_ = op._replace(outcome=GIVEN, got=Token(following, marks[following]))
                op = given_ if steps(state, given_, rules) else op
        state = steps(state, op, rules)[-1]
        told.append(op._replace(outcome=UNKNOWN, got=None) if draw(st.integers(0, 5)) == 0 else op)
    return rules, told


@given(executions())
def test_whatever_a_right_server_tells_is_explained(execution):
    rules, told = execution
    found = explained(told, FIRST, rules)
    assert found.wrong == ""
    called = sorted(told, key=lambda op: op.began)
    assert _fits([called[at] for at in found.order], rules), "and the explanation is one"


@given(executions(), st.integers(0, 20))
def test_a_second_successor_anywhere_is_found(execution, which):
    rules, told = execution
    turns = [op for op in told if op.outcome is GIVEN]
    if turns:
        op = turns[which % len(turns)]
        fork = op._replace(began=op.ended, ended=op.ended + 0.1, got=Token(op.got.generation, "sibling"))
        assert explained([*told, fork], FIRST, rules).wrong


@given(executions())
def test_life_after_an_end_that_was_told_is_found(execution):
    rules, told = execution
    over = max(op.ended for op in told) + 1
    newest = max([FIRST, *(op.got for op in told if op.outcome is GIVEN)])
    late = turn(over + 2, over + 3, newest.mark, f"a{newest.generation + 1}")
    assert explained([*told, end(over, over + 1), late], FIRST, rules).wrong


# ---- the search against every order there is


moments = st.integers(0, 6).map(float)
names = st.sampled_from(["a0", "a1", "b1", "a2"])


@st.composite
def anything(draw):
    """A few operations, right or not."""
    found = []
    for _ in range(draw(st.integers(1, 5))):
        began = draw(moments)
        kind = draw(st.sampled_from([PRESENT] * 6 + [STRANGER, END, LOSS, DECLARED]))
        done = kind in {END, LOSS, DECLARED}
        outcome = draw(st.sampled_from([DONE, UNKNOWN] if done else [GIVEN, GIVEN, REFUSED, UNKNOWN]))
        presented = None if done else token(draw(names))
        got = token(draw(names)) if outcome is GIVEN or (kind is LOSS and draw(st.booleans())) else None
        found.append(Operation(began, began + draw(st.integers(1, 4)), kind, outcome, presented, got))
    return found


def by_trying_every_order(operations, rules):
    owed = [at for at, op in enumerate(operations) if op.outcome is not UNKNOWN]
    free = [at for at, op in enumerate(operations) if op.outcome is UNKNOWN]
    for chosen in range(1 << len(free)):
        places = owed + [at for bit, at in enumerate(free) if chosen >> bit & 1]
        if any(_fits([operations[at] for at in order], rules) for order in permutations(places)):
            return True
    return False


def _fits(order, rules):
    for at, op in enumerate(order):
        if any(op.began > later.until for later in order[at + 1 :]):
            return False
    states = [State(*FIRST)]
    for op in order:
        states = [after for state in states for after in steps(state, op, rules)]
    return bool(states)


@given(anything(), st.sampled_from([Rules(), Rules(overlap=3.0), Rules(rotates=False), Rules(proved=False)]))
@example([lost(0, "a0"), turn(1, 2, "a1", "a2")], Rules())
def test_the_search_agrees_with_trying_every_order(operations, rules):
    assert (explained(operations, FIRST, rules).wrong == "") == by_trying_every_order(operations, rules)
