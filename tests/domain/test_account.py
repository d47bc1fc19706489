"""Accounts: one normal form per name, so that two people cannot look the same."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evergrant.domain.account import MAX_NAME, normal_name
from evergrant.testing import specimens

PAIRS = [
    ("Ada@Example.ORG", "ada@example.org"),
    ("e\u0301va", "\u00e9va"),
    ("\uff41da", "ada"),
    ("\ufb01n", "fin"),
    ("STRASSE", "stra\u00dfe"),
    ("\u212bngstrom", "\u00e5ngstrom"),
    ("\u1e9e", "ss"),
    ("  ada  ", "ada"),
    ("\u2460", "1"),
    ("\u03a3", "\u03c2"),
    ("a\u00a0b", "a b"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_05_two_spellings_of_one_name_meet(one, other):
    assert normal_name(one) == normal_name(other)


@given(st.text(max_size=300))
def test_a_05_the_normal_form_is_a_fixed_point(text):
    try:
        name = normal_name(text)
    except ValueError:
        assume(False)
    assert normal_name(name) == name == unicodedata.normalize("NFC", name)
    assert 1 <= len(name) <= MAX_NAME


@pytest.mark.parametrize(
    "bad",
    [
        "", " ", "\t", "a" * 255, "ada\0", "a\nb", "a\u200bb", "\u202eada", "ada\ufeff", "\ud800", "\ue000", "a\u2028b",
        "\U000e0041", "a\u00adb", "\u0378",
    ],
)  # fmt: skip
def test_a_04_control_and_unassigned_characters_are_refused(bad):
    with pytest.raises(ValueError, match="a user name has"):
        normal_name(bad)


@pytest.mark.parametrize(
    "unseen", ["\u034f", "\u115f", "\u1160", "\u3164", "\uffa0", "\u17b4", "\u180b", "\ufe0f", "\U000e0100", "\u2065"]
)
def test_a_05_letters_that_show_nothing_are_refused(unseen):
    with pytest.raises(ValueError, match="invisible"):
        normal_name(f"ada{unseen}@example.org")


def test_an_account_is_disabled_from_the_moment_it_says():
    account = specimens.account()
    assert account.disabled
    assert not replace(account, disabled_at=0).disabled
