"""A person at one browser: opens, fills in, presses, reads; every page they come to is looked at on the way.

What lives here: steps that several stories share, and what is judged on every page. What must not: a story.
"""

from pathlib import Path
from typing import Final, NamedTuple

from playwright.sync_api import Browser, Locator, Page, expect

from tests import tools
from tests.browser.chromium import complaints, record
from tests.browser.preview import MEASURE, SIZES

PICTURES: Final = tools.ROOT / "artifacts" / "people"
AXE: Final = Path("axe-core/axe.min.js")
JUDGED: Final = """async () => {
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
  const found = await axe.run(document, { runOnly: tags, resultTypes: ['violations'] })
  return found.violations.map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.html).join(' | ')}`)
}"""
# A page that refuses is answered with its own status, and the browser mentions that.
EXPECTED: Final = "error: Failed to load resource: the server responded with a status of 4"


class Screen(NamedTuple):
    """What a page is seen with. Without scripts pictures are taken; with them, accessibility is judged."""

    size: str
    scripts: bool

    def __str__(self) -> str:
        return f"{self.size}-{'scripts' if self.scripts else 'plain'}"


SCREENS: Final = tuple(Screen(size, scripts) for size in SIZES for scripts in (True, False))


class Walk:
    """One browser of one person. `close` fails when the browser had anything to complain about."""

    def __init__(self, browser: Browser, issuer: str, screen: Screen, agent: str | None = None) -> None:
        width, height = SIZES[screen.size]
        self.issuer, self.screen = issuer, screen
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, java_script_enabled=screen.scripts, user_agent=agent,
            locale="en-GB", timezone_id="UTC", reduced_motion="reduce",
        )  # fmt: skip
        self.context.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        record(self.context)
        self._said = complaints(self.context, issuer)
        self.page: Page = self.context.new_page()

    def close(self) -> None:
        self.context.close()
        said = [words for words in self._said if not words.startswith(EXPECTED)]
        if said:
            raise AssertionError(f"the browser complained: {said}")

    def open(self, address: str) -> None:
        self.page.goto(address if "://" in address else self.issuer + address)

    def see(self, heading: str, picture: str = "") -> None:
        """Be on the page with *heading*, and look at all of it; *picture* names what is kept of it."""
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(heading)
        wrong = list(self.page.evaluate(MEASURE))
        if self.screen.scripts:
            self.page.evaluate((tools.node_packages() / AXE).read_text(encoding="utf-8"))
            wrong += self.page.evaluate(JUDGED)
        elif picture:
            PICTURES.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=PICTURES / f"{picture}-{self.screen.size}.png", full_page=True)
        if wrong:
            raise AssertionError(f"{heading}: {wrong}")

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            self.page.locator(f"input[name={name}]").fill(value)

    def press(self, name: str) -> None:
        """Press the one button, or follow the one link, of that name."""
        self.named(name).click()

    def named(self, name: str) -> Locator:
        either = self.page.get_by_role("button", name=name, exact=True)
        return either.or_(self.page.get_by_role("link", name=name, exact=True))

    def sign_in(self, username: str, password: str) -> None:
        self.fill(username=username, password=password)
        self.press("Sign in")

    def tab_to(self, locator: Locator) -> None:
        """Reach an element with the tab key alone, and see where one is."""
        for _ in range(60):
            self.page.keyboard.press("Tab")
            if locator.evaluate("(element) => element === document.activeElement"):
                ring = locator.evaluate("(element) => getComputedStyle(element).outlineWidth")
                assert float(ring.removesuffix("px")) >= 3
                return
        raise AssertionError(f"the keyboard does not reach {locator}")
