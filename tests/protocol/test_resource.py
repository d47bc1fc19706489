"""Resource indicators (RFC 8707): one spelling, and the set of those that are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.protocol.error import Code, Refused
from evergrant.protocol.resource import MAX_RESOURCES, canonical, known_resources

KNOWN = {canonical(uri): None for uri in ("https://api.example", "https://api.example/v1", "urn:example:api")}


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://api.example", "https://api.example"),
        ("https://api.example/", "https://api.example"),
        ("HTTPS://API.Example/", "https://api.example"),
        ("https://API.example/V1", "https://api.example/V1"),
        ("https://api.example/v1/", "https://api.example/v1/"),
        ("https://api.example/?a=B", "https://api.example/?a=B"),
        ("urn:Example:API", "urn:Example:API"),
    ],
)
def test_r8707_2_c_scheme_and_host_in_any_case_the_rest_exact(given: str, normal: str) -> None:
    assert canonical(given) == normal
    assert canonical(normal) == normal


@pytest.mark.parametrize(
    "bad", ["", "api", "/v1", "//api.example", "https://api.example#", "urn:a#b", "https:", "https://[", "a b:c"]
)
def test_r8707_2_a_an_absolute_uri_without_fragment(bad: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical(bad)
    with pytest.raises(Refused) as told:
        known_resources([bad], KNOWN)
    assert told.value.code is Code.INVALID_TARGET


def test_r8707_2_2_b_unknown_ones_and_those_of_other_clients_are_refused() -> None:
    assert known_resources(["https://API.example/", "https://api.example"], KNOWN) == "https://api.example"
    for asked, allowed in ((["https://api.example/v2"], ()), (["https://api.example/v1"], ("https://api.example",))):
        with pytest.raises(Refused) as told:
            known_resources(asked, KNOWN, allowed)
        assert told.value.code is Code.INVALID_TARGET
    assert known_resources(["https://api.example"], KNOWN, ("https://API.example/",)) == "https://api.example"


def test_no_more_than_a_few_at_once() -> None:
    many = {f"https://api{number}.example": None for number in range(MAX_RESOURCES + 1)}
    with pytest.raises(Refused):
        known_resources(many, many)
    assert len(known_resources(list(many)[:MAX_RESOURCES], many).split(" ")) == MAX_RESOURCES


@given(st.text(max_size=60))
def test_a_spelling_is_normal_once_and_for_all_or_is_none(text: str) -> None:
    try:
        normal = canonical(text)
    except ValueError:
        return
    assert canonical(normal) == normal
    assert " " not in normal
