"""Proof Key for Code Exchange (RFC 7636), S256 only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.protocol.pkce import METHODS, challenge_of, is_challenge, is_verifier, proves

UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
# Appendix B of the RFC.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_r7636_4_3_a_the_rfcs_own_example_proves() -> None:
    assert METHODS == ("S256",)
    assert challenge_of(VERIFIER) == CHALLENGE
    assert proves(VERIFIER, CHALLENGE)


@pytest.mark.parametrize(
    ("length", "good"), [(42, False), (43, True), (64, True), (128, True), (129, False), (0, False)]
)
def test_r7636_4_1_a_a_verifier_has_43_to_128_characters(length: int, good: bool) -> None:
    assert is_verifier("a" * length) is good


@pytest.mark.parametrize("letter", ["+", "/", "=", " ", "%", "\n", "\u00e9", "\u0430", "\x00", "!", ":"])
def test_r7636_4_1_a_of_the_unreserved_set_only(letter: str) -> None:
    for text in ("a" * 42 + letter, letter + "a" * 42, "a" * 50 + letter + "a" * 50):
        assert not is_verifier(text)
        assert not proves(text, CHALLENGE)


@pytest.mark.parametrize(
    "text", ["", CHALLENGE[:-1], CHALLENGE + "A", CHALLENGE[:-1] + "+", CHALLENGE + "=", CHALLENGE + "\n"]
)
def test_a_challenge_is_43_characters_of_base64url(text: str) -> None:
    assert is_challenge(CHALLENGE)
    assert not is_challenge(text)


@given(st.text(UNRESERVED, min_size=43, max_size=128), st.text(UNRESERVED, min_size=43, max_size=128))
def test_r7636_4_6_a_only_the_verifier_of_a_challenge_proves_it(one: str, other: str) -> None:
    assert is_challenge(challenge_of(one))
    assert proves(one, challenge_of(one))
    assert proves(other, challenge_of(one)) is (one == other)


@given(st.text(max_size=140))
def test_r7636_7_2_a_a_challenge_never_proves_itself(text: str) -> None:
    assert not proves(text, text)
