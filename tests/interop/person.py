"""A person with a browser that has cookies and no scripts, over the network: follows redirects and fills in forms."""

import re
from html import unescape
from urllib.parse import urljoin, urlsplit

import requests

from tests.interop.server import PASSWORD, PERSON
from tests.secrecy import record_secrets_in


class Person:
    """One browser of one person at *issuer*."""

    def __init__(self, issuer: str, name: str = PERSON, password: str = PASSWORD) -> None:
        self.issuer, self.name, self.password = issuer, name, password
        self.session = requests.Session()

    def goes(self, url: str, decision: str = "allow") -> str:
        """Open an address of the issuer, do what its pages ask, and return the address of the client it leads to."""
        fields: dict[str, str] | None = None
        for _ in range(20):
            if not url.startswith(self.issuer):
                record_secrets_in(url)
                return url
            answer = self._ask(url, fields)
            fields = None
            if answer.status_code == 303:
                url = urljoin(url, answer.headers["location"])
                continue
            action, fields = form_of(answer.text)
            url = urljoin(url, action)
            if 'name="password"' in answer.text:
                fields |= {"username": self.name, "password": self.password}
            elif 'name="decision"' in answer.text:
                fields["decision"] = decision
        raise AssertionError(f"the pages go round in circles at {urlsplit(url).path}")

    def _ask(self, url: str, fields: dict[str, str] | None) -> requests.Response:
        method = "GET" if fields is None else "POST"
        answer = self.session.request(method, url, data=fields, allow_redirects=False, timeout=30)
        record_secrets_in(answer.headers.get("set-cookie", ""))
        record_secrets_in(answer.text)
        return answer


def form_of(text: str) -> tuple[str, dict[str, str]]:
    """Action and hidden fields of the page's first form with a CSRF token."""
    for form in re.findall(r"<form\b.*?</form>", text, re.DOTALL):
        fields = {}
        for tag in re.findall(r"<input\b[^>]*>", form):
            members = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
            if members.get("type") == "hidden":
                fields[members["name"]] = unescape(members.get("value", ""))
        if "csrf" in fields:
            return unescape(re.search(r'action="([^"]*)"', form)[1]), fields
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", text, re.DOTALL)
    raise AssertionError(f"no form on the page {heading[1].strip() if heading else text[:200]!r}")
