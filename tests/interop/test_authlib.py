"""Authlib with its automatic refresh: many threads and tasks hold one stored token, and nobody is logged out."""

import asyncio
import json
import ssl
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import authlib.oauth2.rfc6749.wrappers
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6749 import OAuth2Token

from evergrant.domain.event import What
from tests.interop.person import Person
from tests.interop.server import API, Registered, Server, forked
from tests.secrecy import record_secrets_in

pytestmark = pytest.mark.xdist_group("interop-python")

CALLBACK: Final = "https://app.example/callback"
SCOPE: Final = "openid profile email offline_access notes:read"
SCOPES: Final = tuple(word for scope in SCOPE.split() for word in ("--scope", scope))
MINUTE: Final = 60
THREADS: Final = 64
ROUNDS: Final = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("issuer")) as running:
        running.add_person()
        yield running
        assert forked(running.events()) == []


@pytest.fixture(autouse=True)
def time_at_the_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Authlib judges the age of its tokens by the server's simulated time."""
    monkeypatch.setattr(authlib.oauth2.rfc6749.wrappers, "time", SimpleNamespace(time=lambda: server.now))


@pytest.fixture(scope="module", params=["spa", "web"])
def client(server: Server, request: pytest.FixtureRequest) -> Registered:
    return server.add_client(f"Authlib {request.param}", request.param, *SCOPES, redirect_uri=CALLBACK)


class Kept:
    """A token in a file, as small applications keep theirs; read and replaced by everybody without a lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, token: dict[str, Any], **_: str) -> None:
        record_secrets_in(json.dumps(token))
        fresh = self._path.with_suffix(f".{threading.get_ident()}")
        fresh.write_text(json.dumps(token), encoding="utf-8")
        fresh.replace(self._path)

    async def aput(self, token: dict[str, Any], **_: str) -> None:
        self.put(token)

    def get(self) -> OAuth2Token:
        return OAuth2Token(json.loads(self._path.read_text(encoding="utf-8")))


def settings(server: Server, client: Registered) -> dict[str, Any]:
    return {
        "client_id": client.id, "client_secret": client.secret or None, "scope": SCOPE, "redirect_uri": CALLBACK,
        "token_endpoint_auth_method": client.auth_method, "code_challenge_method": "S256",
        "token_endpoint": f"{server.issuer}/token", "revocation_endpoint_auth_method": client.auth_method,
    }  # fmt: skip


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Not below pytest's own folder, all of which is searched for secrets: a client may keep what it was given."""
    with tempfile.TemporaryDirectory(prefix="authlib-") as folder:
        yield Kept(Path(folder) / "token.json")


def signed_in(server: Server, client: Registered, kept: Kept) -> str:
    """Sign in with Authlib, keep the token, and return the family's id."""
    session = OAuth2Session(**settings(server, client), update_token=kept.put)
    verifier = generate_token(48)
    url, state = session.create_authorization_url(f"{server.issuer}/authorize", code_verifier=verifier)
    back = Person(server.issuer).goes(url)
    kept.put(session.fetch_token(authorization_response=back, state=state, code_verifier=verifier))
    return server.events(what=What.FAMILY_STARTED, client_id=client.id)[-1].family_id


def rotations(server: Server, family: str) -> int:
    return len(server.events(family_id=family, what=What.FAMILY_ROTATED))


def test_rt_06_rt_30_threads_that_share_one_stored_token_are_never_logged_out(server, client, kept) -> None:
    family = signed_in(server, client, kept)
    gate = threading.Barrier(THREADS)

    def works(_: int) -> int:
        session = OAuth2Session(**settings(server, client), token=kept.get(), update_token=kept.put)
        gate.wait(timeout=60)
        return session.get(f"{server.issuer}/userinfo", timeout=60).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(ROUNDS):
            server.advance(15 * MINUTE)
            assert set(pool.map(works, range(THREADS))) == {200}
    assert rotations(server, family) == ROUNDS
    assert server.events(family_id=family, what=What.FAMILY_REUSED) == []


def test_rt_06_threads_that_share_one_session_object_are_never_logged_out(server, client, kept) -> None:
    family = signed_in(server, client, kept)
    session = OAuth2Session(**settings(server, client), token=kept.get(), update_token=kept.put)
    gate = threading.Barrier(THREADS)

    def works(_: int) -> int:
        gate.wait(timeout=60)
        return session.get(f"{server.issuer}/userinfo", timeout=60).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(ROUNDS):
            server.advance(15 * MINUTE)
            assert set(pool.map(works, range(THREADS))) == {200}
    assert rotations(server, family) == ROUNDS
    assert kept.get()["refresh_token"] == session.token["refresh_token"]


async def test_tasks_with_clients_of_their_own_are_never_logged_out(server, client, kept) -> None:
    family = await asyncio.to_thread(signed_in, server, client, kept)
    asked = {**settings(server, client), "verify": ssl.create_default_context()}  # one for all: making it is slow

    async def works() -> int:
        async with AsyncOAuth2Client(**asked, token=kept.get(), update_token=kept.aput, timeout=60) as own:
            return (await own.get(f"{server.issuer}/userinfo")).status_code

    for _ in range(ROUNDS):
        server.advance(15 * MINUTE)
        assert set(await asyncio.gather(*(works() for _ in range(THREADS)))) == {200}
    assert await asyncio.to_thread(rotations, server, family) == ROUNDS


def test_a_worker_with_a_week_of_refreshing_stays_signed_in(server, client, kept) -> None:
    family = signed_in(server, client, kept)
    session = OAuth2Session(**settings(server, client), token=kept.get(), update_token=kept.put)
    seen = {kept.get()["refresh_token"]}
    for _ in range(14):
        server.advance(12 * 60 * MINUTE)
        assert session.get(f"{server.issuer}/userinfo", timeout=60).json()["email"] == "ada@example.com"
        seen.add(kept.get()["refresh_token"])
    assert len(seen) == 15
    assert rotations(server, family) == 14


def test_cp_7_what_was_received_and_never_kept_is_asked_for_again(server, client, kept) -> None:
    family = signed_in(server, client, kept)
    server.advance(15 * MINUTE)
    lost = OAuth2Session(**settings(server, client), token=kept.get())
    assert lost.get(f"{server.issuer}/userinfo", timeout=60).status_code == 200  # and what it got was never kept
    again = OAuth2Session(**settings(server, client), token=kept.get(), update_token=kept.put)
    assert again.get(f"{server.issuer}/userinfo", timeout=60).status_code == 200
    assert kept.get()["refresh_token"] == lost.token["refresh_token"]
    assert rotations(server, family) == 1


def test_rt_31_a_stolen_token_used_late_ends_the_family_and_authlib_says_why(server, client, kept) -> None:
    signed_in(server, client, kept)
    stolen = kept.get()
    session = OAuth2Session(**settings(server, client), token=kept.get(), update_token=kept.put)
    for _ in range(2):  # used twice, so that not even `until_used` tolerates the first one
        server.advance(15 * MINUTE)
        assert session.get(f"{server.issuer}/userinfo", timeout=60).status_code == 200
    thief = OAuth2Session(**settings(server, client), token=stolen)
    with pytest.raises(OAuthError, match="invalid_grant"):
        thief.get(f"{server.issuer}/userinfo", timeout=60)
    server.advance(15 * MINUTE)
    with pytest.raises(OAuthError, match="invalid_grant"):
        session.get(f"{server.issuer}/userinfo", timeout=60)


def test_revoking_ends_the_sign_in(server, client, kept) -> None:
    signed_in(server, client, kept)
    session = OAuth2Session(**settings(server, client), token=kept.get(), update_token=kept.put)
    answer = session.revoke_token(f"{server.issuer}/revoke", token_type_hint="refresh_token")
    assert answer.status_code == 200
    assert session.get(f"{server.issuer}/userinfo", timeout=60).status_code == 401
    server.advance(15 * MINUTE)
    with pytest.raises(OAuthError, match="invalid_grant"):
        session.get(f"{server.issuer}/userinfo", timeout=60)


def test_a_service_fetches_a_token_again_by_itself(server) -> None:
    service = server.add_client("Authlib service", "service", "--scope", "notes:read")
    kept: list[dict[str, Any]] = []
    session = OAuth2Session(
        **{**settings(server, service), "scope": "notes:read"}, grant_type="client_credentials",
        update_token=lambda token, **_: kept.append(token),
    )  # fmt: skip
    session.fetch_token(resource=API)
    first = session.token["access_token"]
    record_secrets_in(first)
    said = session.introspect_token(f"{server.issuer}/introspect", token=first).json()
    assert (said["active"], said["aud"], said["sub"]) == (True, API, service.id)
    server.advance(15 * MINUTE)
    said = session.introspect_token(f"{server.issuer}/introspect", token=first).json()
    assert said == {"active": False}
    assert session.ensure_active_token()
    record_secrets_in(session.token["access_token"])
    assert [token["access_token"] for token in kept] == [session.token["access_token"]]
    assert session.token["access_token"] != first
