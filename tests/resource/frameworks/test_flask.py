"""Flask: views that await are guarded as well."""

import asyncio

from flask import Flask, g

from evergrant.resource import SyncVerifier
from evergrant.resource.frameworks.flask import Guard
from tests.resource.stand import API, Stand


async def test_a_view_that_awaits_is_guarded_and_answers(stand: Stand) -> None:
    with SyncVerifier.for_issuer(stand.issuer, audience=API, clock=stand.clock) as verifier:
        app = Flask(__name__)

        @app.get("/orders")
        @Guard(verifier).requires("read")
        async def orders() -> dict[str, str]:
            await asyncio.sleep(0)
            return {"for": g.access.subject}

        def asked(header: str) -> int:
            with app.test_client() as client:
                return client.get("/orders", headers={"Authorization": header}).status_code

        assert await asyncio.to_thread(asked, f"Bearer {stand.token()}") == 200
        assert await asyncio.to_thread(asked, f"Bearer {stand.token(scope='write')}") == 403
