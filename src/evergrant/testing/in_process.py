"""An issuer in this process: the real application over a real store, a fixed clock, and a browser that has cookies.

Nothing is mocked: requests go through the ASGI application, pages are read as HTML, forms are sent as browsers send
them. For tests of this project and of its users.
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from msgspec import json

from evergrant.assembly import ROUTE_NAMES, Given, House, Life, assemble, opened
from evergrant.clock import FixedClock
from evergrant.config import Config
from evergrant.domain.client import AUTHORIZATION_CODE, REFRESH_TOKEN, AuthMethod, Client, ClientType
from evergrant.domain.policy import Preset
from evergrant.domain.registration import GRANTS_OF, METHODS, PRESET_OF
from evergrant.entropy import SystemEntropy
from evergrant.keys.local import LENGTH
from evergrant.observe.metrics import Metrics
from evergrant.observe.watch import Watch
from evergrant.store.memory import MemoryStore
from evergrant.store.port import Store
from evergrant.store.sqlite import SqliteStore
from evergrant.web.app import Application

ISSUER: Final = "http://127.0.0.1:8000"
CALLBACK: Final = "https://app.example/callback"
FIREFOX: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
PASSWORD: Final = "correct horse battery staple"
# What is in memory dies with the process, and so may its key: syncing a file for each issuer took longer than most of
# what is tested with it.
_KEY: Final = SystemEntropy().draw(LENGTH)
SCOPES: Final = ("openid", "profile", "email", "offline_access")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `headers` keeps repeated ones."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.decode(self.body)

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def location(self) -> str:
        return self.header("location")

    def answered(self) -> dict[str, str]:
        """The parameters of a redirect's query."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.location).query).items()}

    def hidden(self) -> dict[str, str]:
        """The hidden fields of the first form that holds a CSRF token."""
        for form in re.findall(r"<form\b.*?</form>", self.text, re.DOTALL):
            fields = {}
            for tag in re.findall(r"<input\b[^>]*>", form):
                members = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
                if members.get("type") == "hidden":
                    fields[members["name"]] = unescape(members.get("value", ""))
            if "csrf" in fields:
                return fields
        return {}


@dataclass
class Browser:
    """One browser: cookies, a network address and a User-Agent."""

    app: Application
    network: str = "192.0.2.1"
    agent: str = FIREFOX
    host: str = "127.0.0.1:8000"
    cookies: dict[str, str] = field(default_factory=dict)

    async def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """One request, as raw as it gets. *path* may have a query."""
        raw, _, query = path.partition("?")
        sent = {"host": self.host, "user-agent": self.agent, **(headers or {})}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method == "POST":
            sent.setdefault("content-length", str(len(body)))
        scope = {
            "type": "http", "method": method, "path": raw, "raw_path": raw.encode(), "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()],
            "client": (self.network, 50_000), "scheme": "http", "http_version": "1.1",
        }  # fmt: skip
        reply = await exchange(self.app, scope, body)
        self._keep(reply)
        return reply

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Reply:
        return await self.send("GET", path + (f"?{urlencode(params)}" if params else ""))

    async def post(self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return await self.send("POST", path, urlencode(form).encode(), {**kind, **(headers or {})})

    async def follow(self, reply: Reply) -> Reply:
        """Follow redirects for as long as they stay here."""
        while reply.status == 303 and reply.location.startswith("/"):
            reply = await self.get(reply.location)
        return reply

    def _keep(self, reply: Reply) -> None:
        for name, value in reply.headers:
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                text, _, attributes = rest.partition(";")
                if "Max-Age=0" in attributes:
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = text


async def exchange(app: Application, scope: dict[str, Any], body: bytes) -> Reply:
    """One ASGI request and its answer."""
    sent: list[dict[str, Any]] = []
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    headers = tuple((name.decode(), value.decode("latin-1")) for name, value in sent[0]["headers"])
    return Reply(sent[0]["status"], headers, b"".join(part.get("body", b"") for part in sent[1:]))


def pkce(seed: str = "v") -> tuple[str, str]:
    """A verifier and its challenge."""
    verifier = (seed * 64)[:64]
    return verifier, urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Issuer:
    """The running issuer with shortcuts for what tests do all day."""

    house: House
    app: Application
    clock: FixedClock
    life: Life

    def browser(self, network: str = "192.0.2.1", agent: str = FIREFOX, host: str = "127.0.0.1:8000") -> Browser:
        return Browser(self.app, network, agent, host)

    async def person(self, name: str = "ada@example.com") -> Any:
        return await self.house.accounts.add(name, PASSWORD, claims={"name": "Ada"}, email_verified=True)

    async def client(self, type_: ClientType = ClientType.SPA, name: str = "App", **changes: Any) -> tuple[Client, str]:
        """A registered client and its secret (empty for public ones)."""
        values: dict[str, Any] = {
            "redirect_uris": (CALLBACK,) if AUTHORIZATION_CODE in GRANTS_OF[type_] else (),
            "scopes": SCOPES, "grant_types": GRANTS_OF[type_], "preset": PRESET_OF[type_],
            "auth_method": METHODS[type_], **changes,
        }  # fmt: skip
        client = Client(id=self.house.clients.new_id(), name=name, type=type_, created_at=self.clock.now(), **values)
        client, secret = await self.house.clients.add(client)
        return client, secret.reveal() if secret else ""

    async def authorize(self, browser: Browser, client: Client, **params: str) -> Reply:
        """Ask for authorization and follow to the first page or the client."""
        _, challenge = pkce()
        asked = {
            "client_id": client.id, "redirect_uri": client.redirect_uris[0], "response_type": "code",
            "scope": " ".join(SCOPES), "state": "s", "nonce": "n", "code_challenge": challenge,
            "code_challenge_method": "S256", **params,
        }  # fmt: skip
        asked = {name: value for name, value in asked.items() if value}
        return await browser.follow(await browser.get("/authorize", asked))

    async def code(self, browser: Browser, client: Client, name: str = "ada@example.com", **params: str) -> str:
        """Sign in and consent as needed, like a person; the authorization code."""
        reply = await self.authorize(browser, client, **params)
        if 'name="password"' in reply.text:
            form = {**reply.hidden(), "username": name, "password": PASSWORD}
            reply = await browser.follow(await browser.post("/sign-in", form))
        if "/notice" in reply.text and 'name="decision"' not in reply.text:
            reply = await browser.follow(await browser.post("/notice", reply.hidden()))
        if 'name="decision"' in reply.text:
            reply = await browser.follow(await browser.post("/consent", {**reply.hidden(), "decision": "allow"}))
        return reply.answered()["code"]

    async def token(
        self, client: Client, secret: str, form: Mapping[str, str], browser: Browser | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        """One request to the token endpoint, authenticated as the client is registered."""
        browser = browser or Browser(self.app)
        headers, extra = dict(headers or {}), {}
        if client.auth_method is AuthMethod.BASIC:
            pair = f"{quote(client.id)}:{quote(secret)}".encode()
            headers["authorization"] = "Basic " + b64encode(pair).decode()
        elif client.auth_method is AuthMethod.POST:
            extra = {"client_id": client.id, "client_secret": secret}
        else:
            extra = {"client_id": client.id}
        return await browser.post("/token", {**extra, **form}, headers)

    async def redeem(
        self, client: Client, secret: str, code: str, headers: Mapping[str, str] | None = None, **more: str
    ) -> Reply:
        form = {"grant_type": AUTHORIZATION_CODE, "code": code, "code_verifier": pkce()[0], **more}
        return await self.token(client, secret, form, headers=headers)

    async def refresh(
        self, client: Client, secret: str, token: str, browser: Browser | None = None,
        headers: Mapping[str, str] | None = None, **more: str,
    ) -> Reply:  # fmt: skip
        form = {"grant_type": REFRESH_TOKEN, "refresh_token": token, **more}
        return await self.token(client, secret, form, browser, headers)

    async def signed_in(self, client: Client, secret: str = "", browser: Browser | None = None, **params: str) -> Any:
        """The token answer of a whole sign-in."""
        code = await self.code(browser or self.browser(), client, **params)
        reply = await self.redeem(client, secret, code)
        if reply.status != 200:
            raise AssertionError(reply.text)
        return reply.json()


@asynccontextmanager
async def running(
    folder: Path, store: Store | None = None, config: Config | None = None, clock: FixedClock | None = None
) -> AsyncIterator[Issuer]:
    """An issuer at `ISSUER` for as long as the block runs; passwords are hashed cheaply."""
    base = (config or Config()).replace(
        store__data=folder, password__memory_kib=64, password__iterations=1, password__parallelism=1
    )
    clock = clock or FixedClock()
    given = Given(store or MemoryStore(), clock)
    if not (isinstance(given.store, SqliteStore) or base.keys.key_encryption_key or base.keys.key_encryption_key_file):
        base = base.replace(keys__key_encryption_key=_KEY)
    async with opened(base, Metrics(endpoints=ROUTE_NAMES), given) as house:
        watch = Watch(house.metrics, clock, house.entropy)
        life = Life(AsyncExitStack(), house, watch)
        yield Issuer(house, assemble(house, watch, life), clock, life)


__all__ = ["CALLBACK", "ISSUER", "PASSWORD", "Browser", "Issuer", "Preset", "Reply", "pkce", "running"]
