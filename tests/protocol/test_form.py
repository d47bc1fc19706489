"""Forms and queries: one strict reading (RFC 6749 appendix B and section 3.1)."""

from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evergrant.protocol.form import BadForm, FormLimits, is_form, parse_form

LIMITS = FormLimits()


def read(raw: bytes) -> dict[str, str]:
    form = parse_form(raw, LIMITS)
    return {name: value for name in form if (value := form.get(name)) is not None}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", {}),
        (b"&&", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&", {"a": "1"}),
        (b"a=", {}),
        (b"a", {}),
        (b"=1", {"": "1"}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=%31+%2B", {"a": "1 +"}),
        (b"%61=1", {"a": "1"}),
        (b"a=%C3%BC", {"a": "\u00fc"}),
        ("a=\u00fc".encode(), {"a": "\u00fc"}),
        (b"a=b;c=d", {"a": "b;c=d"}),
        (b"A=1&a=2", {"A": "1", "a": "2"}),
    ],
)
def test_a_form_is_read_as_browsers_and_libraries_write_it(raw: bytes, expected: dict[str, str]) -> None:
    assert read(raw) == expected


@pytest.mark.parametrize("raw", [b"a=1&a=1", b"a=1&a=", b"a=&a=1", b"a=&a=", b"a&a=1", b"a=1&%61=2", b"a=1&b=2&a=3"])
def test_r6749_3_1_c_and_a_01_a_repeated_parameter_is_refused_however_it_is_spelled(raw: bytes) -> None:
    with pytest.raises(BadForm, match="repeated"):
        read(raw)


def test_r8707_2_a_only_resource_may_repeat() -> None:
    form = parse_form(b"resource=https%3A%2F%2Fa.example&resource=&resource=https://b.example", LIMITS)
    assert form.resources == ("https://a.example", "https://b.example")
    assert form.get("resource") is None


@pytest.mark.parametrize("bad", [b"%", b"%a", b"%zz", b"%%31", b"%u0041", b"a%"])
def test_a_04_a_percent_sign_means_two_hex_digits(bad: bytes) -> None:
    for raw in (b"a=" + bad, bad + b"=a"):
        with pytest.raises(BadForm, match="hex"):
            read(raw)


CONTROLS = [*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029]


@pytest.mark.parametrize("code", CONTROLS, ids=hex)
def test_a_04_control_characters_are_refused_plain_and_encoded(code: int) -> None:
    letter = chr(code)
    for raw in (f"a={quote_plus(letter)}".encode(), f"a=x{letter}y".encode(), f"{quote_plus(letter)}=1".encode()):
        with pytest.raises(BadForm):
            read(raw)


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x28\xa1"])
def test_a_04_only_utf_8_is_read_and_only_its_shortest_spelling(bad: bytes) -> None:
    for raw in (b"a=" + bad, b"a=" + "".join(f"%{byte:02x}" for byte in bad).encode()):
        with pytest.raises(BadForm, match="UTF-8"):
            read(raw)


def test_a_03_fields_are_counted_and_measured_before_they_are_decoded() -> None:
    limits = FormLimits(3, 10)
    assert len(list(parse_form(b"a=1&b=2&c=3", limits))) == 3
    with pytest.raises(BadForm, match="more than 3"):
        parse_form(b"a=1&b=2&c=3&d=4", limits)
    with pytest.raises(BadForm, match="longer than 10"):
        parse_form(b"a=" + b"%61" * 3, limits)


@pytest.mark.parametrize("secret", [b"refresh_token=s3cr3t%zz", b"s3cr3t=1&s3cr3t=2", b"a=s3cr3t\xff"])
def test_inv_13_what_is_said_of_a_bad_form_reflects_nothing_of_it(secret: bytes) -> None:
    with pytest.raises(BadForm) as told:
        read(secret)
    assert "s3cr3t" not in str(told.value)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=8))
def test_what_a_client_encodes_is_what_is_read(fields: dict[str, str]) -> None:
    try:
        raw = urlencode(fields).encode()
    except UnicodeEncodeError:
        return
    try:
        found = read(raw)
    except BadForm:
        assert any(not text.isprintable() for pair in fields.items() for text in pair)
    else:
        kept = {name: value for name, value in fields.items() if name != "resource"}
        assert found == {name: value for name, value in kept.items() if value}


@given(st.binary(max_size=200))
@example(b"&=&")
@example(b"%00")
def test_inv_14_any_bytes_are_a_form_or_a_bad_form(raw: bytes) -> None:
    try:
        found = read(raw)
    except BadForm:
        return
    for name, value in found.items():
        assert (name + value).isprintable() or not (set(name + value) & {chr(code) for code in CONTROLS})
    assert found == {name: value for name, value in parse_qsl(raw.decode()) if value and name != "resource"}


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("application/x-www-form-urlencoded", True),
        ("Application/X-WWW-Form-Urlencoded", True),
        ("application/x-www-form-urlencoded; charset=utf-8", True),
        ('application/x-www-form-urlencoded;charset="UTF-8"', True),
        ("application/x-www-form-urlencoded; charset=latin-1", False),
        ("application/x-www-form-urlencoded; boundary=x", False),
        ("multipart/form-data", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_a_02_a_content_type_names_a_form_in_utf_8_or_it_does_not(kind: str, known: bool) -> None:
    assert is_form(kind) is known
