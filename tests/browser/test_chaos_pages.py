"""The chaos provider's consent page in a real browser: allowed, denied, without a word of complaint."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser

from evergrant.testing.chaos import Chaos, beside
from tests.browser.chromium import complaints, launched
from tests.browser.loopback import Site

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.xdist_group("chaos-pages")]


@pytest.fixture(scope="module")
def chaos() -> Iterator[Chaos]:
    with beside("slack", user=None, seed=1) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.mark.parametrize(("button", "member"), [("Allow", "code"), ("Deny", "error")])
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_person_decides_and_is_back_in_the_application(browser, chaos, button, member, scripts):
    with Site() as site, browser.new_context(java_script_enabled=scripts) as context:
        complained = complaints(context, chaos.url)
        callback = f"{site.origin}/callback"
        page = context.new_page()
        page.goto(
            f"{chaos.provider.authorize_url}?client_id={chaos.client_id}&response_type=code&state=s"
            f"&scope=chat:write,users:read&redirect_uri={callback}"
        )
        assert page.get_by_text("chat:write").is_visible()
        page.get_by_label("Sign in as").fill("bob")
        page.get_by_role("button", name=button).click()
        page.wait_for_url(f"{callback}**")
        assert member in parse_qs(urlsplit(page.url).query)
        assert complained == []
