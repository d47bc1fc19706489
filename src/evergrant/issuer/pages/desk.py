"""What every page needs at hand: who is visiting, forms that cannot be forged, and answers that are pages.

What lives here: cookies, CSRF tokens, the origin check, page answers. What must not: what any page does.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final, NamedTuple

from evergrant.clock import Clock
from evergrant.domain.secret import digest
from evergrant.domain.token import SECRET_LENGTH, SESSION, write_opaque
from evergrant.entropy import Entropy
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.http.answer import HTML, Answer, Header, redirect
from evergrant.issuer.http.ask import Ask
from evergrant.issuer.pages.csp import headers_for
from evergrant.issuer.pages.view import ErrorPage, Page, Pages
from evergrant.issuer.service import sessions
from evergrant.issuer.settings import Settings
from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form
from evergrant.store.port import Store

BROWSER_SECONDS: Final = 365 * 86_400
BROWSER_DIGEST: Final = "browser cookie"
_CSRF: Final = b"evergrant csrf 1"


class Visit(NamedTuple):
    """One browser at one moment. *browser* is a digest; *cookie* the session cookie's text; *headers* set cookies."""

    browser: bytes
    cookie: str
    csrf: str
    found: sessions.Found | None
    headers: tuple[Header, ...]


class Desk:
    """Shared by all page handlers."""

    def __init__(
        self, store: Store, catalog: Catalog, settings: Settings, pages: Pages, clock: Clock, entropy: Entropy,
        error_id: Callable[[], str],
    ) -> None:  # fmt: skip
        self.store, self.catalog, self.settings = store, catalog, settings
        self.clock, self._pages, self._entropy, self._error_id = clock, pages, entropy, error_id
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
        return Visit(digest(BROWSER_DIGEST, name), cookie, self._csrf(name), found, tuple(headers))

    async def _found(self, ask: Ask, cookie: str, fresh: str, now: int) -> sessions.Found | None:
        if not cookie.startswith(SESSION):
            return None
        found = await self.store.read(lambda tx: sessions.find(tx, cookie, now))
        if found is None or now - found.session.seen_at < sessions.SEEN_SECONDS:
            return found
        return await self.store.write(
            lambda tx: sessions.touch(tx, cookie, fresh, self.settings, ask.network, ask.agent, now)
        )

    async def posted(self, ask: Ask) -> tuple[Visit, Form]:
        """A form of ours that was sent from a page of ours (attacks S-01, S-02). Raises `Refused`."""
        self._same_origin(ask)
        visit, form = await self.visit(ask), ask.form()
        given = form.get("csrf") or ""
        if not self._good_csrf(ask.cookie(self._browser_cookie), given):
            raise Refused(Code.INVALID_REQUEST, "This page is too old. Go back, reload it and try again.", "csrf")
        return visit, form

    def _same_origin(self, ask: Ask) -> None:
        site, origin = ask.header(b"sec-fetch-site"), ask.header(b"origin")
        ours = self.settings.issuer[: len(self.settings.issuer) - len(self.settings.base)]
        # A page with `Referrer-Policy: no-referrer` posts with `Origin: null`; Sec-Fetch-Site then tells the truth.
        if site not in {"", "same-origin", "none"} or origin not in {"", "null", ours}:
            raise Refused(Code.INVALID_REQUEST, "This form was sent from another site.", "origin", status=403)

    def _csrf(self, name: str, version: int | None = None) -> str:
        ring = self.catalog.ring
        key = ring.derive(ring.mac_version(self.clock.now()) if version is None else version, _CSRF)
        return urlsafe_b64encode(hmac_digest(key, name.encode(), "sha256")[:24]).decode("ascii")

    def _good_csrf(self, name: str, given: str) -> bool:
        return bool(name) and any(
            compare_digest(self._csrf(name, version).encode(), given.encode()) for version in self.catalog.ring.mac_keys
        )

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

    def trouble(self, status: int, title: str, what: str, todo: str, code: str | None = None) -> Answer:
        """A page that says what happened and what to do."""
        page = ErrorPage(
            title=title, what_happened=what, what_to_do=todo, error_id=self._error_id(), error_code=code
        )  # fmt: skip
        retry = ((b"retry-after", b"2"),) if status == 503 else ()  # noqa: PLR2004 - HTTP
        answer = self.show(page, None, (), status)
        return answer._replace(headers=(*answer.headers, *retry))
