"""oidc-client-ts in a real browser: an application of one page, renewing silently for hours, in several tabs at once.

Time passes twice: at the server by its clock file, in the browser by the clock its timers and dates are given.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from evergrant.domain.event import What
from evergrant.domain.reason import Reason
from tests.browser.chromium import complaints, launched, record
from tests.interop.server import PASSWORD, PERSON, Registered, Server, forked
from tests.interop.spa.site import Site
from tests.secrecy import record_secrets_in

pytestmark = [pytest.mark.needs("chromium", "node-packages"), pytest.mark.xdist_group("interop-spa")]

ACCESS: Final = 300  # seconds; the library renews sixty seconds before the end
RENEWAL: Final = 245
HOUR: Final = 3600
OFFLINE: Final = "openid profile email offline_access"
ONLINE: Final = "openid profile email"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("issuer")) as running:
        running.add_person()
        yield running
        assert forked(running.events()) == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as serving:
        yield serving


@pytest.fixture(params=["online", "offline"])
def client(request: pytest.FixtureRequest, server: Server, site: Site) -> Registered:
    """An application of this test alone, so that its families and events are this test's."""
    added = server.add_client(
        request.node.name, "spa", "--access-lifetime", f"{ACCESS}s",
        "--post-logout-redirect-uri", f"{site.origin}/", redirect_uri=f"{site.origin}/callback",
    )  # fmt: skip
    scope = OFFLINE if request.param == "offline" else ONLINE
    site.settings = {"authority": server.issuer, "client_id": added.id, "scope": scope}
    return added


class Desk:
    """One browser with the application open in a few tabs."""

    def __init__(self, context: BrowserContext, server: Server, site: Site) -> None:
        self.context, self.server, self.site = context, server, site

    def tab(self) -> Page:
        page = self.context.new_page()
        page.goto(self.site.origin)
        return page

    def sign_in(self) -> Page:
        """Sign in through the issuer's pages, as a person does."""
        page = self.tab()
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("Email").fill(PERSON)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Allow").click()
        expect(page.locator("#who")).to_have_text(f"Signed in as {PERSON}")
        return page

    def wait(self, seconds: int) -> None:
        """Let time pass at the server and in the browser."""
        self.server.advance(seconds)
        self.context.clock.fast_forward(seconds * 1000)


@pytest.fixture
def desk(browser: Browser, server: Server, site: Site) -> Iterator[Desk]:
    context = browser.new_context()
    context.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    context.clock.install(time=server.now)
    record(context)
    said = complaints(context, server.issuer)
    yield Desk(context, server, site)
    context.close()
    assert said == []


def renewed(page: Page, times: int) -> None:
    expect(page.locator("body")).to_have_attribute("data-renewals", str(times))


HELD: Final = """() => {
  const key = Object.keys(localStorage).find((name) => name.startsWith('oidc.user:'))
  return JSON.parse(localStorage.getItem(key)).refresh_token
}"""


def head(page: Page) -> str:
    """The refresh token that the application holds."""
    return str(page.evaluate(HELD))


def generations(server: Server, client: Registered) -> int:
    """How often the application's one family has been rotated, according to its row and to the audit trail alike."""
    families = server.families(client_id=client.id)
    assert len(families) == 1
    assert families[0].head.generation == counted(server, client, What.FAMILY_ROTATED)
    return families[0].head.generation


def counted(server: Server, client: Registered, what: What) -> int:
    return len(server.events(client_id=client.id, what=what))


@contextmanager
def together(desk: Desk, count: int) -> Iterator[list[Route]]:
    """Stop refreshes on their way; once *count* of them wait, all go on at the same moment, and not by luck.

    The list holds those that wait; who takes one out of it decides what becomes of it.
    """
    waiting: list[Route] = []
    arrived: list[Route] = []

    def stop(route: Route) -> None:
        arrived.append(route)
        waiting.append(route)

    address = f"{desk.server.issuer}/token"
    desk.context.route(address, stop)
    yield waiting
    give_up = time.monotonic() + 20
    while len(arrived) < count:
        assert time.monotonic() < give_up, f"{len(arrived)} of {count} refreshes began"
        desk.context.pages[0].evaluate("0")  # lets the browser tell what has happened
    for route in waiting:
        route.continue_()
    desk.context.unroute(address)


def lose_replies(desk: Desk, count: int = 1) -> list[int]:
    """The next *count* refreshes reach the server, which commits; their answers are lost. Fills with what it said."""
    said: list[int] = []

    def lose(route: Route) -> None:
        if len(said) == count:
            route.continue_()
            return
        answer = route.fetch()
        record_secrets_in(answer.text())
        said.append(answer.status)
        route.abort()

    desk.context.route(f"{desk.server.issuer}/token", lose)
    return said


def test_silent_renewal_goes_on_for_hours(desk: Desk, server: Server, client: Registered) -> None:
    page = desk.sign_in()
    seen = {head(page)}
    for times in range(1, 61):
        desk.wait(RENEWAL)
        renewed(page, times)
        seen.add(head(page))
    assert len(seen) == 61
    assert generations(server, client) == 60
    assert counted(server, client, What.FAMILY_REPEATED) == 0


def test_a_page_that_is_reloaded_or_slept_for_hours_is_still_signed_in(
    desk: Desk, server: Server, client: Registered
) -> None:
    page = desk.sign_in()
    page.reload()
    expect(page.locator("#who")).to_have_text(f"Signed in as {PERSON}")
    desk.wait(5 * HOUR)  # both of the library's timers go off at once, and each of them renews
    renewed(page, 2)
    assert generations(server, client) == 1
    page.close()
    desk.wait(5 * HOUR)
    page = desk.tab()  # starts with a token that is long over
    renewed(page, 1)
    assert generations(server, client) == 2


def test_rt_02_rt_06_rt_30_two_tabs_that_renew_at_the_same_moment_both_stay_signed_in(
    desk: Desk, server: Server, client: Registered
) -> None:
    tabs = [desk.sign_in(), desk.tab()]
    for times in range(1, 13):
        with together(desk, 2):
            desk.wait(RENEWAL)
        for page in tabs:
            renewed(page, times)
        assert head(tabs[0]) == head(tabs[1])
    assert generations(server, client) == 12
    assert counted(server, client, What.FAMILY_REPEATED) == 12
    assert [page.locator("body").get_attribute("data-failures") for page in tabs] == [None, None]


def test_two_tabs_that_wake_up_together_all_renew_one_token(desk: Desk, server: Server, client: Registered) -> None:
    tabs = [desk.sign_in(), desk.tab()]
    with together(desk, 4):
        desk.wait(9 * HOUR)
    for page in tabs:
        renewed(page, 2)
    assert generations(server, client) == 1
    assert counted(server, client, What.FAMILY_REPEATED) == 3


def test_rt_34_a_lost_reply_is_asked_for_again_and_nobody_is_logged_out(
    desk: Desk, server: Server, client: Registered
) -> None:
    page = desk.sign_in()
    before = head(page)
    said = lose_replies(desk)
    desk.wait(RENEWAL)
    expect(page.locator("body")).to_have_attribute("data-failures", "1")
    assert said == [200]
    assert head(page) == before
    desk.wait(5)  # the application tries again, with the token that is spent already
    renewed(page, 1)
    desk.wait(RENEWAL)
    renewed(page, 2)
    assert generations(server, client) == 2
    assert counted(server, client, What.FAMILY_REPEATED) == 1


def test_a_lost_reply_in_one_tab_while_the_other_renews_logs_neither_out(
    desk: Desk, server: Server, client: Registered
) -> None:
    tabs = [desk.sign_in(), desk.tab()]
    with together(desk, 2) as waiting:
        desk.wait(RENEWAL)
        while not waiting:
            tabs[0].evaluate("0")
        lost = waiting.pop(0)
        loser = lost.request.frame.page
        record_secrets_in(lost.fetch().text())
        lost.abort()
        expect(loser.locator("body")).to_have_attribute("data-failures", "1")
    renewed(next(page for page in tabs if page is not loser), 1)
    desk.wait(5)
    renewed(loser, 1)  # with what the other tab has stored
    with together(desk, 2):
        desk.wait(RENEWAL)
    for page in tabs:
        renewed(page, 2)
    assert head(tabs[0]) == head(tabs[1])
    assert generations(server, client) == 3
    assert counted(server, client, What.FAMILY_REPEATED) == 2


def test_signing_out_ends_it_in_every_tab(desk: Desk, server: Server, client: Registered) -> None:
    tabs = [desk.sign_in(), desk.tab()]
    offline = server.families(client_id=client.id)[0].online is False
    tabs[0].get_by_role("button", name="Sign out").click()
    expect(tabs[0].locator("#who")).to_have_text("Signed out")
    desk.wait(RENEWAL)
    expect(tabs[1].locator("#why")).to_have_text("You were signed out in another tab.")
    family = server.families(client_id=client.id, live=False)[0]
    # What is to outlive the browser session outlives its sign-out too, unless the application revokes it.
    assert (None if family.ended is None else family.ended.reason) == (None if offline else Reason.SIGNED_OUT)


def test_an_application_that_revokes_when_it_signs_out_leaves_nothing(
    desk: Desk, server: Server, client: Registered, site: Site
) -> None:
    site.settings["revokeTokensOnSignout"] = True
    page = desk.sign_in()
    desk.wait(RENEWAL)
    renewed(page, 1)
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#who")).to_have_text("Signed out")
    assert [family.ended.reason for family in server.families(client_id=client.id, live=False)] == [Reason.REVOKED]


STEAL = """([token, client, address]) => fetch(address, {
  method: 'POST',
  body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token, client_id: client }),
}).then((answer) => answer.json())"""


def test_rt_31_a_stolen_token_used_late_ends_the_family_and_the_person_is_told(
    desk: Desk, server: Server, client: Registered, browser: Browser
) -> None:
    tabs = [desk.sign_in(), desk.tab()]
    stolen = head(tabs[0])
    for times in (1, 2):
        with together(desk, 2):
            desk.wait(RENEWAL)
        for page in tabs:
            renewed(page, times)
    elsewhere = browser.new_context(user_agent="Mozilla/5.0 (Windows NT 10.0) Elsewhere/1.0")
    thief = elsewhere.new_page()
    thief.goto(desk.site.origin)
    answer = thief.evaluate(STEAL, [stolen, client.id, f"{server.issuer}/token"])
    assert answer["error"] == "invalid_grant"
    elsewhere.close()
    desk.wait(RENEWAL)
    for page in tabs:
        expect(page.locator("body")).to_have_attribute("data-state", "out")
    assert server.families(client_id=client.id) == []
    page = tabs[0]
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("We ended your sign-in to")
    parties = page.locator(".party")
    expect(parties).to_have_count(2)
    expect(parties.filter(has_text="Elsewhere/1.0")).to_have_count(1)
    expect(parties.filter(has_text="HeadlessChrome")).to_have_count(1)
    page.get_by_role("button", name="I have read this").click()
    expect(page.locator("#who")).to_have_text(f"Signed in as {PERSON}")
    assert len(server.families(client_id=client.id)) == 1
