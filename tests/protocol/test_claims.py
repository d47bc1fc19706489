"""Claims requests (OpenID Connect Core section 5.5): the understood part in one normal form, or a syntax error."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evergrant.domain.account import Account
from evergrant.protocol.claims import (
    MAX_BRACKETS,
    PLACES,
    UNDERSTOOD,
    ClaimsSyntaxError,
    asked_claims,
    normal_claims,
    person_claims,
    reaches,
    userinfo_names,
    wanted_subject,
)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("{}", ""),
        ('{"userinfo":null}', ""),
        ('{"userinfo":{"email":null,"x":null}}', '{"userinfo":{"email":null}}'),
        (
            '{"id_token":{"email":{"essential":true}},"other":{"email":null}}',
            '{"id_token":{"email":{"essential":true}}}',
        ),
        (' { "userinfo" : { "name" : { } } } ', '{"userinfo":{"name":{}}}'),
    ],
)
def test_unknown_claims_and_places_are_left_out(text: str, normal: str) -> None:
    assert normal_claims(text) == normal


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "1", "null", '"x"', '{"userinfo":1}', '{"userinfo":[1]}', '{"userinfo":{"email":true}}',
     '{"userinfo":{"email":"x"}}', '{"userinfo":{"x":[]}}', "{" * 300, "[" * 300 + "]" * 300, '{"a":' * 300 + "}" * 300,
     "{}" + " " * 5_000, '"\\ud800"', '{"userinfo":{"email":null}', "{'userinfo':{}}", "\ufeff{}"],
)  # fmt: skip
def test_a_04_what_is_no_claims_request_is_a_syntax_error(text: str) -> None:
    with pytest.raises(ClaimsSyntaxError):
        normal_claims(text)


def test_a_03_nesting_is_bounded_far_below_what_the_decoder_can_do() -> None:
    deep = MAX_BRACKETS - 3
    text = '{"id_token":{"sub":{"value":' + "[" * deep + "]" * deep + "}}}"
    assert wanted_subject(normal_claims(text)) == ""
    with pytest.raises(ClaimsSyntaxError):
        normal_claims(text.replace("[", "[[").replace("]", "]]"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*UNDERSTOOD, "x", "value"]), inner, max_size=3)
    ),
    max_leaves=12,
)
REQUEST = st.dictionaries(st.sampled_from([*PLACES, "other"]), JSON, max_size=3)


@given(REQUEST)
@example({"id_token": {"sub": {"value": "\x00"}}})
def test_a_normal_form_is_normal_and_everything_can_be_read_from_it(asked: dict[str, object]) -> None:
    try:
        normal = normal_claims(json.dumps(asked))
    except ClaimsSyntaxError:
        return
    assert normal == "" or normal_claims(normal) == normal
    assert isinstance(wanted_subject(normal), str)
    assert isinstance(reaches(normal, "x"), bool)
    for place in PLACES:
        assert set(asked_claims(normal, place)) <= UNDERSTOOD
    account = Account(
        "usr_x", "ada", "ada@example.com", "", 0, claims={"name": "Ada", "address": None, "role": "admin"}
    )
    assert set(person_claims(account, userinfo_names("openid profile email", normal))) <= {
        "name", "preferred_username", "email", "email_verified",
    }  # fmt: skip


@given(st.text(max_size=200))
def test_inv_14_any_text_is_a_request_or_a_syntax_error(text: str) -> None:
    try:
        normal = normal_claims(text)
    except ClaimsSyntaxError:
        return
    assert normal == "" or json.loads(normal)
