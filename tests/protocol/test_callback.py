"""What a browser brings back, and the address it was sent to."""

import pytest

from evergrant.protocol.authorization_url import authorization_url
from evergrant.protocol.callback import came_to, issuer_agrees, read_callback

AT = "https://app.example/connect/plain/callback"


def test_a_callback_is_read_with_all_it_brings():
    callback = read_callback(f"{AT}?code=a%2Bb&state=s&realmId=7&realmId=8#fragment")
    assert (callback.address, callback.code, callback.state, callback.error) == (AT, "a+b", "s", "")
    assert callback.params["realmId"] == "7"


@pytest.mark.parametrize(
    ("query", "error"),
    [("error=access_denied", "access_denied"), ("error=", ""), ("error=a%22b", "malformed"), ("error=%1b", "malformed"),
     ("error=" + "x" * 65, "malformed"), ("error=%C3%A9", "malformed")],
)  # fmt: skip
def test_an_error_code_is_one_or_is_called_malformed(query, error):
    assert read_callback(f"{AT}?{query}").error == error


@pytest.mark.parametrize("twice", ["code", "state", "iss", "error"])
def test_r6749_3_1_c_a_parameter_that_comes_twice_is_refused(twice):
    with pytest.raises(ValueError, match=f"{twice} twice"):
        read_callback(f"{AT}?{twice}=a&{twice}=a")


@pytest.mark.parametrize(
    ("url", "redirect_uri", "came"),
    [
        (f"{AT}?code=x", AT, True),
        ("/connect/plain/callback?code=x", AT, True),
        (f"{AT}/?code=x", AT, False),
        (f"{AT}?code=x".replace("https", "http"), AT, False),
        (f"{AT}?code=x".replace("app", "APP"), AT, False),
        ("https://app.example:443/connect/plain/callback?code=x", AT, False),
        ("https://app.example/connect/%70lain/callback", AT, False),
        (f"{AT}?code=x&site=1", f"{AT}?site=1", True),
        (f"{AT}?code=x&site=2", f"{AT}?site=1", False),
        (f"{AT}?code=x", f"{AT}?site=1", False),
    ],
)
def test_a_callback_came_to_one_address_exactly(url, redirect_uri, came):
    assert came_to(read_callback(url), redirect_uri) is came


@pytest.mark.parametrize(
    ("query", "issuer", "always", "agrees"),
    [
        ("iss=https://as.example", "https://as.example", True, True),
        ("iss=https://as.example", "https://as.example", False, True),
        ("iss=https://as.example/", "https://as.example", True, False),
        ("iss=https://AS.example", "https://as.example", True, False),
        ("iss=https://as.example:443", "https://as.example", True, False),
        ("iss=", "https://as.example", False, False),
        ("x=1", "https://as.example", True, False),
        ("x=1", "https://as.example", False, True),
        ("iss=https://as.example", "", False, True),
    ],
)
def test_r9207_2_4_a_the_four_cases_of_an_issuer_in_the_answer(query, issuer, always, agrees):
    assert issuer_agrees(read_callback(f"{AT}?{query}"), issuer, always=always) is agrees


def test_an_authorization_request_keeps_the_endpoints_own_query_and_leaves_out_what_is_empty():
    url = authorization_url("https://as.example/a?tenant=1", {"scope": "a b", "state": "+/=", "nonce": ""})
    assert url == "https://as.example/a?tenant=1&scope=a%20b&state=%2B%2F%3D"


def test_an_endpoint_that_names_one_of_our_parameters_is_refused():
    with pytest.raises(ValueError, match="redirect_uri"):
        authorization_url("https://as.example/a?redirect_uri=https://evil.example", {"redirect_uri": AT})
