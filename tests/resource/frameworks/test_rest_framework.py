"""Django REST framework: what one request proves is judged once, and a refusal keeps all of its headers."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from evergrant.resource import Dpop
from tests.resource.frameworks.project import settled
from tests.resource.frameworks.test_bound import KEY, KEYS, PATH, proof
from tests.resource.stand import API, Stand

from rest_framework.request import Request  # isort: skip - it reads the settings when it is imported
from rest_framework.response import Response  # isort: skip
from rest_framework.views import APIView  # isort: skip

from evergrant.resource.frameworks.rest_framework import Bearer, needs  # isort: skip

HEADERS: Final = "HTTP_AUTHORIZATION", "HTTP_DPOP"


class Orders(APIView):
    authentication_classes = (Bearer,)
    permission_classes = (needs("read"), needs("write"))

    def get(self, request: Request) -> Response:
        return Response({"for": request.auth.subject})


@pytest.fixture
def nonces() -> dict[str, Any]:
    return {}


@pytest.fixture(autouse=True)
def configured(stand: Stand, nonces: dict[str, Any]) -> Iterator[None]:
    with settled(stand, dpop=Dpop(API, **nonces)):
        yield


async def got(*headers: str) -> HttpResponse:
    request: HttpRequest = RequestFactory().get(PATH, **dict(zip(HEADERS, headers, strict=False)))
    answer: HttpResponse = await asyncio.to_thread(Orders.as_view(), request)
    return answer


async def test_authentication_and_permission_judge_one_proof_once(stand: Stand) -> None:
    token = stand.token(cnf={"jkt": KEY.jkt})
    assert (await got(f"DPoP {token}", proof(token, 1))).status_code == 200
    assert (await got(f"DPoP {token}", proof(token, 1))).status_code == 401


@pytest.mark.parametrize("nonces", [{"nonce_keys": KEYS, "demand_nonce": True}])
async def test_r9449_8_a_the_nonce_that_is_demanded_comes_with_the_refusal(stand: Stand) -> None:
    token = stand.token(cnf={"jkt": KEY.jkt})
    refused = await got(f"DPoP {token}", proof(token, 1))
    assert refused.status_code == 401
    assert 'error="use_dpop_nonce"' in refused["WWW-Authenticate"]
    assert refused["Cache-Control"] == "no-store"
    assert (await got(f"DPoP {token}", proof(token, 2, nonce=refused["DPoP-Nonce"]))).status_code == 200


async def test_trouble_on_this_side_is_told_as_such_and_when_to_come_again(stand: Stand) -> None:
    stand.site.put("/jwks", {"keys": []})
    refused = await got(f"Bearer {stand.token()}")
    assert (refused.status_code, refused["Retry-After"]) == (503, "1")
    assert refused.data == {"detail": "unavailable"}
