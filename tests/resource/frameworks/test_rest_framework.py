"""Django REST framework: what one request proves is judged once, and a refusal keeps all of its headers."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import django
import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["rest_framework"],
        LOGGING_CONFIG=None,
        REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
    )
    django.setup()

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evergrant.resource import Dpop
from evergrant.resource.frameworks.django import verifier
from evergrant.resource.frameworks.rest_framework import Bearer, needs
from tests.resource.frameworks.test_bound import KEY, KEYS, PATH, proof
from tests.resource.stand import API, Stand

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
    settings.EVERGRANT = {"issuer": stand.issuer, "audience": API, "dpop": Dpop(API, **nonces), "clock": stand.clock}
    verifier.cache_clear()
    yield
    verifier().close()
    verifier.cache_clear()


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
