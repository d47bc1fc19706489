"""A request that is guarded in two places is one request: its proof is judged once, and is good in both."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import pytest
from fastapi import FastAPI, Security
from flask import Flask, g
from starlette.testclient import TestClient

from evergrant.resource import Access, Dpop, SyncVerifier, Verifier
from evergrant.resource.frameworks import asgi
from evergrant.resource.frameworks.fastapi import Protect
from evergrant.resource.frameworks.flask import Guard
from tests.resource.frameworks.test_bound import KEY, proof
from tests.resource.stand import API, Stand

PATH: Final = "/orders/caf%C3%A9"


@contextmanager
def by_fastapi(stand: Stand) -> Iterator[Any]:
    verifier = Verifier.for_issuer(stand.issuer, audience=API, dpop=Dpop(API), clock=stand.clock)
    protect = Protect(verifier, issuer=stand.issuer)
    app = FastAPI(dependencies=[Security(protect, scopes=["read"])])

    @app.get("/orders/{name}")
    async def orders(name: str, access: Annotated[Access, Security(protect, scopes=["write"])]) -> dict[str, str]:
        return {"for": access.subject}

    with TestClient(asgi.Guard(app, verifier), base_url=API) as client:
        yield client
        client.portal.call(verifier.close)


@contextmanager
def by_flask(stand: Stand) -> Iterator[Any]:
    with SyncVerifier.for_issuer(stand.issuer, audience=API, dpop=Dpop(API), clock=stand.clock) as verifier:
        app, guard = Flask(__name__), Guard(verifier)

        @app.get("/orders/<name>")
        @guard.requires("read")
        @guard.requires("write")
        def orders(name: str) -> dict[str, str]:
            return {"for": g.access.subject}

        yield app.test_client()


@pytest.mark.parametrize("world", [by_fastapi, by_flask])
async def test_p_01_a_proof_is_good_for_every_guard_of_its_request_and_for_no_other_request(
    stand: Stand, world: Any
) -> None:
    token = stand.token(cnf={"jkt": KEY.jkt})
    with world(stand) as client:
        sent = {"Authorization": f"DPoP {token}", "DPoP": proof(token, 1)}
        first = await asyncio.to_thread(client.get, PATH, headers=sent)
        assert first.status_code == 200, first.text
        again = await asyncio.to_thread(client.get, PATH, headers=sent)
        assert again.status_code == 401
