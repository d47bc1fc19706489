"""Every page, read as a browser's parser reads it, on good days and with a stranger's values in it."""

import dataclasses
import re
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.issuer.pages.view import TEMPLATES, FormPostPage, Page, Pages
from tests.issuer.pages.reading import Element, Reading
from tests.issuer.pages.samples import BAD, GOOD, HOSTILE, LONG, MARKUP

PAGES = Pages("Evergrant", "https://support.example.com/", "/auth")
EVERY = [pytest.param(page, id=f"good_{name}") for name, page in GOOD.items()] + [
    pytest.param(page, id=f"bad_{name}") for name, page in BAD.items()
]
every_page = pytest.mark.parametrize("page", EVERY)


def read(page: Page) -> Reading:
    return Reading(PAGES.render(page))


def labelled(reading: Reading, element: Element) -> str:
    """The accessible name of a control, as far as these pages make one."""
    if "aria-label" in element.attributes:
        return element.attributes["aria-label"]
    if element.tag == "input":
        return reading.one("label", **{"for": element.attributes["id"]}).text.strip()
    return element.text.strip()


def test_every_page_has_a_template_and_a_sample() -> None:
    assert set(get_args(Page)) == set(TEMPLATES) == {type(page) for page in GOOD.values()}
    assert {type(page) for page in BAD.values()} == set(TEMPLATES)


@every_page
def test_a_page_tells_a_screen_reader_what_it_is(page: Page) -> None:
    reading = read(page)
    assert reading.one("html").attributes["lang"] == "en"
    assert reading.one("title").text.endswith(" · Evergrant")
    assert reading.one("h1").text.strip()
    assert len(reading.all("main")) == len(reading.all("header")) == len(reading.all("footer")) == 1
    assert "width=device-width" in reading.one("meta", name="viewport").attributes["content"]


@every_page
def test_headings_descend_one_step_at_a_time(page: Page) -> None:
    levels = [int(element.tag[1]) for element in read(page).elements if re.fullmatch(r"h[1-6]", element.tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels


@every_page
def test_every_control_has_a_name_and_every_reference_an_end(page: Page) -> None:
    reading = read(page)
    controls = [*reading.all("button"), *reading.all("a"), *reading.all("summary")]
    controls += [element for element in reading.all("input") if element.attributes["type"] != "hidden"]
    for control in controls:
        assert labelled(reading, control), control
    for element in reading.elements:
        for name in ("aria-describedby", "aria-labelledby", "for"):
            for target in element.attributes.get(name, "").split():
                assert reading.by_id(target)
    ids = [element.attributes["id"] for element in reading.elements if "id" in element.attributes]
    assert sorted(ids) == sorted(set(ids))
    assert len([element for element in reading.elements if "autofocus" in element.attributes]) <= 1


@every_page
def test_s_01_every_form_posts_with_the_session_bound_token_and_its_flow(page: Page) -> None:
    forms = read(page).all("form")
    for form in forms:
        assert form.attributes["method"] == "post"
        hidden = {
            e.attributes["name"]: e.attributes["value"] for e in form.within if e.attributes.get("type") == "hidden"
        }
        if isinstance(page, FormPostPage):
            assert "csrf" not in hidden, "the client must never learn it"
            continue
        assert form.attributes["action"].startswith("/auth/")
        assert hidden["csrf"] == page.csrf  # type: ignore[union-attr]
        assert hidden.get("flow") == getattr(page, "flow", None)


@every_page
def test_s_16_nothing_a_stranger_supplies_becomes_markup_or_script(page: Page) -> None:
    text = PAGES.render(page)
    reading = Reading(text)
    scripts = reading.all("script")
    assert len(scripts) == (1 if isinstance(page, FormPostPage) else 0)
    assert "{{" not in text or "{{ 7*7 }}" in text, "a template expression was printed"
    for element in reading.elements:
        assert element.tag not in {"style", "iframe", "object", "embed", "base", "b", "i"}
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
        assert not element.attributes.get("href", "").lower().startswith(("javascript:", "data:"))
        if element.tag == "img":
            assert element.attributes["src"].startswith("/auth/static/mark.")


@every_page
def test_r9700_4_2_a_a_page_loads_nothing_from_another_origin(page: Page) -> None:
    reading = read(page)
    loaded = [element.attributes["href"] for element in reading.all("link")]
    loaded += [element.attributes["src"] for element in reading.elements if "src" in element.attributes]
    assert all(address.startswith("/auth/static/") for address in loaded)
    assert len(loaded) >= 2


@every_page
def test_s_06_no_character_that_turns_or_hides_text_is_shown(page: Page) -> None:
    reading = read(page)
    shown = reading.one("body").text + reading.one("title").text
    shown += "".join(e.attributes.get("aria-label", "") for e in reading.elements)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\ufeff\u3164]", shown)


def test_s_06_a_client_name_is_isolated_and_cut_wherever_it_stands() -> None:
    for page in BAD.values():
        for element in read(page).all("bdi", **{"class": "named"}):
            assert len(element.text) <= 96
        assert LONG[:100] not in read(page).one("h1").text


def test_s_06_consent_shows_the_host_whole_and_says_unverified() -> None:
    reading = read(BAD["consent_zalgo"])
    assert "xn--80ak6aa92e.com" in reading.words()
    assert "Not verified." in reading.words()
    assert read(BAD["consent"]).words().count("evil.example") == 1
    assert "Not verified." not in read(GOOD["consent"]).words()


def test_s_06_a_look_alike_host_is_shown_as_what_it_is() -> None:
    assert "xn--80ak6aa92e.com" in read(BAD["consent_nameless"]).words()
    assert "Allow Unnamed application to use your account?" in read(BAD["consent_nameless"]).words()


def test_s_06_a_client_on_this_device_is_told_from_a_site() -> None:
    words = read(GOOD["consent_more"]).words()
    assert "It runs on this device, at 127.0.0.1:51712" in words
    assert "Any program on this device could use its name." in words


def test_asvs_10_7_2_consent_names_client_rights_lifetime_and_the_way_back() -> None:
    reading = read(GOOD["consent"])
    words = reading.words()
    for said in (
        "Allow Ledger to use your account?",
        "Place and change orders in your name",
        "orders:write",
        "https://api.example.com/orders",
        "For up to 365 days; ends after 30 days without use.",
        "It stays signed in after you close this browser.",
        "ana@example.com",
    ):
        assert said in words
    assert reading.one("a", href="/account").text == "your account"
    decisions = [(e.attributes["value"], e.text) for e in reading.all("button", name="decision")]
    assert decisions == [("deny", "Deny"), ("allow", "Allow")]


def test_consent_shows_what_is_new_before_what_was_allowed() -> None:
    words = read(GOOD["consent_more"]).words()
    assert words.index("It asks for something new") < words.index("notes:write")
    assert words.index("notes:write") < words.index("You already allowed") < words.index("notes:read")


def test_sign_in_works_with_a_password_store() -> None:
    reading = read(GOOD["sign_in"])
    assert reading.one("input", name="username").attributes["autocomplete"] == "username"
    assert reading.one("input", name="password").attributes["autocomplete"] == "current-password"
    assert reading.one("button").text == "Sign in"
    assert reading.one("form").attributes["action"] == "/auth/sign-in"


def test_a_refused_sign_in_is_told_at_once_and_keeps_the_name() -> None:
    reading = read(GOOD["sign_in_refused"])
    assert reading.one("title").text.startswith("Error: ")
    assert reading.by_id("problem").attributes["role"] == "alert"
    assert reading.by_id("problem").attributes["tabindex"] == "-1"
    assert reading.one("input", name="username").attributes["value"] == "ana@example.com"
    password = reading.one("input", name="password").attributes
    assert (password["aria-describedby"], password["aria-invalid"]) == ("problem", "true")
    assert "value" not in password
    assert "autofocus" in password


def test_a_wait_is_told_and_not_blamed_on_a_field() -> None:
    reading = read(GOOD["sign_in_wait"])
    assert "Wait 2 minutes, then try again." in reading.by_id("problem").text
    assert not [element for element in reading.elements if "aria-invalid" in element.attributes]


def test_the_theft_notice_tells_both_parties_and_accuses_neither() -> None:
    words = read(GOOD["theft_notice"]).words()
    for said in (
        "We ended your sign-in to Ledger",
        "The one holding the newest token",
        "1 March 2026, 08:59:47 UTC",
        "198.51.100.0/24",
        "Firefox on Linux",
        "The one who presented a spent token",
        "1 March 2026, 10:00:04 UTC",
        "203.0.113.0/24",
        "curl/8.14.1",
        "We cannot know which of the two is you.",
    ):
        assert said in words
    assert "ended nothing" in read(GOOD["theft_observed"]).words()


@pytest.mark.parametrize("radius", ["family", "session", "client", "user", "nothing"])
def test_the_theft_notice_says_what_ended_for_every_blast_radius(radius: str) -> None:
    words = read(dataclasses.replace(GOOD["theft_notice"], radius=radius)).words()  # type: ignore[type-var]
    assert ("We ended" in words) == (radius != "nothing")


def test_form_post_hands_over_every_value_unchanged() -> None:
    page = BAD["form_post"]
    assert isinstance(page, FormPostPage)
    reading = read(page)
    assert reading.one("form").attributes["action"] == page.action
    sent = tuple((e.attributes["name"], e.attributes["value"]) for e in reading.all("input"))
    assert sent == page.fields
    assert reading.one("button").text == "Continue"


@pytest.mark.parametrize(
    "action", ["javascript:alert(1)", "data:text/html,x", "com.example.app:/cb", "//evil", "", "x"]
)
def test_form_post_goes_to_web_addresses_alone(action: str) -> None:
    with pytest.raises(ValueError, match="http or https"):
        FormPostPage(action=action, fields=())


def test_the_account_page_ends_each_thing_by_its_own_id() -> None:
    reading = read(GOOD["account"])
    ends = [
        (form.attributes["action"].removeprefix("/auth/account/"), e.attributes["value"])
        for form in reading.all("form")
        for e in form.within
        if e.attributes.get("name") == "id"
    ]
    assert ends == [
        ("session/end", "ses_1"), ("session/end", "ses_2"),
        ("family/end", "fam_1"), ("family/end", "fam_2"), ("family/end", "fam_3"),
        ("grant/withdraw", "gra_1"), ("grant/withdraw", "gra_2"),
    ]  # fmt: skip
    assert reading.one("form", action="/auth/account/session/end-all")
    assert reading.one("a", href="/auth/account/password")
    assert reading.one("button", **{"aria-label": "End Ledger, Safari on iPhone"})


def test_the_account_page_says_when_in_words_and_for_machines() -> None:
    times = {e.attributes["datetime"]: e.text for e in read(GOOD["account"]).all("time")}
    assert times["2026-03-01T10:00:04Z"] == "2 hours ago"
    assert times["2026-02-26T12:00:04Z"] == "26 February 2026"
    assert times["2027-01-20T12:00:04Z"] == "on 20 January 2027"


def test_changing_the_password_says_what_it_ends() -> None:
    reading = read(GOOD["password"])
    assert "Every other browser is signed out." in reading.words()
    assert "Every application is signed out, on every device" in reading.words()
    assert reading.one("input", name="new_password").attributes["autocomplete"] == "new-password"
    assert reading.one("input", name="new_password").attributes["minlength"] == "12"
    refused = read(GOOD["password_refused"])
    assert refused.one("input", name="new_password").attributes["aria-describedby"] == "rule problem"


def test_r9700_2_1_b_signing_out_leads_only_to_addresses_that_are_links() -> None:
    assert read(GOOD["signed_out"]).one("a", href="https://ledger.example.com/bye").text == "Back to Ledger"
    assert "Back to" not in read(BAD["signed_out"]).words()


def test_s_18_signing_out_is_asked_with_a_way_to_stay() -> None:
    reading = read(GOOD["sign_out"])
    assert [e.attributes["value"] for e in reading.all("button", name="decision")] == ["stay", "sign_out"]
    assert reading.one("input", name="request").attributes["value"] == "r_18"


@pytest.mark.parametrize("base", ["auth", "/auth/", "/a b", '/"><b>', "/a?b", "//evil.example", "/a\n"])
def test_a_base_path_that_is_not_one_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="base path"):
        Pages("Evergrant", None, base)


def test_a_service_without_support_still_says_whom_to_ask() -> None:
    alone = Pages(MARKUP, "javascript:alert(1)")
    reading = Reading(alone.render(GOOD["error"]))
    assert "give the reference to whoever runs" in reading.words()
    assert not reading.all("a")


@given(text=st.text(max_size=200))
def test_s_16_whatever_the_name_the_page_keeps_its_shape(text: str) -> None:
    page = GOOD["sign_in"]
    assert [e.tag for e in read(dataclasses.replace(page, client_name=text or "x")).elements] == [
        e.tag for e in read(page).elements
    ]
    shown = read(dataclasses.replace(GOOD["consent"], client_name=text))
    assert shown.one("h1").text.startswith("Allow ")
    assert not shown.all("script")


def test_a_page_is_drawn_from_any_hostile_value_without_growing_beyond_reason() -> None:
    for name, page in BAD.items():
        assert len(PAGES.render(page)) < 40_000, name
    assert HOSTILE not in PAGES.render(BAD["account"])
