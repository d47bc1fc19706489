"""Draws every page in headless Chromium, as it is served: with its headers, at two widths, light and dark.

    python tests/browser/preview.py OUT [--only PART-OF-NAME] [--chromium /usr/bin/chromium]

Writes OUT/<good|bad>-<page>-<wide|phone>-<light|dark>.png, measures what an eye overlooks (nothing wider than the
screen, every target 44 px, nothing refused by the content security policy) and exits with 1 when something is wrong.
"""

import argparse
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evergrant.issuer.pages.view import Page
from tests.browser.loopback import Site
from tests.issuer.pages.samples import BAD, GOOD

SIZES = {"wide": (1280, 900), "phone": (360, 740)}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip

# Links inside a sentence are as high as their line, which WCAG 2.5.8 allows; everything else is for thumbs.
MEASURE = """() => {
  const said = [];
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) said.push(`${wide} px wider than the screen`);
  for (const box of document.querySelectorAll('button, summary, input:not([type=hidden]), a')) {
    const shape = box.getBoundingClientRect();
    const words = box.textContent.trim() || box.name;
    if (box.closest('.unseen') || (box.tagName === 'A' && getComputedStyle(box).display === 'inline')) continue;
    if (shape.height && shape.height < 43.9) said.push(`only ${shape.height} px high: ${words}`);
    if (shape.width && shape.width < 43.9) said.push(`only ${shape.width} px wide: ${words}`);
  }
  for (const box of document.querySelectorAll('body *')) {
    const shape = box.getBoundingClientRect();
    if (box.closest('.unseen, .who') || !shape.width) continue; // cut off on purpose
    if (shape.right > innerWidth + 0.5 || shape.left < -0.5) said.push(`sticks out: ${box.tagName} ${box.className}`);
  }
  const lines = (node, from, to) => {
    const range = document.createRange();
    range.setStart(node, from);
    range.setEnd(node, to);
    return new Set([...range.getClientRects()].filter(shape => shape.width).map(shape => Math.round(shape.top))).size;
  };
  const texts = document.createTreeWalker(document.querySelector('main') || document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = texts.nextNode());) {
    for (const word of node.data.matchAll(/\\bsign-(ins?|out)\\b/g)) {
      if (lines(node, word.index, word.index + word[0].length) > 1) said.push(`broken between lines: ${word[0]}`);
    }
    const next = node.nextSibling;
    if (node.data.endsWith('(') && next) said.push(`a bracket may stand alone before: ${next.textContent}`);
  }
  return said;
}"""


def pages() -> dict[str, Page]:
    """Every sample, by the name of its picture."""
    return {f"good-{name}": page for name, page in GOOD.items()} | {f"bad-{name}": page for name, page in BAD.items()}


def draw(out: Path, chromium: str, only: str = "") -> list[str]:
    """Draw the pages into *out* and return what is wrong with them."""
    from playwright.sync_api import sync_playwright

    shown = {name: page for name, page in pages().items() if only in name}
    wrong: list[str] = []
    out.mkdir(parents=True, exist_ok=True)
    with Site(shown) as site, tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        for scheme in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                browser = playwright.chromium.launch_persistent_context(
                    f"{profile}/{scheme}-{size}", executable_path=chromium, args=FLAGS, color_scheme=scheme,
                    viewport={"width": width, "height": height}, reduced_motion="reduce",
                    java_script_enabled=False,  # no page needs it, and the one that posts by itself stays in view
                )  # fmt: skip
                tab = browser.new_page()
                said: list[str] = []
                tab.on("console", lambda message, said=said: said.append(message.text))
                tab.on("requestfailed", lambda request, said=said: said.append(f"not loaded: {request.url}"))
                for name in shown:
                    said.clear()
                    tab.goto(f"{site.origin}/{name}")
                    for summary in tab.query_selector_all("summary"):
                        summary.click()
                    said.extend(tab.evaluate(MEASURE))
                    wrong.extend(f"{name} {size} {scheme}: {words}" for words in said)
                    tab.screenshot(path=out / f"{name}-{size}-{scheme}.png", full_page=True)
                browser.close()
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="", help="draw the pages whose name contains this")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    asked = parser.parse_args()
    wrong = draw(asked.out, asked.chromium, asked.only)
    print(*wrong, sep="\n")
    print(f"drawn into {asked.out}, {len(wrong)} things wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
