"""What a request brings besides its header reaches the verifier, from ASGI and from WSGI alike."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from flask import Flask, g
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from evergrant.keys.possession import ProofKey, make_proof_key
from evergrant.protocol.dpop import token_hash
from evergrant.resource import Dpop, SyncVerifier, Verifier
from evergrant.resource.frameworks import asgi
from evergrant.resource.frameworks.flask import Guard
from tests.resource.stand import API, NOW, Stand

KEY: Final = ProofKey(make_proof_key())
KEYS: Final = (b"n" * 32,)
PATH: Final = "/orders/caf%C3%A9?page=2"


class Ours:
    """One application in either world: sends a request, gives status and headers."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def get(self, **headers: Any) -> tuple[int, list[str], str]:
        sent = [(name, value) for name, values in headers.items() for value in values]
        answer = self._client.get(PATH, headers=sent)
        listed = answer.headers.get_list if hasattr(answer.headers, "get_list") else answer.headers.getlist
        return answer.status_code, listed("WWW-Authenticate"), answer.headers.get("DPoP-Nonce", "")


@contextmanager
def by_asgi(stand: Stand, dpop: Dpop, certificate: str) -> Iterator[Ours]:
    verifier = Verifier.for_issuer(stand.issuer, audience=API, dpop=dpop, clock=stand.clock)

    async def orders(request: Request) -> JSONResponse:
        return JSONResponse({"for": request.state.access.subject})

    inner = Starlette(routes=[Route("/orders/{name}", orders)])
    guard = asgi.Guard(inner, verifier, certificate=lambda _: certificate)
    with TestClient(guard, base_url=API) as client:
        yield Ours(client)
        client.portal.call(verifier.close)


@contextmanager
def by_wsgi(stand: Stand, dpop: Dpop, certificate: str) -> Iterator[Ours]:
    with SyncVerifier.for_issuer(stand.issuer, audience=API, dpop=dpop, clock=stand.clock) as verifier:
        app = Flask(__name__)

        @app.get("/orders/<name>")
        @Guard(verifier, lambda: certificate).requires()
        def orders(name: str) -> dict[str, str]:
            return {"for": g.access.subject}

        yield Ours(app.test_client())


WORLDS: Final = {"asgi": by_asgi, "wsgi": by_wsgi}


def proof(token: str, number: int, **changes: Any) -> str:
    claims = {
        "jti": f"p{number}", "htm": "GET", "htu": f"{API}/orders/caf%C3%A9", "iat": NOW, "ath": token_hash(token),
        **changes,
    }  # fmt: skip
    return KEY.prove(claims)


@pytest.fixture(params=sorted(WORLDS))
def world(request: pytest.FixtureRequest) -> Any:
    return WORLDS[request.param]


async def test_a_bound_token_passes_with_its_proof_and_neither_without_nor_with_two(stand: Stand, world: Any) -> None:
    token = stand.token(cnf={"jkt": KEY.jkt})
    with world(stand, Dpop(API), "") as ours:
        ask = lambda **headers: asyncio.to_thread(ours.get, **headers)  # noqa: E731
        assert (await ask(Authorization=[f"DPoP {token}"], DPoP=[proof(token, 1)]))[0] == 200
        status, challenges, _ = await ask(Authorization=[f"DPoP {token}"])
        assert status == 401
        assert any(text.startswith("DPoP") for text in challenges)
        assert (await ask(Authorization=[f"DPoP {token}"], DPoP=[proof(token, 2), proof(token, 3)]))[0] == 401
        assert (await ask(Authorization=[f"Bearer {token}"], DPoP=[proof(token, 4)]))[0] == 401
        assert (await ask(Authorization=[f"DPoP {token}"], DPoP=[proof(token, 1)]))[0] == 401
        elsewhere = proof(token, 5, htu=f"{API}/other")
        assert (await ask(Authorization=[f"DPoP {token}"], DPoP=[elsewhere]))[0] == 401


async def test_two_schemes_are_two_challenges_and_a_nonce_is_handed_out(stand: Stand, world: Any) -> None:

    token = stand.token(cnf={"jkt": KEY.jkt})
    with world(stand, Dpop(API, nonce_keys=KEYS, demand_nonce=True), "") as ours:
        status, challenges, _ = await asyncio.to_thread(ours.get)
        assert (status, [text.split()[0] for text in challenges]) == (401, ["Bearer", "DPoP"])
        sent = {"Authorization": [f"DPoP {token}"], "DPoP": [proof(token, 1)]}
        status, challenges, nonce = await asyncio.to_thread(ours.get, **sent)
        assert (status, len(challenges)) == (401, 1)
        assert 'error="use_dpop_nonce"' in challenges[0]
        again = {**sent, "DPoP": [proof(token, 2, nonce=nonce)]}
        assert (await asyncio.to_thread(ours.get, **again))[0] == 200


async def test_a_certificate_is_what_whoever_ended_tls_says(stand: Stand, world: Any) -> None:

    token = stand.token(cnf={"x5t#S256": "t" * 43})
    for shown, status in (("t" * 43, 200), ("u" * 43, 401), ("", 401)):
        with world(stand, None, shown) as ours:
            assert (await asyncio.to_thread(ours.get, Authorization=[f"Bearer {token}"]))[0] == status
