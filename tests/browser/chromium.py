"""A headless Chromium, and what every test with one wants to know: what the browser complained about.

What lives here: launching, and listening to pages of the issuer. What must not: steps through any page.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Request, sync_playwright

from tests import tools
from tests.browser.preview import FLAGS
from tests.secrecy import record_secrets_in


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser for as long as the block runs. Its event loop occupies this thread, so no longer than one module."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(tools.chromium()), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def record(context: BrowserContext) -> None:
    """Remember every secret that the context's pages send and receive."""
    context.on("request", _sent)
    context.on("requestfinished", _received)


def complaints(context: BrowserContext, origin: str) -> list[str]:
    """Fills with everything the browser says against pages of *origin*: refused by their policy, errors, warnings."""
    said: list[str] = []

    def console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and message.page is not None and message.page.url.startswith(origin):
            said.append(f"{message.type}: {message.text}")

    context.on("console", console)
    context.on("weberror", lambda failure: said.append(f"uncaught: {failure.error}"))
    return said


def _sent(request: Request) -> None:
    record_secrets_in(request.url)
    if request.post_data:
        record_secrets_in(request.post_data)


def _received(request: Request) -> None:
    response = request.response()
    if response is None or request.resource_type not in {"document", "fetch", "xhr"}:
        return
    try:
        record_secrets_in(str(response.all_headers()))
        record_secrets_in(response.text())
    except Error:
        return  # a redirect, or a page that was left or closed meanwhile, has nothing to look into any more
