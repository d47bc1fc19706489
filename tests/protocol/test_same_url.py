"""Two spellings of one address are one, and two addresses are two (RFC 9449 section 4.3, RFC 3986 section 6.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.protocol.same_url import normal_url

OURS = "https://id.example/token"


@pytest.mark.parametrize(
    "spelled",
    [
        "https://id.example/token",
        "HTTPS://ID.Example/token",
        "https://id.example:443/token",
        "https://id.example/token?x=1",
        "https://id.example/token#here",
        "https://id.example/t%6Fken",
        "https://id.example/./token",
        "https://id.example/other/../token",
    ],
)
def test_r9449_4_3_6_spellings_of_one_address_are_one(spelled):
    assert normal_url(spelled) == OURS


@pytest.mark.parametrize(
    "spelled",
    [
        "http://id.example/token",
        "https://id.example:8443/token",
        "https://id.example/token/",
        "https://id.example/Token",
        "https://id.example//token",
        "https://id.example.evil/token",
        "https://evil@id.example/token",
        "https://id.example%2etoken",
        "https://id.example/tok%en",
        "https://id.example/\ttoken",
        "https:\\\\id.example\\token",
        "//id.example/token",
        "/token",
        "urn:token",
        "https://id.example:99999/token",
        "https://[::1/token",
        "",
        "https://id.example/" + "a" * 5_000,
    ],
)
def test_r9449_4_3_6_another_address_is_another(spelled):
    assert normal_url(spelled) != OURS


@pytest.mark.parametrize(
    ("spelled", "normal"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("http://[::1]:80/a", "http://[::1]/a"),
        ("https://x.example/a%2fb", "https://x.example/a%2Fb"),
        ("https://x.example/a/..", "https://x.example/"),
        ("https://x.example/a/.", "https://x.example/a/"),
        ("https://x.example/../../a", "https://x.example/a"),
    ],
)
def test_the_normal_form_is_that_of_the_rfc(spelled, normal):
    assert normal_url(spelled) == normal


@given(st.text(max_size=60))
def test_any_text_has_a_normal_form_or_none_and_the_form_is_its_own(text):
    for url in (text, "https://id.example/" + text):
        normal = normal_url(url)
        assert normal == "" or normal_url(normal) == normal
