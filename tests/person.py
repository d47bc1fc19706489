"""A person with a browser that is no browser: follows redirects, signs in, and agrees, over real HTTP.

What lives here: the clicks of one sign-in. What must not: assertions.
"""

import re
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

NAME, PASSWORD = "ada@example.com", "unlikely lantern orbit"
MOST_PAGES = 12


class Person:
    """Signs in wherever she is sent. *asked* counts how often that was."""

    def __init__(self, callback: str) -> None:
        self.asked = 0
        self.web = requests.Session()
        self._callback = callback

    def go(self, url: str) -> dict[str, str]:
        """What comes back to the client at the end of the pages that begin at *url*."""
        self.asked += 1
        page = self.web.get(url, timeout=30, allow_redirects=False)
        for _ in range(MOST_PAGES):
            if not page.is_redirect:
                page = self._send(page)
                continue
            where = urljoin(page.url, page.headers["location"])
            if where.startswith(self._callback):
                return {name: values[0] for name, values in parse_qs(urlsplit(where).query).items()}
            page = self.web.get(where, timeout=30, allow_redirects=False)
        raise AssertionError(f"the sign-in does not end: {page.url}")

    def _send(self, page: requests.Response) -> requests.Response:
        forms = re.findall(r"<form\b.*?</form>", page.text, re.DOTALL)
        form = next((text for text in forms if 'name="csrf"' in text), None)
        if form is None:
            raise AssertionError(f"a page without a form at {page.url}: {page.text[:2000]}")
        action = re.search(r'action="([^"]+)"', form)
        fields = {
            unescape(name): unescape(value)
            for name, value in re.findall(r'<input type="hidden"[^>]*name="([^"]*)" value="([^"]*)"', form)
        }
        if 'name="password"' in form:
            fields |= {"username": NAME, "password": PASSWORD}
        elif 'name="decision"' in form:
            fields["decision"] = "allow"
        where = urljoin(page.url, action[1] if action else "")
        return self.web.post(where, fields, timeout=30, allow_redirects=False)
