"""What tests of the pages do all day: read a page's heading and forms, and send its forms as a person would.

What lives here: steps on top of the browser of `evergrant.testing.in_process`. What must not: assertions of one room.
"""

import re
from base64 import urlsafe_b64decode
from html import unescape
from typing import Any, Final

from msgspec import json

from evergrant.domain.event import Event
from evergrant.store.port import EventQuery
from evergrant.testing.in_process import PASSWORD, Browser, Issuer, Reply
from tests.secrecy import record_secrets_in

ADA: Final = "ada@example.com"
BOB: Final = "bob@example.com"
SECURITY_HEADERS: Final = ("content-security-policy", "x-frame-options", "x-content-type-options", "referrer-policy")


def heading(reply: Reply) -> str:
    """The words of the page's one heading."""
    found = re.search(r"<h1[^>]*>(.*?)</h1>", reply.text, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", found[1])).split()) if found else ""


def words(reply: Reply) -> str:
    """Everything a page says."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", reply.text)).split())


def form(reply: Reply, action: str, **chosen: str) -> dict[str, str]:
    """The hidden fields of the form that goes to *action* and, where several do, holds *chosen*."""
    for text in re.findall(r"<form\b.*?</form>", reply.text, re.DOTALL):
        if f'action="{action}"' not in text:
            continue
        fields = {
            name: unescape(value)
            for tag in re.findall(r'<input type="hidden"[^>]*>', text)
            for name, value in [re.search(r'name="([^"]*)" value="([^"]*)"', tag).groups()]
        }
        if chosen.items() <= fields.items():
            return fields
    raise AssertionError(f"no form to {action} with {chosen} on the page {heading(reply)!r}")


async def sign_in(browser: Browser, page: Reply, name: str = ADA, password: str = PASSWORD) -> Reply:
    """Send the sign-in form; the answer, not followed."""
    return await browser.post("/sign-in", {**form(page, "/sign-in"), "username": name, "password": password})


async def decide(browser: Browser, page: Reply, decision: str = "allow") -> Reply:
    """Send the consent form; the answer, not followed."""
    return await browser.post("/consent", {**form(page, "/consent"), "decision": decision})


async def enter(issuer: Issuer, browser: Browser, name: str = ADA, password: str = PASSWORD) -> Reply:
    """Sign in to the account area; its page."""
    page = await browser.follow(await browser.get("/account"))
    if heading(page) == "Sign in":
        page = await browser.follow(await sign_in(browser, page, name, password))
    record_secrets_in(str(browser.cookies))
    return page


async def press(browser: Browser, page: Reply, action: str, **chosen: str) -> Reply:
    """Press a button of a page; where it leads."""
    return await browser.follow(await browser.post(action, form(page, action, **chosen)))


async def told(issuer: Issuer, **query: object) -> list[Event]:
    """The audit trail, oldest first."""
    wanted = EventQuery(limit=1000, **query)
    return [event for _, event in await issuer.house.store.read(lambda tx: tx.events.find(wanted))]


def is_page(reply: Reply, status: int) -> bool:
    """Whether an answer is a page for people with its headers, and not JSON."""
    kind = reply.header("content-type")
    return reply.status == status and kind.startswith("text/html") and all(map(reply.header, SECURITY_HEADERS))


def payload(token: str) -> dict[str, Any]:
    """The claims of a JWT, its signature not looked at."""
    body = token.split(".")[1]
    claims: dict[str, Any] = json.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims
