"""Redirect URIs: what may be registered, and what matches what was (RFC 9700 section 2.1, RFC 8252)."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evergrant.protocol.redirect import (
    MAX_LENGTH,
    Kind,
    host_of,
    kind_of,
    matches,
    place_of,
    refuse_unregistrable,
    target_of,
)

GOOD = {
    "https://app.example/callback": Kind.HTTPS,
    "https://app.example": Kind.HTTPS,
    "https://app.example/": Kind.HTTPS,
    "https://app.example:8443/cb?tenant=1&x=%2F": Kind.HTTPS,
    "https://xn--bcher-kva.example/cb": Kind.HTTPS,
    "https://10.0.0.1/cb": Kind.HTTPS,
    "https://app.example/..well-known/...": Kind.HTTPS,
    "http://127.0.0.1/cb": Kind.LOOPBACK,
    "http://127.0.0.1:9000/cb": Kind.LOOPBACK,
    "http://[::1]/cb": Kind.LOOPBACK,
    "http://localhost:3000/cb": Kind.LOOPBACK,
    "com.example.app:/callback": Kind.PRIVATE,
    "com.example.app://callback": Kind.PRIVATE,
}
FRAGMENTS = ["https://app.example/cb#", "https://app.example/cb#x", "com.example.app:/cb#x", "http://127.0.0.1/#a"]
SCHEMES = [
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "intent://scan/#Intent;end",
    "vbscript:x",
    "blob:https://app.example/1",
    "ftp://app.example/cb",
    "ws://app.example/cb",
    "about:blank",
    "view-source:https://app.example",
    "http://app.example/cb",
    "http://127.0.0.1.evil.example/cb",
]
PRIVATE = ["myapp:/cb", "myapp://cb", "x:/cb", "app-1:/cb", ".com:/cb", "com.:/cb", "Com.Example.App:/cb", "1.2:/cb"]
LOOPBACK = [
    "http://127.1/cb",
    "http://127.0.0.2/cb",
    "http://127.0.0.01/cb",
    "http://0.0.0.0/cb",
    "http://[::ffff:127.0.0.1]/cb",
    "http://[::]/cb",
    "http://[0:0:0:0:0:0:0:1]/cb",
    "http://2130706433/cb",
    "http://0x7f000001/cb",
    "http://017700000001/cb",
    "http://localhost.evil.example/cb",
    "http://localhost./cb",
    "http://127.0.0.1:0/cb",
    "http://127.0.0.1:65536/cb",
    "http://127.0.0.1:99999/cb",
    "http://127.0.0.1:-1/cb",
    "http://127.0.0.1:x/cb",
]
ODD = [
    "",
    "/cb",
    "cb",
    "//app.example/cb",
    "app.example/cb",
    "https:",
    "https:/app.example/cb",
    "https:app.example/cb",
    "https:///cb",
    "https://",
    "https://good.example@evil.example/cb",
    "https://user:pass@app.example/cb",
    "https://@app.example/cb",
    "https://app.example\\@evil.example/cb",
    "https:\\\\app.example\\cb",
    "https://app.example/\\evil.example",
    "https://app.example /cb",
    "https://app.example/c b",
    "https://app.example/cb\r\nSet-Cookie: a=b",
    "https://app.example/cb\n",
    "https://app.example/\tcb",
    "https://app.example/cb\x00",
    "https://app.exa\u200bmple/cb",
    "https://\u0430pp.example/cb",
    "https://app\uff0eexample/cb",
    "https://app\u3002example/cb",
    "https://b\u00fccher.example/cb",
    "https://ex%61mple.com/cb",
    "https://app.example./cb",
    "https://.example/cb",
    "https://app..example/cb",
    "https://-app.example/cb",
    "https://app_.example/cb",
    "https://*.example/cb",
    "https://app.example:/../cb",
    "https://app.example/cb/../evil",
    "https://app.example/./cb",
    "https://app.example/cb/%2e%2e/evil",
    "https://app.example/cb/%2E./evil",
    "https://app.example/.%2e",
    "https://app.example/cb?x=%",
    "https://app.example/cb?x=%zz",
    "https://app.example/cb?x=%2",
    'https://app.example/cb?x="',
    "https://app.example/<cb>",
    "https://app.example/{cb}",
    "https://app.example/cb|",
    "https://app.example/cb^",
    "https://app.example/cb`",
    "https://[::1/cb",
    "https://[fe80::1%25eth0]/cb",
    "https://" + "a" * 64 + ".example/cb",
    "https://app.example/" + "a" * MAX_LENGTH,
]


@pytest.mark.parametrize(("uri", "kind"), GOOD.items())
def test_a_plain_absolute_address_may_be_registered(uri: str, kind: Kind) -> None:
    assert kind_of(uri) is kind


@pytest.mark.parametrize("uri", FRAGMENTS)
def test_u_04_and_r6749_3_1_2_a_a_fragment_may_not(uri: str) -> None:
    refused(uri)


@pytest.mark.parametrize("uri", ODD)
def test_u_05_and_u_02_nor_odd_characters_hosts_or_paths(uri: str) -> None:
    refused(uri)


@pytest.mark.parametrize("uri", SCHEMES)
def test_u_06_and_r9700_2_6_a_nor_dangerous_schemes_or_plain_http_beyond_loopback(uri: str) -> None:
    refused(uri)


@pytest.mark.parametrize("uri", LOOPBACK)
def test_u_07_nor_other_spellings_of_loopback(uri: str) -> None:
    refused(uri)


@pytest.mark.parametrize("uri", PRIVATE)
def test_u_08_and_o21_2_3_1_a_nor_private_schemes_without_a_dot(uri: str) -> None:
    refused(uri)


WILDCARDS = ["https://app.example/*", "https://app.example/cb?x=*", "http://127.0.0.1:9000/*/cb", "com.example.app:/*"]


@pytest.mark.parametrize("uri", WILDCARDS)
def test_u_01_and_u_05_nor_a_wildcard_which_would_match_itself_alone(uri: str) -> None:
    refused(uri)
    assert kind_of(uri), "one that is registered already is no fault on a page"


@pytest.mark.parametrize("uri", GOOD)
def test_what_has_a_kind_and_no_wildcard_may_be_registered(uri: str) -> None:
    refuse_unregistrable(uri)


def refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r".") as told:
        refuse_unregistrable(uri)
    assert "\n" not in str(told.value)


HTTPS = "https://app.example/cb"
TRICKS = [
    *sorted({*ODD, *SCHEMES, *LOOPBACK, *PRIVATE, *FRAGMENTS}),
    HTTPS + "/",
    HTTPS + "?",
    HTTPS + "?a=1",
    HTTPS + "#",
    HTTPS + ";x",
    HTTPS + "%20",
    HTTPS.upper(),
    "https://app.example:443/cb",
    "https://APP.example/cb",
    "https://app.example/CB",
    "https://app.example/%63b",
    "https://app.example//cb",
    "https://app.example/cb/.",
    "https://app.example/x/../cb",
    "https://app.example.evil.example/cb",
    "https://evil-app.example/cb",
    "https://sub.app.example/cb",
    "https://app.exampl",
    "https://app.example/c",
    "https://app.example/cb" + "\u200b",
    " " + HTTPS,
    HTTPS + " ",
]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("trick", TRICKS)
def test_u_01_u_02_u_03_and_r9700_2_1_a_nothing_but_the_same_characters_matches(trick: str, native: bool) -> None:
    assert matches(HTTPS, (HTTPS,), native=native)
    assert not matches(trick, (HTTPS, "com.example.app:/cb"), native=native)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("port", ["", ":1", ":80", ":8080", ":65535"])
def test_u_07_and_r8252_7_3_a_a_native_app_may_use_any_port_of_the_loopback_literals(host: str, port: str) -> None:
    for registered in (f"http://{host}/cb?x=1", f"http://{host}:9000/cb?x=1"):
        asked = f"http://{host}{port}/cb?x=1"
        assert matches(asked, (registered,), native=True)
        assert matches(asked, (registered,), native=False) is (asked == registered)


@pytest.mark.parametrize(
    "asked",
    [
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:123456/cb",
        "http://127.0.0.1:+80/cb",
        "http://127.0.0.1:80:80/cb",
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1:80/",
        "http://127.0.0.1:80/cb/",
        "http://127.0.0.1:80/cb?x",
        "http://127.0.0.1:80/cb\n",
        "http://127.0.0.1:\u0661/cb",
        "https://127.0.0.1:80/cb",
        "HTTP://127.0.0.1:80/cb",
        "http://localhost:80/cb",
        "http://[::1]:80/cb",
        *LOOPBACK,
    ],
)
def test_u_07_and_r8252_7_3_b_the_rest_stays_exact_and_no_other_name_is_loopback(asked: str) -> None:
    assert not matches(asked, ("http://127.0.0.1:9000/cb",), native=True)


def test_r8252_7_3_b_localhost_matches_only_itself() -> None:
    assert matches("http://localhost:3000/cb", ("http://localhost:3000/cb",), native=True)
    assert not matches("http://localhost:3001/cb", ("http://localhost:3000/cb",), native=True)


@given(st.text(max_size=60))
@example("https://app.example/cb#")
def test_u_01_no_text_that_differs_ever_matches(text: str) -> None:
    assert matches(text, (HTTPS,), native=True) is (text == HTTPS)


@pytest.mark.parametrize(
    ("uri", "host", "place"),
    [
        ("http://127.0.0.1:51712/cb", "127.0.0.1", "127.0.0.1:51712"),
        ("http://[::1]:9000/cb", "::1", "[::1]:9000"),
        ("http://localhost:3000/cb", "localhost", "localhost:3000"),
        ("http://127.0.0.1/cb", "127.0.0.1", "127.0.0.1"),
        ("https://app.example:8443/cb", "app.example", "app.example"),
        ("com.example.app:/cb", "com.example.app", "com.example.app"),
    ],
)
def test_programs_of_one_machine_are_told_apart_by_their_port(uri: str, host: str, place: str) -> None:
    assert (host_of(uri), place_of(uri)) == (host, place)


@given(st.one_of(st.text(max_size=80), st.builds("https://{}/{}".format, st.text(max_size=30), st.text(max_size=30))))
def test_u_05_what_may_be_registered_is_plain_ascii_and_leads_where_it_seems_to(text: str) -> None:
    try:
        kind = kind_of(text)
    except ValueError:
        return
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text
    assert "#" not in text
    if kind is not Kind.PRIVATE:
        assert urlsplit(text).netloc.lower().startswith(host_of(text) if "[" not in text else "[")
    assert target_of(text)
