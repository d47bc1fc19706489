"""base64url without padding, the way the standard library and the RFC have it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain import base64url


@given(st.binary(max_size=200))
def test_text_goes_there_and_back(raw):
    text = base64url.encode(raw)
    assert text == urlsafe_b64encode(raw).rstrip(b"=")
    assert base64url.decode(text.decode()) == raw
    assert base64url.decode(text.decode()) == urlsafe_b64decode(text + b"=" * (-len(text) % 4))


@pytest.mark.parametrize("bad", ["A", "AAAAA", "é", "\ud800"])
def test_what_cannot_be_read_is_a_value_error(bad):
    with pytest.raises(ValueError, match=r"."):
        base64url.decode(bad)


def test_the_vectors_of_rfc_4648():
    words = {b"": b"", b"f": b"Zg", b"fo": b"Zm8", b"foo": b"Zm9v", b"foob": b"Zm9vYg", b"\xfb\xff\xfe": b"-__-"}
    assert {raw: base64url.encode(raw) for raw in words} == words
