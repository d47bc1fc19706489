"""Django: one verifier for a process, and the address that a request was really sent to."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from threading import Barrier, BrokenBarrierError
from typing import Any
from urllib.parse import unquote

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, JsonResponse

from evergrant.resource import Dpop, SyncVerifier
from evergrant.resource.frameworks.django import protected, verifier
from tests.resource.frameworks.project import settled
from tests.resource.frameworks.test_bound import KEY, proof
from tests.resource.stand import API, Stand


@protected("read")
async def orders(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"for": request.access.subject})


@pytest.mark.parametrize("raw", [b"/orders/a%2Fb", b"/orders/caf%C3%A9", b"/orders/a%20b;c=1"])
async def test_r9449_4_3_6_behind_asgi_a_proof_is_for_the_path_as_it_was_sent(stand: Stand, raw: bytes) -> None:
    token = stand.token(cnf={"jkt": KEY.jkt})
    proved = proof(token, 1, htu=f"{API}{raw.decode()}")
    scope = {
        "type": "http", "method": "GET", "path": unquote(raw.decode()), "raw_path": raw, "query_string": b"page=2",
        "headers": [(b"authorization", f"DPoP {token}".encode()), (b"dpop", proved.encode())],
    }  # fmt: skip
    with settled(stand, dpop=Dpop(API)):
        answer = await orders(ASGIRequest(scope, BytesIO()))
    assert answer.status_code == 200


async def test_first_requests_that_come_side_by_side_make_one_verifier(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting, make = Barrier(2, timeout=0.5), SyncVerifier.for_issuer

    def made(*given: Any, **more: Any) -> SyncVerifier:
        with suppress(BrokenBarrierError):  # whoever makes one waits for another one that makes one
            meeting.wait()
        return make(*given, **more)

    monkeypatch.setattr(SyncVerifier, "for_issuer", made)
    with settled(stand), ThreadPoolExecutor(2) as pool:
        one, two = await asyncio.to_thread(lambda: list(pool.map(lambda _: verifier(), range(2))))
        assert one is two
