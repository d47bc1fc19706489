"""What every page needs at hand: who is visiting, forms that cannot be forged, and answers that are pages.

What lives here: cookies, CSRF tokens, the origin check, page answers. What must not: what any page does.
"""

from base64 import urlsafe_b64encode
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final, NamedTuple

from evergrant.clock import Clock
from evergrant.domain.secret import digest
from evergrant.domain.token import SECRET_LENGTH, SESSION, write_opaque
from evergrant.entropy import Entropy
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.pages.csp import headers_for
from evergrant.issuer.pages.view import Page, Pages
from evergrant.issuer.service import sessions
from evergrant.issuer.settings import Settings
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.store.port import Store
from evergrant.web.answer import HTML, Answer, Header, redirect
from evergrant.web.ask import Ask

BROWSER_SECONDS: Final = 365 * 86_400
BROWSER_DIGEST: Final = "browser cookie"
_CSRF: Final = b"evergrant csrf 1"


class Visit(NamedTuple):
    """One browser at one moment. *browser* is a digest; *cookie* the session cookie's text; *headers* set cookies.

    *csrf* is bound to the browser; *session_csrf* to the session as well, for what was shown to one person only.
    """

    browser: bytes
    cookie: str
    csrf: str
    session_csrf: str
    found: sessions.Found | None
    headers: tuple[Header, ...]


class PageTooOld(Refused):
    """A form that was not sent from a page shown here, or not in this session: somebody else has signed in since."""

    def __init__(self, visit: Visit, form: Form) -> None:
        super().__init__(Code.INVALID_REQUEST, "This page is too old. Go back, reload it and try again.", "csrf")
        self.visit: Final = visit
        self.form: Final = form


class Desk:
    """Shared by all page handlers."""

    def __init__(
        self, store: Store, catalog: Catalog, settings: Settings, pages: Pages, clock: Clock, entropy: Entropy
    ) -> None:
        self.store, self.catalog, self.settings = store, catalog, settings
        self.clock, self._pages, self._entropy = clock, pages, entropy
        self._browser_cookie = f"{settings.cookie}-browser"

    def path(self, path: str) -> str:
        """A path of ours under the issuer's own base path."""
        return self.settings.base + path

    async def visit(self, ask: Ask) -> Visit:
        """Who is visiting. A browser without a name gets one; a session in use slides and turns."""
        await self.catalog.fresh()
        now = self.clock.now()
        headers: list[Header] = []
        name = ask.cookie(self._browser_cookie)
        if not 40 <= len(name) <= 64 or not name.isascii():  # noqa: PLR2004 - 32 bytes as base64url
            name = urlsafe_b64encode(self._entropy.draw(SECRET_LENGTH)).rstrip(b"=").decode("ascii")
            headers.append(self._set(self._browser_cookie, name, BROWSER_SECONDS))
        cookie = ask.cookie(self.settings.cookie)
        fresh = write_opaque(SESSION, self._entropy.draw(SECRET_LENGTH))
        found = await self._found(ask, cookie, fresh, now)
        if found is not None and found.turned:
            cookie = fresh
            headers.append(self.session_cookie(cookie))
        own = self._csrf(name, found.session.id) if found is not None else ""
        return Visit(digest(BROWSER_DIGEST, name), cookie, self._csrf(name), own, found, tuple(headers))

    async def _found(self, ask: Ask, cookie: str, fresh: str, now: int) -> sessions.Found | None:
        if not cookie.startswith(SESSION):
            return None
        found = await self.store.read(lambda tx: sessions.find(tx, cookie, now))
        if found is None or not found.due(now):
            return found
        return await self.store.write(
            lambda tx: sessions.touch(tx, cookie, fresh, self.settings, ask.network, ask.agent, now)
        )

    async def posted(self, ask: Ask) -> tuple[Visit, Form]:
        """A form of ours that was sent from a page of ours (attacks S-01, S-02). Raises `Refused`."""
        visit, form = await self._sent(ask)
        if not self._good_csrf(ask, form, ""):
            raise PageTooOld(visit, form)
        return visit, form

    async def posted_in_session(self, ask: Ask) -> tuple[Visit, Form]:
        """The same for a page that was shown to the person signed in now. Raises `Refused`, `PageTooOld`.

        Without a session there is nothing to protect, and every handler sends the person to sign in.
        """
        visit, form = await self._sent(ask)
        if visit.found is not None and not self._good_csrf(ask, form, visit.found.session.id):
            raise PageTooOld(visit, form)
        return visit, form

    async def _sent(self, ask: Ask) -> tuple[Visit, Form]:
        self._same_origin(ask)
        if not ask.cookie(self._browser_cookie):
            told = "Your browser sent no cookie. Allow cookies for this site."
            raise Refused(Code.INVALID_REQUEST, told, "no cookie")
        return await self.visit(ask), ask.form()

    def _good_csrf(self, ask: Ask, form: Form, session_id: str) -> bool:
        name, given = ask.cookie(self._browser_cookie), (form.get("csrf") or "").encode()
        versions = self.catalog.ring.mac_keys
        return any(compare_digest(self._csrf(name, session_id, version).encode(), given) for version in versions)

    def _same_origin(self, ask: Ask) -> None:
        site, origin = ask.header(b"sec-fetch-site"), ask.header(b"origin")
        ours = self.settings.issuer[: len(self.settings.issuer) - len(self.settings.base)]
        # A page with `Referrer-Policy: no-referrer` posts with `Origin: null`; Sec-Fetch-Site then tells the truth.
        if site not in {"", "same-origin", "none"} or origin not in {"", "null", ours}:
            raise Refused(Code.INVALID_REQUEST, "This form was sent from another site.", "origin", status=403)

    def _csrf(self, name: str, session_id: str = "", version: int | None = None) -> str:
        ring = self.catalog.ring
        key = ring.derive(ring.mac_version(self.clock.now()) if version is None else version, _CSRF)
        return urlsafe_b64encode(hmac_digest(key, f"{name} {session_id}".encode(), "sha256")[:24]).decode("ascii")

    def session_cookie(self, text: str) -> Header:
        return self._set(self.settings.cookie, text, self.settings.session_absolute)

    def no_session_cookie(self) -> Header:
        return self._set(self.settings.cookie, "", 0)

    def _set(self, name: str, value: str, seconds: int) -> Header:
        secure = "; Secure" if self.settings.secure else ""
        text = f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
        return (b"set-cookie", text.encode("ascii"))

    def show(self, page: Page, visit: Visit | None, targets: tuple[str, ...] = (), status: int = 200) -> Answer:
        """A page as an answer, with its own policy headers and the visit's cookies."""
        cookies = () if visit is None else visit.headers
        return Answer(status, (HTML, *headers_for(page, targets), *cookies), self._pages.render(page).encode())

    def go(self, path: str, visit: Visit, *headers: Header) -> Answer:
        """On to another page of ours."""
        return redirect(self.path(path), *visit.headers, *headers)
