"""Words for people: strangers' text made harmless, and times as one would say them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.web.look import wording

NOW = 1_772_366_404
DAY = 86_400


@given(text=st.text(max_size=500), limit=st.integers(8, 100))
def test_s_06_whatever_comes_in_one_clean_line_comes_out(text: str, limit: int) -> None:
    shown = wording.plain(text, limit)
    assert len(shown) <= limit
    assert shown == " ".join(shown.split())
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not [letter for letter in shown if unicodedata.category(letter) in hidden and letter not in "\u200c\u200d"]


@given(text=st.text(max_size=60))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert wording.plain(wording.plain(text)) == wording.plain(text)


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("Ledger", "Ledger"),
        ("  Led\n\tger  ", "Led ger"),
        ("\u202eregdeL", "regdeL"),
        ("Led\u200bger\u00ad", "Ledger"),
        ("Le\u0301on", "Léon"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d💻 tools", "👩\u200d💻 tools"),
        ("", "Unnamed application"),
        (None, "Unnamed application"),
        ("\u3164\u2800\u200d", "Unnamed application"),
        ("x" * 65, "x" * 63 + "…"),
        ("x" * 64, "x" * 64),
        ("A" + "\u0336" * 50, "A" + "\u0336" * 3),
    ],
)
def test_s_06_a_name_is_what_it_looks_like(given_name, shown) -> None:
    assert wording.name_of(given_name) == shown


def test_a_name_of_many_megabytes_costs_no_more_than_a_long_one() -> None:
    assert len(wording.name_of("\u0301" * 8_000_000)) <= 64


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("ledger.example.com", "ledger.example.com"),
        ("аррӏе.com", "xn--80ak6aa92e.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("\u202e.example", "?.example"),
    ],
)
def test_s_06_a_host_is_shown_in_ascii(host: str, shown: str) -> None:
    assert wording.host_of(host) == shown


def test_s_06_a_host_is_never_cut() -> None:
    host = "accounts.example.com." + "a" * 200 + ".evil.example"
    assert wording.host_of(host) == host


@pytest.mark.parametrize(
    ("url", "web", "app"),
    [
        ("https://a.example/x", True, True),
        ("http://127.0.0.1:8000/", True, True),
        ("com.example.app:/bye", False, True),
        ("javascript:alert(1)", False, False),
        ("JavaScript:alert(1)", False, False),
        ("java\nscript:alert(1)", False, False),
        (" javascript:alert(1)", False, False),
        ("data:text/html,x", False, False),
        ("view-source:https://a.example", False, False),
        ("https:", False, False),
        ("https:///x", False, False),
        ("https://[oops", False, False),
        ("https://a.example\\@evil", False, False),
        ("//evil.example", False, False),
        ("/relative", False, False),
        ("", False, False),
        (None, False, False),
    ],
)
def test_s_16_only_addresses_that_run_nothing_become_links(url, web: bool, app: bool) -> None:
    assert wording.web_link(url) == (url if web else None)
    assert wording.app_link(url) == (url if app else None)


def test_support_may_be_a_mail_address() -> None:
    assert wording.support_link("mailto:help@example.com") == "mailto:help@example.com"
    assert wording.support_link("https://help.example.com") == "https://help.example.com"
    assert wording.support_link("javascript:alert(1)") is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "127.9.9.9", "[::1]:80", "LOCALHOST:1"])
def test_a_host_on_this_device_is_known(host: str) -> None:
    assert wording.is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example", "127.0.0.1.example", "a.localhost.evil", "1127.0.0.1", ""])
def test_a_host_elsewhere_does_not_pass_for_this_device(host: str) -> None:
    assert not wording.is_loopback(host)


@pytest.mark.parametrize(
    ("name", "letter"), [("ledger", "L"), ("ßtraße", "S"), ("دفتر", "د"), ("<b>", ""), ("", ""), ("\u202eab", "A")]
)
def test_a_client_without_a_picture_has_a_letter_or_none(name: str, letter: str) -> None:
    assert wording.initial_of(name) == letter


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (-30, "just now"),
        (0, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3_599, "59 minutes ago"),
        (2 * 3_600, "2 hours ago"),
        (DAY, "1 day ago"),
        (30 * DAY, "30 days ago"),
        (40 * DAY, "on 20 January 2026"),
    ],
)
def test_how_long_ago(passed: int, said: str) -> None:
    assert wording.ago(NOW - passed, NOW) == said


@pytest.mark.parametrize(
    ("left", "said"),
    [(-5, "within a minute"), (90, "in 1 minute"), (12 * DAY, "in 12 days"), (325 * DAY, "on 20 January 2027")],
)
def test_how_long_until(left: int, said: str) -> None:
    assert wording.until(NOW + left, NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "1 second"), (0, "1 second"), (1, "1 second"), (60, "60 seconds"), (61, "2 minutes"), (3_601, "2 hours")],
)
def test_a_wait_is_never_told_too_short(seconds: int, said: str) -> None:
    assert wording.wait(seconds) == said


@pytest.mark.parametrize("at", [-1, 0, 2**31, 2**62])
def test_any_instant_can_be_said(at: int) -> None:
    for say in (wording.iso, wording.date, wording.minute, wording.second):
        assert say(at)


def test_an_instant_is_said_to_the_precision_asked() -> None:
    assert wording.iso(NOW) == "2026-03-01T12:00:04Z"
    assert wording.date(NOW) == "1 March 2026"
    assert wording.minute(NOW) == "1 March 2026, 12:00 UTC"
    assert wording.second(NOW) == "1 March 2026, 12:00:04 UTC"


@pytest.mark.parametrize(
    ("absolute", "idle", "offline", "said"),
    [
        (365 * DAY, 30 * DAY, True, "For up to 365 days; ends after 30 days without use."),
        (DAY, DAY, True, "For up to 1 day."),
        (365 * DAY, 3_600, False, "Until you sign out of this browser; ends after 1 hour without use."),
    ],
)
def test_asvs_10_7_2_how_long_is_one_sentence(absolute: int, idle: int, offline: bool, said: str) -> None:
    assert wording.lifetime_sentence(absolute, idle, offline=offline) == said
