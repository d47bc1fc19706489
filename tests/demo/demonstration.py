"""`evergrant demo` as a process, and a browser without a screen that walks through it over HTTP.

What lives here: starting and stopping, cookies, forms, reading pages. What must not: assertions of one test; the two
that hold for every page of the sample application (its policy, and no whole token on it) are here.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx2

from tests.secrecy import SHAPES, record_secret, record_secrets_in, watch_output
from tests.tools import ROOT

AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
PATIENCE: Final = 30
FREE: Final = ("--listen", "127.0.0.1:0", "--app-listen", "127.0.0.1:0")


@dataclass
class Page:
    """One page as it arrived."""

    status: int
    url: str
    text: str
    headers: Mapping[str, str]

    @property
    def heading(self) -> str:
        found = re.search(r"<h1[^>]*>(.*?)</h1>", self.text, re.DOTALL)
        return plain(found[1]) if found else ""

    @property
    def words(self) -> str:
        return plain(re.sub(r"<(head|svg)\b.*?</\1>", " ", self.text, flags=re.DOTALL))

    @property
    def outcome(self) -> str:
        """The heading of what came of the last act."""
        found = re.search(r'<h2 id="outcome-title">(.*?)</h2>', self.text, re.DOTALL)
        return plain(found[1]) if found else ""

    @property
    def told(self) -> str:
        """What the picture says to whoever does not see it."""
        found = re.search(r'<desc id="family-desc">(.*?)</desc>', self.text, re.DOTALL)
        return unescape(found[1]) if found else ""

    @property
    def here(self) -> str:
        """The step that the row of steps says one is at."""
        found = re.search(r'aria-current="step">(.*?)</a>', self.text, re.DOTALL)
        return plain(found[1]) if found else ""

    def rows(self) -> list[list[str]]:
        """The rows of the table of answers, after its head."""
        table = re.search(r'<table class="answers.*?</table>', self.text, re.DOTALL)
        lines = re.findall(r"<tr>(.*?)</tr>", table[0], re.DOTALL)[1:] if table else []
        return [[plain(cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", line, re.DOTALL)] for line in lines]

    def fields(self, action: str) -> dict[str, str]:
        """The hidden fields of the first form that goes to *action*."""
        for form in re.findall(r"<form\b.*?</form>", self.text, re.DOTALL):
            if f'action="{action}"' in form:
                tags = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form)
                return {name: unescape(value) for name, value in tags}
        raise AssertionError(f"no form to {action} on {self.heading!r}")

    def has_form(self, action: str) -> bool:
        return f'action="{action}"' in self.text


def plain(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


@dataclass
class Walker:
    """Somebody with a browser. Cookies are kept by host alone, as browsers do: ports do not count."""

    application: str
    username: str
    password: str
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(headers={"user-agent": AGENT}, trust_env=False))

    def get(self, url: str) -> Page:
        return self._arrive(self.http.get(urljoin(self.application, url)))

    def post(self, url: str, form: Mapping[str, str], base: str = "") -> Page:
        return self._arrive(self.http.post(urljoin(base or self.application, url), data=dict(form)))

    def press(self, page: Page, action: str, **chosen: str) -> Page:
        """Send the form of *page* that goes to *action*, and follow where it leads."""
        return self.post(action, {**page.fields(action), **chosen}, page.url)

    def sign_in(self, decision: str = "allow") -> Page:
        """Through the issuer's pages, each as far as it is asked for; where one arrives."""
        page = self.get("/sign-in")
        if page.has_form("/sign-in"):
            page = self.press(page, "/sign-in", username=self.username, password=self.password)
        if page.has_form("/notice"):
            page = self.press(page, "/notice")
        if page.has_form("/consent"):
            page = self.press(page, "/consent", decision=decision)
        return page

    def act(self, path: str) -> Page:
        """Press the button of a step."""
        return self.press(self.get(path), path)

    def steal(self, place: int) -> Page:
        return self.press(self.get("/theft"), "/theft", token=str(place))

    def let_pass(self, seconds: int) -> Page:
        return self.press(self.get("/refresh"), "/time", seconds=str(seconds))

    def _arrive(self, reply: httpx2.Response) -> Page:
        for _ in range(20):
            _remember(reply)
            if reply.status_code != 303:
                break
            reply = self.http.get(urljoin(str(reply.url), reply.headers["location"].partition("#")[0]))
        page = Page(reply.status_code, str(reply.url), reply.text, reply.headers)
        if page.url.startswith(self.application) and "html" in page.headers.get("content-type", ""):
            _is_ours(page)
        return page


def _remember(reply: httpx2.Response) -> None:
    record_secrets_in(reply.headers.get("location", ""))
    for cookie in reply.headers.get_list("set-cookie"):
        record_secrets_in(cookie)


def _is_ours(page: Page) -> None:
    assert SHAPES.search(page.text) is None, "a whole secret stands on a page of the sample application"
    policy = page.headers["content-security-policy"]
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert " style=" not in page.text
    assert "<script" not in page.text


@dataclass
class Demonstration:
    """A running demo. *log* holds its standard error."""

    process: subprocess.Popen[str]
    said: dict[str, Any]
    log: Path
    walkers: list[Walker] = field(default_factory=list)

    def walker(self) -> Walker:
        fresh = Walker(self.said["application"], self.said["username"], self.said["password"])
        self.walkers.append(fresh)
        return fresh

    def close(self) -> None:
        """Close every browser."""
        while self.walkers:
            self.walkers.pop().http.close()

    def stop(self, number: signal.Signals = signal.SIGINT) -> float:
        """Send a signal; the seconds it took to end."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        return time.monotonic() - began


@contextlib.contextmanager
def demonstration(folder: Path, *options: str, where: tuple[str, ...] = FREE) -> Iterator[Demonstration]:
    """A demo for as long as the block runs. *folder* is where its log and its temporary files go."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "stderr.txt"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "evergrant", "demo", "--json", *where, *options],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**os.environ, "TMPDIR": str(folder)},
        )  # fmt: skip
    watch_output(log)
    try:
        line = process.stdout.readline()
        assert line, f"the demo did not start:\n{log.read_text()}"
        said = json.loads(line)
        record_secret(said["password"])
        with contextlib.closing(Demonstration(process, said, log)) as demo:
            yield demo
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)
        process.stdout.close()


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
