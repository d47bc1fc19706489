"""What people do on the issuer's pages, step by step, in a real browser at a real server.

Each story is told at a desk's and at a phone's width, with scripts and without. Without them its pages are kept in
artifacts/people to be looked at; with them each page is judged by axe-core.
"""

import itertools
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from evergrant.domain.event import What
from evergrant.domain.reason import Reason
from tests.browser.chromium import launched
from tests.browser.loopback import Site
from tests.browser.walk import SCREENS, Screen, Walk
from tests.interop.application import Application, answered
from tests.interop.server import PASSWORD, Server, forked

pytestmark = [pytest.mark.needs("chromium", "node-packages"), pytest.mark.xdist_group("people")]

NUMBERS = itertools.count(1)
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("issuer")) as running:
        yield running
        assert forked(running.events()) == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Where applications live; every path answers."""
    with Site() as serving:
        yield serving


@pytest.fixture(params=SCREENS, ids=str)
def screen(request: pytest.FixtureRequest) -> Screen:
    return request.param


@pytest.fixture
def name(server: Server) -> str:
    """A person of this test alone."""
    made = f"ada.{next(NUMBERS)}@example.com"
    server.add_person(made)
    return made


@pytest.fixture(scope="module")
def application(server: Server, site: Site) -> Application:
    return Application(server, server.add_client("Travel diary", "spa", redirect_uri=f"{site.origin}/callback"))


@pytest.fixture
def walks(browser: Browser, server: Server, screen: Screen) -> Iterator[list[Walk]]:
    """Browsers that are closed, and asked for their complaints, at the end."""
    opened: list[Walk] = []
    yield opened
    for walk in opened:
        walk.close()


@pytest.fixture
def walk(walks: list[Walk], browser: Browser, server: Server, screen: Screen) -> Walk:
    walks.append(Walk(browser, server.issuer, screen))
    return walks[0]


def arrived(walk: Walk, application: Application) -> dict[str, str]:
    """Wait until the browser is at the application; what it brought."""
    walk.page.wait_for_url(f"{application.client.redirect_uri}?**")
    return answered(walk.page.url)


def connected(walk: Walk, application: Application, name: str) -> str:
    """Sign in to the application and allow everything; its refresh token."""
    walk.open(application.authorize_url())
    walk.sign_in(name, PASSWORD)
    walk.press("Allow")
    arrived(walk, application)
    return str(application.redeem(walk.page.url)["refresh_token"])


def test_signing_in_and_deciding(walk: Walk, application: Application, name: str, server: Server) -> None:
    diary = application.client.name
    walk.open(application.authorize_url())
    walk.see("Sign in", "01-sign-in")
    expect(walk.page.locator("main")).to_contain_text(f"to continue to {diary}")
    walk.sign_in(name, "not my password")
    walk.see("Sign in", "02-sign-in-wrong")
    expect(walk.page.get_by_role("alert")).to_contain_text("not right")
    expect(walk.page.get_by_label("Email")).to_have_value(name)
    walk.sign_in(name, PASSWORD)
    walk.see(f"Allow {diary} to use your account?", "03-consent")
    walk.press("Deny")
    assert arrived(walk, application)["error"] == "access_denied"
    walk.open(application.authorize_url())
    walk.see(f"Allow {diary} to use your account?")
    walk.press("Allow")
    arrived(walk, application)
    tokens = application.redeem(walk.page.url)
    walk.open(application.authorize_url())  # what was allowed is remembered
    arrived(walk, application)
    walk.open(application.authorize_url(prompt="select_account"))
    walk.see("Choose an account", "04-select-account")
    walk.open(application.authorize_url(scope="openid notes:read profile email offline_access"))
    arrived(walk, application)
    walk.open(application.authorize_url(prompt="consent"))
    walk.see(f"Allow {diary} to use your account?")
    assert application.refresh(tokens["refresh_token"]).status_code == 200
    walk.open(application.authorize_url(client_id="cli_AAAAAAAAAAAAAAAAAAAAAA"))
    walk.see("This request cannot be answered", "05-error")
    expect(walk.page.locator("main")).to_contain_text("Reference")


def test_the_account_area(
    walks: list[Walk], walk: Walk, browser: Browser, application: Application, name: str, server: Server
) -> None:
    diary = application.client.name
    token = connected(walk, application, name)
    walk.open("/account")
    walk.see("Your account", "06-account")
    expect(walk.page.locator("main")).to_contain_text(re.compile(r"ends on \d+ \w+ \d{4} at the latest"))

    other = Walk(browser, server.issuer, walk.screen, FIREFOX)
    walks.append(other)
    other.open("/account")
    other.sign_in(name, PASSWORD)
    other.see("Your account")
    walk.page.reload()
    walk.see("Your account", "07-account-two-browsers")
    walk.press("Sign out Firefox on Windows")
    expect(walk.page.locator("main")).to_contain_text("That browser is signed out.")
    other.page.reload()
    other.see("Sign in")

    walk.page.get_by_role("button", name=f"End {diary},").click()
    walk.see("Your account", "08-account-ended")
    expect(walk.page.locator("main")).to_contain_text("No application is signed in.")
    assert application.refresh(token).json()["error"] == "invalid_grant"

    walk.open(application.authorize_url())
    arrived(walk, application)
    token = application.redeem(walk.page.url)["refresh_token"]
    walk.open("/account")
    walk.press(f"Withdraw {diary}")
    walk.see("Your account", "09-account-withdrawn")
    expect(walk.page.locator("main")).to_contain_text("You have not allowed any application yet.")
    assert application.refresh(token).json()["error"] == "invalid_grant"
    walk.open(application.authorize_url())
    walk.see(f"Allow {diary} to use your account?")


def test_changing_the_password_signs_out_everything_else(
    walks: list[Walk], walk: Walk, browser: Browser, application: Application, name: str, server: Server
) -> None:
    token = connected(walk, application, name)
    other = Walk(browser, server.issuer, walk.screen, FIREFOX)
    walks.append(other)
    other.open("/account")
    other.sign_in(name, PASSWORD)
    other.see("Your account")

    walk.open("/account")
    walk.press("Change password")
    walk.see("Change password", "10-password")
    walk.fill(current_password="not my password", new_password="four quite different words")
    walk.press("Change password")
    walk.see("Change password", "11-password-wrong")
    expect(walk.page.get_by_role("alert")).to_contain_text("The current password is not right.")
    walk.fill(current_password=PASSWORD, new_password="passwordpassword")
    walk.press("Change password")
    walk.see("Change password", "12-password-weak")
    walk.fill(current_password=PASSWORD, new_password="four quite different words")
    walk.press("Change password")
    walk.see("Your account", "13-password-changed")
    expect(walk.page.locator("main")).to_contain_text("The password is changed, and everything else is signed out.")
    assert application.refresh(token).json()["error"] == "invalid_grant"
    other.page.reload()
    other.see("Sign in")
    other.sign_in(name, PASSWORD)
    other.see("Sign in")
    other.sign_in(name, "four quite different words")
    other.see("Your account")


def test_rt_31_a_suspected_theft_is_shown_at_the_next_sign_in(
    walk: Walk, application: Application, name: str, server: Server
) -> None:
    diary = application.client.name
    stolen = connected(walk, application, name)
    latest = application.refresh(application.refresh(stolen).json()["refresh_token"]).json()["refresh_token"]
    thief = Application(server, application.client, "Mozilla/5.0 (X11; Linux x86_64) Elsewhere/1.0")
    assert thief.refresh(stolen).json()["error"] == "invalid_grant"
    assert application.refresh(latest).json()["error"] == "invalid_grant"
    walk.open(application.authorize_url())
    walk.see(f"We ended your sign-in to {diary}", "14-theft-notice")
    parties = walk.page.locator(".party")
    expect(parties).to_have_count(2)
    expect(parties.filter(has_text="Application/1.0").filter(has_text="127.0.0.1")).to_have_count(1)
    expect(parties.filter(has_text="Elsewhere/1.0").filter(has_text="127.0.0.1")).to_have_count(1)
    walk.press("I have read this")
    arrived(walk, application)
    assert application.redeem(walk.page.url)["refresh_token"]
    walk.open("/account")
    walk.see("Your account")  # and the notice is not shown again


def test_signing_out(walk: Walk, application: Application, name: str, server: Server) -> None:
    walk.open(application.authorize_url(scope="openid email"))
    walk.sign_in(name, PASSWORD)
    walk.press("Allow")
    arrived(walk, application)
    tokens = application.redeem(walk.page.url)
    account = server.events(what=What.FAMILY_STARTED)[-1].account_id
    walk.open("/end_session")
    walk.see("Sign out?", "15-sign-out")
    walk.press("Stay signed in")
    walk.see("Your account")
    walk.open(f"/end_session?client_id={application.client.id}")
    walk.see("Sign out?", "16-sign-out-asked-by-application")
    expect(walk.page.locator("main")).to_contain_text(application.client.name)
    walk.press("Sign out")
    walk.see("You are signed out", "17-signed-out")
    assert application.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    walk.open("/account")
    walk.see("Sign in", "18-sign-in-to-account")
    walk.sign_in(name, PASSWORD)
    walk.page.locator("summary").click()
    walk.see("Your account", "19-sign-out-everywhere")
    walk.press("Sign out everywhere")
    walk.see("You are signed out")
    ended = server.events(account_id=account, what=What.FAMILIES_ENDED)
    assert [(event.reason, event.detail) for event in ended] == [(Reason.SIGNED_OUT, "1")]


@pytest.mark.parametrize("screen", [each for each in SCREENS if each.size == "wide"], ids=str)
def test_the_keyboard_is_enough(walk: Walk, application: Application, name: str) -> None:
    keys = walk.page.keyboard
    walk.open(application.authorize_url())
    expect(walk.page.get_by_label("Email")).to_be_focused()
    keys.type(name)
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    walk.see("Allow")
    walk.tab_to(walk.named("Allow"))
    keys.press("Enter")
    arrived(walk, application)
    walk.open("/account")
    walk.tab_to(walk.page.locator("summary"))
    keys.press("Enter")
    walk.tab_to(walk.named("Sign out everywhere"))
    keys.press("Space")
    walk.see("You are signed out")


def test_a_page_that_people_cannot_use_or_that_breaks_its_policy_would_be_told(
    browser: Browser, server: Server
) -> None:
    walk = Walk(browser, server.issuer, Screen("wide", scripts=True))
    walk.open("/account")
    walk.page.evaluate("document.querySelector('label').remove()")
    with pytest.raises(AssertionError, match="label: <input"):
        walk.see("Sign in")
    walk.page.evaluate("document.querySelector('h1').insertAdjacentHTML('afterend', '<i style=\"color:red\">x</i>')")
    with pytest.raises(AssertionError, match="Content Security Policy"):
        walk.close()
