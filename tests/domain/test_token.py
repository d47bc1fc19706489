"""The token's text: authentic or nothing, before any row is read."""

import hmac
import re
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain import token as tokens
from evergrant.domain.token import RefreshToken, kind_of, read_refresh, write_opaque, write_refresh

KEYS = {1: b"\x01" * 32, 255: b"\xff" * 32}
TOKEN = RefreshToken(1, bytes(range(16)), 7, bytes(range(100, 132)))
TEXT = write_refresh(TOKEN, KEYS[1])

authentic = st.builds(
    RefreshToken,
    st.sampled_from(sorted(KEYS)),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=32, max_size=32),
)


@given(authentic)
def test_what_was_written_is_read_and_written_the_same_again(token):
    text = write_refresh(token, KEYS[token.version])
    assert read_refresh(text, KEYS) == token
    assert write_refresh(token, KEYS[token.version]) == text


@given(authentic)
def test_r6749_a_17_a_refresh_token_is_printable_and_of_one_length(token):
    text = write_refresh(token, KEYS[token.version])
    assert re.fullmatch(r"egr_[A-Za-z0-9_-]{92}", text)
    assert len(text) == tokens.REFRESH_LENGTH == 96


def test_r6749_10_10_a_o21_7_7_a_a_token_holds_256_random_bits():
    assert tokens.SECRET_LENGTH * 8 == 256
    assert tokens.MAC_LENGTH * 8 == 128


def test_rt_25_r6749_10_4_b_flipping_any_bit_of_any_byte_gives_nothing():
    flipped = 0
    for place in range(len(TEXT)):
        for bit in range(7):
            letter = chr(ord(TEXT[place]) ^ 1 << bit)
            assert read_refresh(TEXT[:place] + letter + TEXT[place + 1 :], KEYS) is None
            flipped += 1
    assert flipped == 96 * 7


def test_rt_25_flipping_any_bit_inside_the_token_gives_nothing():
    raw = urlsafe_b64decode(TEXT[4:])
    for place in range(len(raw)):
        for bit in range(8):
            changed = raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]
            assert read_refresh("egr_" + urlsafe_b64encode(changed).decode(), KEYS) is None


@pytest.mark.parametrize("place", range(4, 96))
def test_rt_25_any_other_letter_anywhere_gives_nothing(place):
    for letter in string.printable:
        if letter != TEXT[place]:
            assert read_refresh(TEXT[:place] + letter + TEXT[place + 1 :], KEYS) is None


@given(authentic)
def test_rt_25_a_token_has_one_spelling(token):
    text = write_refresh(token, KEYS[token.version])
    other = text[:4] + text[4:].replace("-", "+").replace("_", "/")
    assert other == text or read_refresh(other, KEYS) is None
    assert read_refresh(text + "=", KEYS) is None
    assert read_refresh(text.swapcase(), KEYS) is None


def test_rt_25_truncated_and_extended_tokens_give_nothing():
    for length in range(len(TEXT)):
        assert read_refresh(TEXT[:length], KEYS) is None
        assert read_refresh(TEXT[length:], KEYS) is None or length == 0
    for more in ("A", "=", "AAAA", " ", "\n", "\0", TEXT):
        assert read_refresh(TEXT + more, KEYS) is None
        assert read_refresh(more + TEXT, KEYS) is None
        assert read_refresh(TEXT[:50] + more + TEXT[50 + len(more) :], KEYS) is None


@given(st.text(max_size=200) | st.text(st.characters(codec="ascii"), min_size=92, max_size=92).map("egr_".__add__))
def test_a_04_no_text_whatever_raises(text):
    assert read_refresh(text, KEYS) is None


@pytest.mark.parametrize("odd", ["\ud800", "é", "\u0661", "\0", "\x7f", "\U0001f98a"])
def test_a_04_letters_that_are_not_ascii_give_nothing(odd):
    assert read_refresh(TEXT[:-1] + odd, KEYS) is None


@pytest.mark.parametrize("prefix", [*tokens.PREFIXES[1:], "EGR_", "egr-", "eyJh", "    "])
def test_rt_24_another_prefix_gives_nothing(prefix):
    assert read_refresh(prefix + TEXT[4:], KEYS) is None


def test_rt_24_the_prefix_is_under_the_mac():
    raw = urlsafe_b64decode(TEXT[4:])
    body = raw[: -tokens.MAC_LENGTH]
    for prefix in (b"", b"ega_", b"egc_"):
        mac = hmac.digest(KEYS[1], prefix + body, "sha256")[: tokens.MAC_LENGTH]
        assert read_refresh("egr_" + urlsafe_b64encode(body + mac).decode(), KEYS) is None


@given(authentic, st.binary(min_size=32, max_size=32))
def test_r9700_4_14_2_d_another_key_or_another_version_gives_nothing(token, key):
    text = write_refresh(token, key)
    assert read_refresh(text, {}) is None
    assert read_refresh(text, {token.version: bytes(byte ^ 1 for byte in key)}) is None
    assert read_refresh(text, {token.version ^ 1: key}) is None
    assert read_refresh(text, {token.version: key}) == token


@given(authentic)
def test_o_11_tokens_of_an_older_key_version_stay_readable(token):
    text = write_refresh(token, KEYS[token.version])
    assert read_refresh(text, {**KEYS, 2: b"new" * 11}) == token


@given(authentic, authentic)
def test_two_tokens_never_share_a_text(one, other):
    same = write_refresh(one, KEYS[one.version]) == write_refresh(other, KEYS[other.version])
    assert same == (one == other)


def test_every_kind_has_a_prefix_of_its_own():
    assert len(set(tokens.PREFIXES)) == len(tokens.PREFIXES) == 7
    assert all(re.fullmatch(r"eg[a-z]_", prefix) for prefix in tokens.PREFIXES)
    assert kind_of(TEXT) == tokens.REFRESH
    for prefix in tokens.PREFIXES:
        text = write_opaque(prefix, b"\xff" * 32)
        assert kind_of(text) == prefix
        assert re.fullmatch(prefix + r"[A-Za-z0-9_-]{43}", text)
        assert read_refresh(text, KEYS) is None


@pytest.mark.parametrize("text", ["", "egr", "eg", "EGR_x", "xegr_", "eyJhbGciOiJFUzI1NiJ9", "\ud800egr_"])
def test_what_is_not_ours_has_no_kind(text):
    assert kind_of(text) == ""
