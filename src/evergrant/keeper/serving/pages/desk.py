"""What every page needs at hand: who is visiting, forms that cannot be forged, answers that are pages.

A visitor is whoever came with a connect link, by a cookie of this browser; or whom the application names that this is
mounted in. Where it names somebody, nobody else is visiting: a cookie of an earlier user counts for nothing.
"""

from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from evergrant.domain.base64url import encode
from evergrant.domain.token import SECRET_LENGTH
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.serving.house import House
from evergrant.keeper.serving.links import Invitation, Visit
from evergrant.keeper.serving.pages.trouble import NOT_VISITING, page_for, page_of
from evergrant.keeper.serving.pages.view import Page, Pages, headers_for
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.web.answer import HTML, Answer, Header, redirect
from evergrant.web.ask import Ask

COOKIE: Final = "evergrant-keeper"
BROWSER_SECONDS: Final = 86_400
_LEAST, _MOST = 40, 64


class NotVisiting(Exception):
    """Nobody came with a link, and the application names nobody."""


@dataclass(frozen=True, slots=True)
class Browser:
    """One browser: its forms' token, and the cookie that it is given when it has none yet."""

    csrf: str
    headers: tuple[Header, ...]


class Desk:
    """Shared by all page handlers."""

    def __init__(self, house: House) -> None:
        self.house = house
        settings = house.settings
        self.pages = Pages(settings.brand, settings.support_url, settings.base)
        # A cookie with this prefix can be planted by no other host, not even by a sub-domain.
        prefix = "__Host-" if settings.secure else ""
        self._visit_cookie, self._browser_cookie = f"{prefix}{COOKIE}", f"{prefix}{COOKIE}-browser"

    def path(self, path: str) -> str:
        """A path of ours under the service's own base path."""
        return self.house.settings.base + path

    # ---- who

    async def browser(self, ask: Ask) -> Browser:
        """The browser, given a name when it has none."""
        ground = await self.house.ground()
        name = ask.cookie(self._browser_cookie)
        headers: tuple[Header, ...] = ()
        if not _LEAST <= len(name) <= _MOST or not name.isascii():
            name = encode(ground.entropy.draw(SECRET_LENGTH)).decode("ascii")
            headers = (self._set(self._browser_cookie, name, BROWSER_SECONDS),)
        return Browser(_csrf(ground, name), headers)

    async def visit(self, ask: Ask) -> Visit | None:
        """Who is visiting, None for nobody."""
        kept = await self.house.links.visit(ask.cookie(self._visit_cookie))
        identify = self.house.settings.identify
        if identify is None:
            return kept
        person = await identify(ask)
        if person is None:
            return None
        if kept is not None and (kept.invitation.tenant, kept.invitation.user) == (person.tenant, person.user):
            return kept
        return await self.house.links.known(person.tenant, person.user, person.label)

    async def welcome(self, ask: Ask, invitation: Invitation) -> bool:
        """Whether the link is for whoever the application says is there; always, where it says nothing (K-05)."""
        identify = self.house.settings.identify
        person = await identify(ask) if identify is not None else None
        return identify is None or (
            person is not None and (person.tenant, person.user) == (invitation.tenant, invitation.user)
        )

    async def visitor(self, ask: Ask) -> Visit:
        """Raises `NotVisiting`."""
        found = await self.visit(ask)
        if found is None:
            raise NotVisiting
        return found

    async def posted(self, ask: Ask) -> Form:
        """A form of ours that was sent from a page of ours (attacks S-01, S-02). Raises `Refused`."""
        site, origin = ask.header(b"sec-fetch-site"), ask.header(b"origin")
        # A page with `Referrer-Policy: no-referrer` posts with `Origin: null`; Sec-Fetch-Site then tells the truth.
        if site not in {"", "same-origin", "none"} or origin not in {"", "null", self.house.settings.origin}:
            raise Refused(Code.INVALID_REQUEST, "This form was sent from another site.", "origin", status=403)
        name = ask.cookie(self._browser_cookie)
        if not name:
            told = "Your browser sent no cookie. Allow cookies for this site."
            raise Refused(Code.INVALID_REQUEST, told, "no cookie")
        form = ask.form()
        right = _csrf(await self.house.ground(), name)
        if not compare_digest(right.encode(), (form.get("csrf") or "").encode()):
            raise Refused(Code.INVALID_REQUEST, "This page is too old. Go back, reload it and try again.", "csrf")
        return form

    async def keeping(self, visit: Visit) -> Header:
        """The cookie that keeps *visit* in its browser."""
        ground = await self.house.ground()
        left = visit.until - ground.clock.now()
        return self._set(self._visit_cookie, await self.house.links.written(visit), left)

    def _set(self, name: str, value: str, seconds: int) -> Header:
        secure = "; Secure" if self.house.settings.secure else ""
        text = f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
        return (b"set-cookie", text.encode("ascii"))

    # ---- what is answered

    def show(self, page: Page, *headers: Header, status: int = 200) -> Answer:
        """A page as an answer, with its own policy."""
        return Answer(status, (HTML, *headers_for(page), *headers), self.pages.render(page).encode())

    def go(self, path: str, *headers: Header) -> Answer:
        """On to another page of ours."""
        return redirect(self.path(path), *headers)

    def trouble(self, code: str, onward: str = "") -> Answer:
        """The page for *code*; *onward*: a path of ours on which to try again."""
        page, status = page_of(code, self.path(onward) if onward else "")
        return self.show(page, status=status)

    def not_visiting(self) -> Answer:
        return self.trouble(NOT_VISITING)

    def tell(self, error: Refused, error_id: str) -> Answer:
        """A refusal of the HTTP room as a page."""
        return self.show(page_for(error, error_id), status=error.status)


def _csrf(ground: Ground, name: str) -> str:
    """Keyed, so that nobody who can plant a cookie can name the token that goes with it."""
    return ground.sealer.fingerprint(f"keeper pages csrf {name}")
