"""Scopes and resources are sets in one normal form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain.scope import ScopeSyntaxError, as_asked, join, parse_scope, split, within

names = st.text(st.sampled_from("abAB:/.!#[]~-"), min_size=1, max_size=6)
sets = st.frozensets(names, max_size=6)


@given(st.lists(names, max_size=8))
def test_r6749_3_3_a_order_and_duplicates_mean_nothing(items):
    assert join(items) == join(list(reversed(items)) + items)
    assert parse_scope(" ".join(items)) == frozenset(items)
    assert split(join(items)) == tuple(sorted(set(items)))


@given(sets)
def test_the_normal_form_is_a_fixed_point(scopes):
    assert join(parse_scope(join(scopes))) == join(scopes)
    assert join(split(join(scopes))) == join(scopes)


@given(sets, sets)
def test_inv_9_within_is_the_subset_relation(asked, granted):
    assert within(join(asked), join(granted)) == (asked <= granted)
    assert within(join(granted), join(granted))
    assert within("", join(granted))


@pytest.mark.parametrize("case", ["OPENID", "Openid", "openid\u200b", "\uff4fpenid", "openid ", "openid\u00a0"])
def test_rt_19_case_and_look_alikes_are_other_scopes(case):
    assert not within(case, "openid") or case == "openid "
    assert not within(case, "openid profile")


@pytest.mark.parametrize(
    "bad", ["a\tb", "a\nb", 'a"b', "a\\b", "é", "a\x7f", "\0", "a\u2028", "openid\n", "\U0001f98a"]
)
def test_characters_outside_the_grammar_are_refused(bad):
    with pytest.raises(ScopeSyntaxError):
        parse_scope(bad)


def test_every_character_of_the_grammar_is_taken_and_no_other():
    allowed = {chr(c) for c in range(0x21, 0x7F)} - {'"', "\\"}
    for code in range(0x250):
        letter = chr(code)
        if letter == " ":
            continue
        if letter in allowed:
            assert parse_scope(letter) == {letter}
        else:
            with pytest.raises(ScopeSyntaxError):
                parse_scope(letter)


def test_nothing_is_the_empty_set():
    assert parse_scope("") == parse_scope("   ") == frozenset()
    assert join([]) == ""
    assert split("") == ()


@pytest.mark.parametrize(
    ("given_", "among", "shown"),
    [
        ("profile email openid", "email openid profile", ("openid", "profile", "email")),
        ("notes:write notes:read", "notes:read notes:write", ("notes:write", "notes:read")),
        ("b a b", "a b", ("b", "a")),
        ("", "b a openid", ("openid", "a", "b")),
        ("z nobody y", "y z", ("z", "y")),
        ("a", "", ()),
    ],
)
def test_people_are_shown_openid_first_and_the_rest_as_it_was_asked(given_, among, shown):
    assert as_asked(given_, join(among.split())) == shown


@given(st.text(max_size=30), sets)
def test_whatever_was_asked_what_is_shown_is_what_is_allowed(text, scopes):
    assert join(as_asked(text, join(scopes))) == join(scopes)
