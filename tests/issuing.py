"""A whole issuer for tests that speak HTTP: on either store, and no 500 forgiven.

What lives here: opening it, looking at what it stored, and the few journeys that most tests begin with. What must not:
an assertion of one row; those stand in the tests.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import apsw
from msgspec import json

from evergrant.clock import FixedClock
from evergrant.config import Config, ResourceConfig
from evergrant.domain import base64url
from evergrant.domain.client import AuthMethod, Client, ClientType
from evergrant.domain.event import Event, What
from evergrant.domain.family import Family
from evergrant.protocol.basic import write_basic
from evergrant.store.memory import MemoryStore
from evergrant.store.port import EventQuery
from evergrant.store.sqlite import SqliteStore
from evergrant.testing.in_process import Browser, Issuer, Reply, running

MEMORY: Final = "memory"
SQLITE: Final = "sqlite"
STORES: Final = (MEMORY, SQLITE)
FILE: Final = "issuing.db"
# Counters and the audit trail may change on a refusal (invariant 11); nothing else may.
MAY_CHANGE: Final = frozenset({"event", "bucket", "meta"})

JWT_API: Final = "https://orders.example"
OTHER_JWT_API: Final = "https://stock.example/v1"
OPAQUE_API: Final = "https://vault.example"
RESOURCES: Final = (
    ResourceConfig(JWT_API, ("orders:read", "orders:write")),
    ResourceConfig(OTHER_JWT_API, ("stock:read",), "jwt", 120),
    ResourceConfig(OPAQUE_API, ("vault:open",), "opaque"),
)
API_SCOPES: Final = ("openid", "profile", "offline_access", "orders:read", "orders:write", "stock:read", "vault:open")


class Forbidding500:
    """The application. A 500 is a failure wherever it happens, unless a test made it happen."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.faults_expected = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def judged(message: Any) -> None:
            if message.get("status") == 500 and not self.faults_expected:
                raise AssertionError(f"{scope['method']} {scope['path']} was answered with 500")
            await send(message)

        await self.app(scope, receive, judged)


@asynccontextmanager
async def issuing(
    folder: Path, kind: str = MEMORY, config: Config | None = None, clock: FixedClock | None = None
) -> AsyncIterator[Issuer]:
    """An issuer on a store of *kind*."""
    store = MemoryStore() if kind == MEMORY else SqliteStore.open(folder / FILE)
    async with running(folder, store, config, clock) as issuer:
        issuer.app = Forbidding500(issuer.app)  # type: ignore[assignment]
        yield issuer


def with_resources() -> Config:
    """A configuration with two APIs that take JWTs and one that takes opaque tokens."""
    scopes = {name: f"Do {name}" for name in API_SCOPES}
    return Config(resources=RESOURCES, scopes=scopes)


@dataclass
class Held:
    """What one signed-in client holds."""

    issuer: Issuer
    client: Client
    secret: str
    tokens: dict[str, Any]

    @property
    def refresh(self) -> str:
        return str(self.tokens["refresh_token"])

    @property
    def access(self) -> str:
        return str(self.tokens["access_token"])

    async def turn(self, **more: str) -> dict[str, Any]:
        """Refresh as an honest client does, and keep what comes."""
        reply = await self.present(self.refresh, **more)
        assert reply.status == 200, reply.text
        self.tokens = {**self.tokens, **reply.json()}
        return self.tokens

    async def present(self, token: str, **more: str) -> Reply:
        return await self.issuer.refresh(self.client, self.secret, token, **more)

    async def family(self) -> Family:
        return await family_of(self.issuer, self.access)

    async def active(self, token: str) -> bool:
        """Whether introspection, asked by a confidential client of its own token, calls it active."""
        reply = await post_as(self.issuer, "/introspect", self.client, self.secret, {"token": token})
        assert reply.status == 200, reply.text
        return bool(reply.json()["active"])


async def hold(issuer: Issuer, type_: ClientType = ClientType.SPA, name: str = "App", **changes: Any) -> Held:
    """A registered client of that type with the tokens of a fresh sign-in by Ada."""
    client, secret = await issuer.client(type_, name, **changes)
    return Held(issuer, client, secret, await issuer.signed_in(client, secret))


async def again(held: Held, browser: Browser | None = None, **params: str) -> Held:
    """The same client with the tokens of another sign-in."""
    return replace(held, tokens=await held.issuer.signed_in(held.client, held.secret, browser, **params))


async def post_as(
    issuer: Issuer, path: str, client: Client, secret: str, form: dict[str, str], browser: Browser | None = None
) -> Reply:
    """A form, authenticated as the client is registered."""
    headers = {"authorization": write_basic(client.id, secret)} if client.auth_method is AuthMethod.BASIC else {}
    named = {"client_id": client.id} if client.auth_method is not AuthMethod.BASIC else {}
    posted = {"client_secret": secret} if client.auth_method is AuthMethod.POST else {}
    return await (browser or issuer.browser()).post(path, {**named, **posted, **form}, headers)


def claims_of(jwt: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    claims: dict[str, Any] = json.decode(base64url.decode(jwt.split(".")[1]))
    return claims


def header_of(jwt: str) -> dict[str, Any]:
    header: dict[str, Any] = json.decode(base64url.decode(jwt.partition(".")[0]))
    return header


async def family_of(issuer: Issuer, access: str) -> Family:
    """The family an access token (a JWT) belongs to."""
    raw = base64url.decode(claims_of(access)["fam"].removeprefix("fam_"))
    found = await issuer.house.store.read(lambda tx: tx.families.get(raw))
    assert found is not None
    return found


async def events(issuer: Issuer, what: What | None = None) -> list[Event]:
    """The audit trail, oldest first."""
    found = await issuer.house.store.read(lambda tx: tx.events.find(EventQuery(what=what, limit=10_000)))
    return [event for _, event in found]


async def whats(issuer: Issuer) -> list[What]:
    return [event.what for event in await events(issuer)]


def stored(issuer: Issuer, folder: Path, but: frozenset[str] = MAY_CHANGE) -> dict[str, list[Any]]:
    """Everything stored, table by table, to be compared byte by byte."""
    store = issuer.house.store
    if isinstance(store, MemoryStore):
        return {name: sorted(table.items(), key=repr) for name, table in store._tables.items() if name not in but}
    connection = apsw.Connection(str(folder / FILE), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        names = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        kept = [name for name in names if name not in but and not name.startswith("sqlite_")]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in kept}
    finally:
        connection.close()


@contextmanager
def unchanged(issuer: Issuer, folder: Path) -> Iterator[None]:
    """Whatever happens in the block leaves the stored state byte-equal, audit and counters aside (invariant 11)."""
    before = stored(issuer, folder)
    yield
    assert stored(issuer, folder) == before


DESCRIPTION: Final = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+\Z")


def is_oauth_error(reply: Reply, error: str, status: int = 400) -> None:
    """The answer is exactly what RFC 6749 section 5.2 describes."""
    assert (reply.status, reply.json()["error"]) == (status, error), reply.text
    members = reply.json()
    assert set(members) == {"error", "error_description", "error_id"}
    assert DESCRIPTION.match(members["error_description"]), members
    assert reply.header("content-type") == "application/json"
    assert reply.header("cache-control") == "no-store"
    assert reply.header("pragma") == "no-cache"
