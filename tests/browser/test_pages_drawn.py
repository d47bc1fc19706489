"""The pages in a real browser: they fit, they obey their own policy, and their forms arrive.

The pictures are left in artifacts/pages to be looked at.
"""

import dataclasses
import re
from collections.abc import Iterator

import pytest

from evergrant.issuer.pages.view import FormPostPage
from evergrant.web.look.csp import form_targets_of
from tests import tools
from tests.browser.loopback import Site
from tests.browser.preview import FLAGS, draw
from tests.issuer.pages.samples import BAD, GOOD, MARKUP

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("browser")]

FIELDS = (("code", "egc_5f"), ("state", "x y+z&=%20" + MARKUP + "\u202e"), ("iss", "https://id.example.com"))


@pytest.fixture
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(tools.chromium()), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def refused() -> list[str]:
    """What the browser refused because of a policy."""
    return []


@pytest.fixture
def tab(browser, refused):
    opened = browser.new_page()
    opened.on("console", lambda message: refused.append(message.text))
    return opened


def test_every_page_fits_a_phone_and_a_desk_in_light_and_dark() -> None:
    assert draw(tools.ROOT / "artifacts" / "pages", str(tools.chromium())) == []


def test_form_post_goes_to_the_client_by_itself(tab, refused) -> None:
    with Site() as client:
        page = FormPostPage(action=f"{client.origin}/cb", fields=FIELDS)
        with Site({"page": page}, targets=form_targets_of(page.action)) as issuer:
            tab.goto(f"{issuer.origin}/page")
            tab.wait_for_url(f"{client.origin}/cb")
        assert client.posted == [list(FIELDS)]
    assert refused == []


def test_form_post_goes_to_the_client_by_its_button_without_scripts(browser) -> None:
    tab = browser.new_page(java_script_enabled=False)
    with Site() as client:
        page = FormPostPage(action=f"{client.origin}/cb", fields=FIELDS)
        with Site({"page": page}, targets=form_targets_of(page.action)) as issuer:
            tab.goto(f"{issuer.origin}/page")
            tab.click("text=Continue")
            tab.wait_for_url(f"{client.origin}/cb")
        assert client.posted == [list(FIELDS)]


def test_no_other_script_runs_beside_the_one_of_form_post(tab, refused) -> None:
    with Site({"page": BAD["form_post"]}) as issuer:
        answered = tab.request.get(f"{issuer.origin}/page").text().replace("document.forms[0]", "document.forms[1]")
        policy = dict(tab.request.get(f"{issuer.origin}/page").headers)["content-security-policy"]
        tab.route(
            f"{issuer.origin}/changed",
            lambda route: route.fulfill(
                body=answered, content_type="text/html", headers={"content-security-policy": policy}
            ),
        )
        tab.goto(f"{issuer.origin}/changed")
        assert any("script-src" in words for words in refused)


@pytest.mark.parametrize("name", ["sign_in", "consent", "select_account", "theft_notice", "sign_out"])
def test_a_form_leads_through_the_client_to_wherever_the_client_sends_on(tab, refused, name: str) -> None:
    path = {"sign_in": "sign-in", "select_account": "select-account", "theft_notice": "notice"}.get(name, name)
    path = "end_session" if name == "sign_out" else path
    with Site() as application, Site(onward={"cb": f"{application.origin}/home"}) as client:
        targets = form_targets_of(f"{client.origin}/cb")
        with Site({"page": GOOD[name]}, {path: f"{client.origin}/cb?code=x"}, targets) as issuer:
            tab.goto(f"{issuer.origin}/page")
            for field in tab.query_selector_all("input:not([type=hidden])"):
                field.fill("something")
            tab.click("main form button >> nth=-1")
            tab.wait_for_url(f"{application.origin}/home")
            assert dict(issuer.posted[0])["csrf"] == "c5Vq"
    assert refused == []


def test_a_form_may_end_in_an_application_with_a_scheme_of_its_own(tab, refused) -> None:
    failed: list[str] = []
    tab.on("requestfailed", lambda request: failed.append(request.url))
    targets = form_targets_of("com.example.app:/cb")
    with Site({"page": GOOD["consent"]}, {"consent": "com.example.app:/cb?code=x"}, targets) as issuer:
        tab.goto(f"{issuer.origin}/page")
        with tab.expect_event("requestfailed"):
            tab.click("text=Allow >> nth=-1")
    # Nobody has that scheme here, so the hand-over fails; what matters is that it was tried.
    assert failed == ["com.example.app:/cb?code=x"]
    assert refused == []


def test_the_policy_holds_a_form_to_where_the_flow_may_end(tab, refused) -> None:
    with Site() as stranger, Site({"page": GOOD["consent"]}, {"consent": stranger.origin}, ()) as issuer:
        tab.goto(f"{issuer.origin}/page")
        with tab.expect_console_message():
            tab.click("text=Allow >> nth=-1")
        assert tab.url == f"{issuer.origin}/page"
        assert any("form-action" in words for words in refused)


def test_the_keyboard_reaches_everything_and_shows_where_it_is(tab) -> None:
    with Site({"page": GOOD["account"]}) as issuer:
        tab.goto(f"{issuer.origin}/page")
        wanted = tab.evaluate("document.querySelectorAll('a, button, summary').length")
        hidden = tab.evaluate("document.querySelectorAll('details:not([open]) button').length")
        seen = set()
        for _ in range(wanted - hidden):
            tab.keyboard.press("Tab")
            ring, words = tab.evaluate(
                "() => [getComputedStyle(document.activeElement).outlineWidth, document.activeElement.outerHTML]"
            )
            assert re.fullmatch(r"[3-9](\.\d+)?px", ring), words
            seen.add((words, tab.evaluate("() => document.activeElement.getBoundingClientRect().y + scrollY")))
        assert len(seen) == wanted - hidden


def test_pages_can_be_read_at_four_times_the_size(browser) -> None:
    # WCAG 1.4.10: 1280 px at 400 % is 320 px.
    tab = browser.new_page(viewport={"width": 320, "height": 256})
    with Site(GOOD | {f"bad_{name}": page for name, page in BAD.items()}) as issuer:
        for name in issuer.shown:
            if "form_post" in name:
                continue
            tab.goto(f"{issuer.origin}/{name}")
            assert tab.evaluate("document.documentElement.scrollWidth") <= 320, name


def test_consent_names_the_client_to_a_screen_reader(tab) -> None:
    page = dataclasses.replace(GOOD["consent"], client_name="دفتر الأستاذ")
    with Site({"page": page}) as issuer:
        tab.goto(f"{issuer.origin}/page")
        said = tab.locator("main").aria_snapshot()
    assert 'heading "Allow دفتر الأستاذ to use your account?" [level=1]' in said
    assert 'button "Deny"' in said
    assert 'button "Allow"' in said
