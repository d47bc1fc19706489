"""What people do on the keeper's pages, in a real browser, with a provider that really answers.

Told at a desk's and at a phone's width, with scripts and without; judged by axe-core, looked at in artifacts/people.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from evergrant.keeper.provider.catalog import Catalog
from tests.browser.chromium import launched
from tests.browser.walk import SCREENS, Screen, Walk
from tests.keeper.serving.beside import Beside, beside
from tests.keeper.serving.scene import Scene

pytestmark = [pytest.mark.needs("chromium", "node-packages"), pytest.mark.xdist_group("people")]

TOLD = {"brand": "Northwind Reports", "support_url": "https://support.example.com/"}


@pytest.fixture(scope="module")
def service() -> Iterator[Beside]:
    with beside(told=TOLD, provider=Catalog.shipped().get("hubspot"), base="/accounts") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


@pytest.fixture(params=SCREENS, ids=str)
def screen(request: pytest.FixtureRequest) -> Screen:
    return request.param


@pytest.fixture
def walk(browser: Browser, service: Beside, screen: Screen) -> Iterator[Walk]:
    opened = Walk(browser, service.scene.address, screen)
    yield opened
    opened.close()


def link(service: Beside, user: str, **more: object) -> str:
    return service.do(lambda scene: scene.link(user, **more))


def test_choosing_connecting_looking_and_ending(walk: Walk, service: Beside, screen: Screen) -> None:
    user = f"ada.{screen}@example.com"
    walk.open(link(service, user, clients=["here", "there"], label="Ada Lovelace"))
    walk.see("Which account do you want to connect?", "k1-choose")
    walk.page.get_by_role("button", name="HubSpot").first.click()
    walk.see("Connect your HubSpot account?", "k2-connect")
    walk.press("Continue to HubSpot")
    walk.see("HubSpot is connected", "k3-done")
    walk.press("What is connected")
    walk.see("What is connected", "k4-connections")
    expect(walk.page.get_by_role("list").first).to_contain_text("Works")
    walk.page.get_by_role("link", name="Disconnect HubSpot").click()
    walk.see("Disconnect HubSpot?", "k5-disconnect")
    walk.press("Disconnect")
    walk.see("What is connected", "k6-ended")
    expect(walk.page.locator("main")).to_contain_text("Nothing is connected.")


def test_a_connection_that_broke_is_connected_again_from_its_link(walk: Walk, service: Beside, screen: Screen) -> None:
    user = f"bob.{screen}@example.com"
    walk.open(link(service, user))
    walk.press("Continue to HubSpot")
    walk.see("HubSpot is connected")

    async def broken(scene: Scene) -> str:
        scene.life.chaos.withdraw("ada")
        kept = await scene.life.keeper.show("here", user, tenant="one")
        said = await scene.ask("POST", f"/v1/connections/{kept.connection.id}/unauthorized", {"version": 1})
        assert said.json()["code"] == "needs_reauth"
        reply = await scene.ask("POST", f"/v1/connections/{kept.connection.id}/reconnect-link", {})
        return str(reply.json()["url"])

    again = service.do(broken)
    walk.open("/connections")
    walk.see("What is connected", "k7-broken")
    expect(walk.page.locator("main")).to_contain_text("The permission has ended.")
    walk.open(again)
    walk.see("Allow access to your HubSpot account again?", "k7-again")
    walk.press("Continue to HubSpot")
    walk.see("HubSpot is connected")


def test_whatever_is_refused_says_what_to_do(walk: Walk, service: Beside, screen: Screen) -> None:
    address = service.scene.address
    walk.open(f"{address}/connections")
    walk.see("Come in through the application", "k8-not-visiting")
    walk.open(f"{address}/connect?link=x")
    walk.see("This link is over", "k9-link-over")
    walk.open(f"{address}/callback/here?code=a&state=b")
    walk.see("This did not start in this browser", "k10-other-browser")


def test_the_keyboard_alone_connects(walk: Walk, service: Beside, screen: Screen) -> None:
    walk.open(link(service, f"eve.{screen}@example.com"))
    walk.tab_to(walk.named("Continue to HubSpot"))
    walk.page.keyboard.press("Enter")
    walk.see("HubSpot is connected")
