"""The tour in a real browser, at a desk and on a phone, in light and dark, without JavaScript.

Every page on the way is measured (nothing sticks out, every target has 44 px, no text of the picture leaves it, nothing
is refused by a policy) and left in artifacts/demo to be looked at.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests import tools
from tests.browser.preview import FLAGS, MEASURE, SIZES
from tests.demo.demonstration import Demonstration

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.long, pytest.mark.xdist_group("browser")]

PICTURES: Final = tools.ROOT / "artifacts" / "demo"

# The radio buttons' targets are their labels, which are measured as what they are: large enough to touch.
SMALL: Final = """() => [...document.querySelectorAll('label.copy')]
  .map((box) => box.getBoundingClientRect().height).filter((height) => height < 43.9)"""
OUTSIDE: Final = """() => [...document.querySelectorAll('svg.family[role=img]')].flatMap((paper) =>
  [...paper.querySelectorAll('text')].filter((line) => {
    const box = line.getBBox(), room = paper.viewBox.baseVal;
    return box.x < 0 || box.x + box.width > room.width || box.y < 0 || box.y + box.height > room.height;
  }).map((line) => line.textContent))"""
RING: Final = """() => [getComputedStyle(document.activeElement).outlineWidth, document.activeElement.outerHTML]"""


class Walk:
    """One tab that takes pictures and notes on its way."""

    def __init__(self, tab: Any, name: str) -> None:
        self.tab, self.name, self.number = tab, name, 0
        self.wrong: list[str] = []
        tab.on("console", lambda message: self.wrong.append(f"{name}: {message.text}"))
        tab.on("requestfailed", self._not_loaded)

    def _not_loaded(self, request: Any) -> None:
        """Note what could not be loaded; a picture that was still on its way when the walk went on was not asked to."""
        if request.failure != "net::ERR_ABORTED":
            self.wrong.append(f"{self.name}: not loaded: {request.url} ({request.failure})")

    def look(self, page: str) -> None:
        self.number += 1
        self.tab.wait_for_load_state()
        said = [words for words in self.tab.evaluate(MEASURE) if not words.endswith(": token")]
        said += [f"label only {height} px high" for height in self.tab.evaluate(SMALL)]
        said += [f"out of the picture: {words}" for words in self.tab.evaluate(OUTSIDE)]
        self.wrong += [f"{page} {self.name}: {words}" for words in said]
        self.tab.screenshot(path=PICTURES / f"{self.name}-{self.number:02}-{page}.png", full_page=True)

    def act(self) -> None:
        """Press the button of a step."""
        with self.tab.expect_navigation(url="**#outcome", wait_until="load"):
            self.tab.click("article form.doing button")

    def onward(self) -> None:
        self.tab.click("text=Next:")

    def open_everything(self) -> None:
        for summary in self.tab.query_selector_all("details:not([open]) > summary"):
            if summary.is_visible():
                summary.click()


@pytest.fixture
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(tools.chromium()), args=FLAGS)
        yield running
        running.close()


def enter(walk: Walk, demo: Demonstration) -> None:
    """Through the issuer's pages, as far as they are asked for."""
    walk.tab.click("text=Sign in at the issuer")
    walk.look("issuer-sign-in")
    walk.tab.fill("#password", demo.said["password"])
    walk.tab.click("main form button")
    if walk.tab.query_selector("button[name=decision]"):
        walk.look("issuer-consent")
        walk.tab.click("button[value=allow]")
    elif walk.tab.query_selector("form[action='/notice']"):  # left by a test before
        walk.tab.click("main form button")
    walk.tab.wait_for_url("**/look", wait_until="load")


@pytest.mark.parametrize(
    ("size", "scheme"), [("wide", "light"), ("wide", "dark"), ("phone", "light"), ("phone", "dark")]
)
def test_the_tour_fits_desk_and_phone_in_light_and_dark(demo, browser, size: str, scheme: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob(f"{size}-{scheme}-*.png"):
        old.unlink()
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce",
        java_script_enabled=False,
    )  # fmt: skip
    walk = Walk(context.new_page(), f"{size}-{scheme}")
    tab = walk.tab
    tab.goto(demo.said["application"])
    walk.look("start")
    enter(walk, demo)
    assert tab.text_content("h1") == "Look at what you were given"
    walk.look("look")
    for page in ("refresh", "repeat", "race"):
        walk.onward()
        walk.act()
        walk.look(page)
    walk.onward()
    walk.look("theft-before")
    tab.click("label.copy >> nth=2")
    tab.click("button.danger")
    assert "Too early to tell" in tab.text_content("#outcome-title")
    walk.look("theft-too-early")
    tab.click("text=Let a minute pass >> nth=0")
    tab.click("label.copy >> nth=0")
    tab.click("button.danger")
    assert "The thief got nothing" in tab.text_content("#outcome-title")
    walk.look("theft")
    walk.onward()
    assert tab.text_content("h1") == "What the issuer did, and why"
    walk.open_everything()
    walk.look("aftermath")
    tab.click("article a.button.primary")
    assert tab.text_content("h1") == "We ended your sign-in to Sample application"
    walk.look("issuer-notice")
    tab.click("main form button")
    assert "That was the tour." in tab.text_content("main")
    walk.look("again")
    context.close()
    assert walk.wrong == []
    assert len(list(PICTURES.glob(f"{size}-{scheme}-*.png"))) == walk.number


def test_the_picture_is_read_aloud_as_an_image_with_a_name_and_a_description(demo, browser) -> None:
    walk = Walk(browser.new_page(), "aloud")
    walk.tab.goto(demo.said["application"])
    enter(walk, demo)
    walk.tab.click("text=Next:")
    walk.act()
    picture = walk.tab.locator("svg.family[role=img]")
    said = picture.aria_snapshot()
    assert "A family of 2 tokens, alive" in said
    assert "Token 0: spent, and may still come again" in said
    assert 'heading "Refresh" [level=1]' in walk.tab.locator("main").aria_snapshot()
    assert walk.wrong == []


def test_the_keyboard_walks_the_theft_and_shows_where_it_is(demo, browser) -> None:
    walk = Walk(browser.new_page(), "keys")
    tab = walk.tab
    tab.goto(demo.said["application"])
    enter(walk, demo)
    for _ in range(2):
        tab.goto(demo.said["application"] + "/refresh")
        walk.act()
    tab.goto(demo.said["application"] + "/theft")
    for _ in range(40):
        tab.keyboard.press("Tab")
        ring, words = tab.evaluate(RING)
        assert ring[0] in "3456789", words
        if "Present the stolen token" in words:
            break
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/theft#outcome")
    assert "The thief got nothing" in tab.text_content("#outcome-title")
    assert walk.wrong == []


def test_the_tour_can_be_read_at_four_times_the_size(demo, browser) -> None:
    # WCAG 1.4.10: 1280 px at 400 % is 320 px.
    context = browser.new_context(viewport={"width": 320, "height": 256})
    walk = Walk(context.new_page(), "zoomed")
    walk.tab.goto(demo.said["application"])
    enter(walk, demo)
    for path in ("/look", "/refresh", "/repeat", "/race", "/theft", "/aftermath"):
        walk.tab.goto(demo.said["application"] + path)
        if path in {"/refresh", "/repeat", "/race"}:
            walk.act()
        walk.open_everything()
        assert walk.tab.evaluate("document.documentElement.scrollWidth") <= 320, path
    context.close()
