"""A browser without scripts: keeps cookies, follows forms and redirects, one step at a time."""

import re
from html import unescape
from urllib.parse import urljoin, urlsplit

import httpx2


class Browser:
    """One browser; *page* is what it shows, *url* where it is."""

    def __init__(self) -> None:
        self.client = httpx2.AsyncClient(trust_env=False, follow_redirects=False)
        self.url = ""
        self.page = ""
        self.status = 0

    async def open(self, url: str) -> "Browser":
        return await self._go("GET", url)

    async def submit(self, button: str = "", **changes: str) -> "Browser":
        """Send the form with the button whose text, name or value is *button*; the first form when it is empty."""
        form = next(form for form in re.findall(r"<form.*?</form>", self.page, re.DOTALL) if button in form)
        action = unescape(re.search(r'action="([^"]*)"', form)[1])  # type: ignore[index]
        fields = {
            name: unescape(value)
            for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
        }
        pressed = re.findall(r'<button[^>]*?name="([^"]+)" value="([^"]*)"[^>]*>(.*?)</button>', form, re.DOTALL)
        for name, value, words in pressed:
            if button in value or button in words or len(pressed) == 1:
                fields[name] = unescape(value)
                break
        return await self._go("POST", urljoin(self.url, action), {**fields, **changes})

    async def _go(self, method: str, url: str, form: dict[str, str] | None = None) -> "Browser":
        for _ in range(10):
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.url)) if self.url else ""
            headers = {"Origin": origin} if method == "POST" and origin else {}
            reply = await self.client.request(method, url, data=form, headers=headers)
            self.url, self.page, self.status = url, reply.text, reply.status_code
            if reply.status_code not in {302, 303}:
                return self
            method, form, url = "GET", None, urljoin(url, reply.headers["location"])
        raise AssertionError("too many redirects")

    @property
    def said(self) -> str:
        """What the page's main part says, without tags."""
        main = re.search(r"<main>(.*)</main>", self.page, re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", main[1])).split()) if main else self.page
