"""An MCP client of the official SDK: it signs in by what the server says, calls a tool, and is told when that ends."""

import asyncio
import socket
import time

import httpx2
import pytest
import requests
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from evergrant.config import Config
from evergrant.testing.token_issuer import TokenIssuer, token_issuer
from tests.person import NAME, PASSWORD, Person
from tests.resource.frameworks.running import example
from tests.secrecy import record_secret

CALLBACK = "http://127.0.0.1:8765/callback"
PATIENCE = 60.0
"""Seconds for a server to hear of a revocation: a tenth of the life of its tokens."""
SCOPES = {"orders:read": "Read your orders", "offline_access": "Stay connected"}


class Memory(TokenStorage):
    """What the client keeps: it was registered beforehand."""

    def __init__(self, client_id: str) -> None:
        self.tokens: OAuthToken | None = None
        self.client = OAuthClientInformationFull(
            client_id=client_id, redirect_uris=[CALLBACK], token_endpoint_auth_method="none"
        )

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        record_secret(tokens.access_token)
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Ada(Person):
    """The person, as the SDK asks for her."""

    def __init__(self) -> None:
        super().__init__(CALLBACK)
        self._said: dict[str, str] = {}

    async def sent(self, url: str) -> None:
        self._said = await asyncio.to_thread(self.go, url)

    async def code(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(code=self._said["code"], state=self._said["state"], iss=self._said["iss"])


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def orders(url: str, provider: OAuthClientProvider) -> str:
    async with (
        httpx2.AsyncClient(auth=provider, timeout=30) as http,
        streamable_http_client(url, http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        result = await session.call_tool("orders", {})
        return str(result.content[0].text)


@pytest.fixture
def port() -> int:
    return free_port()


async def test_an_mcp_client_signs_in_calls_a_tool_is_revoked_and_asks_its_person_again(port: int) -> None:
    url = f"http://127.0.0.1:{port}/mcp"
    config = Config(scopes=SCOPES).replace(tokens__default_resource=url)
    with token_issuer(config) as issuer, example("mcp", issuer, port):
        record_secret(issuer.credentials.client_secret)
        issuer.person(NAME, PASSWORD)
        ada = Ada()
        storage = Memory(issuer.application("An MCP client", CALLBACK, scopes=tuple(SCOPES)))
        said = OAuthClientMetadata(redirect_uris=[CALLBACK], token_endpoint_auth_method="none", scope=" ".join(SCOPES))
        provider = OAuthClientProvider(url, said, storage, ada.sent, ada.code)
        assert (await orders(url, provider)).startswith("orders of usr_")
        assert ada.asked == 1
        assert (await orders(url, provider)).startswith("orders of usr_")
        assert ada.asked == 1
        assert storage.tokens is not None
        await asyncio.to_thread(revoke, issuer, url, storage.tokens.access_token)
        assert (await orders(url, provider)).startswith("orders of usr_")
        assert ada.asked == 2, "whoever was revoked has to ask again"


def revoke(issuer: TokenIssuer, url: str, token: str) -> None:
    """End it, and wait until the server has heard of it, long before the token's own end."""
    issuer.end(token)
    give_up = time.monotonic() + PATIENCE
    while requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code != 401:
        assert time.monotonic() < give_up


async def test_a_client_that_lacks_a_scope_is_told_which(port: int) -> None:
    url = f"http://127.0.0.1:{port}/mcp"
    config = Config(scopes=SCOPES).replace(tokens__default_resource=url)
    with token_issuer(config) as issuer, example("mcp", issuer, port):
        record_secret(issuer.credentials.client_secret)
        token = issuer.token(scope="offline_access")
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        answer = await asyncio.to_thread(requests.post, url, json=body, headers=headers, timeout=30)
        assert answer.status_code == 403
        challenge = answer.headers["WWW-Authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert 'scope="orders:read"' in challenge
        assert f'resource_metadata="http://127.0.0.1:{port}/.well-known/oauth-protected-resource/mcp"' in challenge
