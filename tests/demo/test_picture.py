"""The picture of a family: each state, each deed, who did it, and the same in words."""

import pytest

from evergrant.demo.picture import Deed, Gap, Node, Picture, State, picture
from evergrant.domain.event import What
from evergrant.domain.reason import Reason
from tests.demo.families import THIEF, History


def seen(history: History, later: int = 0) -> Picture:
    return picture(history.family, history.trail, {0: "aaaa0000"}, history.now + later)


def nodes(shown: Picture) -> dict[int, Node]:
    return {part.generation: part for part in shown.parts if isinstance(part, Node)}


def deeds(shown: Picture, generation: int) -> list[tuple[Deed, int, str]]:
    return [(mark.deed, mark.times, mark.stranger) for mark in nodes(shown)[generation].marks]


def test_a_new_family_is_one_unspent_token() -> None:
    shown = seen(History())
    assert [node.state for node in nodes(shown).values()] == [State.NEWEST]
    assert deeds(shown, 0) == [(Deed.BORN, 1, "")]
    assert nodes(shown)[0].fingerprint == "aaaa0000"
    assert (shown.end, shown.sealed_until, shown.title) == (None, 0, "A family of 1 token, alive")
    assert shown.owner == "Firefox on Linux from 192.0.2.1"


def test_a_refresh_spends_a_token_and_seals_its_successor_for_the_overlap() -> None:
    history = History()
    history.refresh()
    shown = seen(history)
    assert [node.state for node in nodes(shown).values()] == [State.REPEATABLE, State.NEWEST]
    assert deeds(shown, 0) == [(Deed.BORN, 1, ""), (Deed.SPENT, 1, "")]
    assert shown.sealed_until == history.now + 60
    assert seen(history, later=60).sealed_until == history.now + 60
    after = seen(history, later=61)
    assert (after.sealed_until, nodes(after)[0].state) == (0, State.SPENT)


def test_only_the_immediate_predecessor_may_come_again() -> None:
    history = History()
    history.refresh(2)
    assert [node.state for node in nodes(seen(history)).values()] == [State.SPENT, State.REPEATABLE, State.NEWEST]


def test_repeats_by_one_party_count_up_and_by_another_stand_apart() -> None:
    history = History()
    history.refresh()
    for _ in range(9):
        history.present(0, after=0)
    history.present(0, THIEF, after=0)
    shown = seen(history)
    stranger = "curl from 203.0.113.66"
    assert deeds(shown, 0)[2:] == [
        (Deed.REPEATED, 9, ""), (Deed.REPEATED, 1, stranger), (Deed.ALARM, 1, stranger)
    ]  # fmt: skip
    assert "came again 9 times at" in shown.told
    assert f"came again very often at 22:13:21 by {stranger}" in shown.told


def test_reuse_names_the_guilty_token_and_ends_the_family() -> None:
    history = History()
    history.refresh(2)
    history.present(0, THIEF)
    shown = seen(history)
    assert [node.guilty for node in nodes(shown).values()] == [True, False, False]
    assert nodes(shown)[2].state is State.VOID
    assert deeds(shown, 0)[-1] == (Deed.REUSED, 1, "curl from 203.0.113.66")
    assert (shown.end.words, shown.end.ran_out, shown.end.at) == ("a spent token came back", False, history.now)
    assert shown.sealed_until == 0
    assert shown.title == "A family of 3 tokens, ended"
    assert shown.told.endswith("The family ended at 22:13:23: a spent token came back.")


def test_a_reuse_that_is_only_observed_ends_nothing_and_says_so() -> None:
    history = History()
    history.policy = history.policy._replace(observe_only=True)
    history.refresh(2)
    history.present(0, THIEF)
    shown = seen(history)
    assert shown.end is None
    assert not any(node.guilty for node in nodes(shown).values())
    assert nodes(shown)[0].marks[-1].note == "recorded only: nothing was ended"


def test_whoever_comes_after_the_end_is_refused_because_it_has_ended() -> None:
    history = History()
    history.refresh(2)
    history.present(0, THIEF)
    history.present(2)
    shown = seen(history)
    assert nodes(shown)[2].marks[-1][:1] == (Deed.REFUSED,)
    assert nodes(shown)[2].marks[-1].note == "the family had ended"


@pytest.mark.parametrize("reason", [each for each in Reason if each is not Reason.REUSE])
def test_every_reason_has_words_of_its_own_and_no_guilty_token(reason: Reason) -> None:
    history = History()
    history.refresh()
    history.end(reason)
    history.tell(What.FAMILY_ENDED, 1, reason)
    shown = seen(history)
    assert shown.end.words != reason.replace("_", " ")
    assert not any(node.guilty for node in nodes(shown).values())
    assert nodes(shown)[1].state is State.VOID


@pytest.mark.parametrize(
    ("later", "words"), [(1_000, "it was not used for too long"), (5_000, "its longest lifetime was over")]
)
def test_a_family_whose_time_is_over_is_void_before_anybody_notices(later: int, words: str) -> None:
    shown = seen(History(), later)
    assert (shown.end.words, shown.end.ran_out) == (words, True)
    assert nodes(shown)[0].state is State.VOID


def test_a_token_that_does_not_match_its_row_raises_an_alarm_in_the_picture() -> None:
    history = History()
    history.tell(What.FAMILY_FORGED, 0, "forged_or_restored", THIEF)
    mark = nodes(seen(history))[0].marks[-1]
    assert (mark.deed, mark.note) == (Deed.ALARM, "forged, or a restored database")


def test_a_long_chain_shows_its_beginning_its_end_and_the_guilty_one() -> None:
    history = History()
    history.refresh(20)
    shape = [part.tokens if isinstance(part, Gap) else f"token {part.generation}" for part in seen(history).parts]
    assert shape == ["token 0", 15, "token 16", "token 17", "token 18", "token 19", "token 20"]
    history.present(7, THIEF)
    shape = [part.tokens if isinstance(part, Gap) else f"token {part.generation}" for part in seen(history).parts]
    assert shape[:4] == ["token 0", 6, "token 7", 8]


def test_events_older_than_the_trail_are_not_missed() -> None:
    history = History()
    history.refresh(3)
    del history.trail[:-1]
    shown = seen(history)
    assert shown.owner == ""
    assert [node.state for node in nodes(shown).values()] == [State.SPENT, State.SPENT, State.REPEATABLE, State.NEWEST]
