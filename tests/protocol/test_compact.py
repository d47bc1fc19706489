"""JSON and base64url that mean one thing only: what is taken is what every other reader takes."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evergrant.domain.base64url import encode
from evergrant.protocol.compact import Unreadable, json_object, raw, raw_exact

TEXTS = st.text(st.characters(codec="utf-8"))
NUMBERS = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=settings().max_examples // 2)
@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.booleans(), st.booleans())
def test_an_object_is_read_as_it_was_written_however_it_was_written(found: Any, ascii_: bool, spaced: bool) -> None:
    text = json.dumps(found, ensure_ascii=ascii_, separators=None if spaced else (",", ":")).encode()
    assert json_object(text) == found


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_unreadable(text: bytes) -> None:
    with suppress(Unreadable):
        assert isinstance(json_object(text), dict)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'{ "a" : {"b":1,"b":2} }', b'{"a":[{"b":1,"b":2}]}', b'{"a":NaN}',
        b'{"a":Infinity}', b'{"a":"\\ud800"}', b'{"a":"\xed\xa0\x80"}', b"\xef\xbb\xbf{}", b"{} {}", b"{},", b"[]",
        b"{'a':1}", b'{"a":01}', b'{"a":1' + b"0" * 5_000 + b"}", b'{"a":' * 3_000,
    ],
)  # fmt: skip
def test_j_13_what_two_readers_could_read_two_ways_is_not_read(text: bytes) -> None:
    with pytest.raises(Unreadable):
        json_object(text)


@given(st.binary(max_size=80))
def test_base64url_has_one_spelling(given_: bytes) -> None:
    text = encode(given_)
    assert raw(text) == raw_exact(text) == given_
    for other in (text + b"=", text + b"\n", b" " + text, text + b"+", text + b"/", text + b"A" * (1 - len(text) % 4)):
        if other != text:
            with suppress(Unreadable):
                assert raw_exact(other) != given_


@given(st.binary(max_size=40))
def test_any_text_is_base64url_or_unreadable(text: bytes) -> None:
    with suppress(Unreadable):
        assert encode(raw_exact(text)) == text
