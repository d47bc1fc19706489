"""Public identifiers say what they name, in one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.domain.id import Kind, parse, text

raws = st.binary(min_size=16, max_size=16)


@given(st.sampled_from(list(Kind)), raws)
def test_an_identifier_is_read_back(kind, raw):
    assert parse(kind, text(kind, raw)) == raw
    assert len(text(kind, raw)) == 26


@given(st.sampled_from(list(Kind)), st.sampled_from(list(Kind)), raws)
def test_no_kind_passes_for_another(kind, other, raw):
    assert (parse(other, text(kind, raw)) is None) == (kind is not other)


@given(raws)
def test_an_identifier_has_one_spelling(raw):
    given_text = text(Kind.FAMILY, raw)
    for spelled in (
        given_text.replace("-", "+").replace("_", "/"),
        given_text + "=",
        given_text.upper(),
        given_text[:-1] + chr(ord(given_text[-1]) ^ 1),
        " " + given_text,
    ):
        assert spelled == given_text or parse(Kind.FAMILY, spelled) != raw


@given(st.text(max_size=40) | st.text(min_size=22, max_size=22).map("fam_".__add__))
def test_a_04_no_text_raises(given_text):
    raw = parse(Kind.FAMILY, given_text)
    assert raw is None or text(Kind.FAMILY, raw) == given_text


@pytest.mark.parametrize("bad", ["", "fam_", "fam_AAAA", "fam_" + "A" * 23, "fam_" + "A" * 21 + "B", "fam_" + "é" * 22])
def test_what_is_not_an_identifier_is_none(bad):
    assert parse(Kind.FAMILY, bad) is None
