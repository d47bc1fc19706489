"""A refresh that a server begins in step gives what the same request gives by the way of a task, and spends no more."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from evergrant.domain.client import ClientType
from evergrant.store.sqlite import SqliteStore
from evergrant.testing.in_process import running
from evergrant.web.app import WIRE


class Wire:
    """A connection that can hang up."""

    def __init__(self) -> None:
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture(params=["memory", "sqlite"])
async def issuer(request, tmp_path):
    store = SqliteStore.open(tmp_path / "store.db") if request.param == "sqlite" else None
    async with running(tmp_path, store) as made:
        await made.person()
        yield made


def scope_of(body: bytes, wire: Wire, **headers: str) -> dict[str, Any]:
    pairs = {"host": "127.0.0.1:8000", "content-type": "application/x-www-form-urlencoded", **headers}
    return {
        "type": "http", "method": "POST", "path": "/token", "raw_path": b"/token", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
        "client": ("192.0.2.1", 50_000), "scheme": "http", "http_version": "1.1", WIRE: wire,
    }  # fmt: skip


async def begun(issuer, form: dict[str, str], wire: Wire | None = None, **headers: str) -> tuple[int, Any] | None:
    """Status and members of a request begun in step; None when it has to go the other way."""
    body = urlencode(form).encode()
    answer: asyncio.Future[tuple[int, Any]] = asyncio.get_running_loop().create_future()

    def tell(status, headers, body) -> None:
        answer.set_result((status, json.loads(body)))

    if not issuer.app.begin(scope_of(body, wire or Wire(), **headers), body, tell):
        return None
    return await asyncio.wait_for(answer, 10)


def refresh_of(client, token: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": token, "client_id": client.id}


async def test_a_refresh_begun_in_step_rotates_and_a_repeat_gives_the_same_successor(issuer):
    client, _ = await issuer.client(ClientType.SPA)
    held = await issuer.signed_in(client, scope="openid offline_access")

    first, second = [await begun(issuer, refresh_of(client, held["refresh_token"])) for _ in range(2)]

    assert (first[0], second[0]) == (200, 200)
    assert first[1]["refresh_token"] == second[1]["refresh_token"] != held["refresh_token"]
    assert "id_token" in first[1]


async def test_sixty_four_begun_at_once_give_one_successor(issuer):
    client, _ = await issuer.client(ClientType.SPA)
    held = await issuer.signed_in(client, scope="openid offline_access")

    answers = await asyncio.gather(*(begun(issuer, refresh_of(client, held["refresh_token"])) for _ in range(64)))

    assert {status for status, _ in answers} == {200}
    assert len({members["refresh_token"] for _, members in answers}) == 1


async def test_a_spent_token_begun_in_step_ends_its_family(issuer):
    client, _ = await issuer.client(ClientType.SPA)
    held = await issuer.signed_in(client, scope="openid offline_access")
    newer = (await begun(issuer, refresh_of(client, held["refresh_token"])))[1]
    newest = (await begun(issuer, refresh_of(client, newer["refresh_token"])))[1]

    reused = await begun(issuer, refresh_of(client, held["refresh_token"]))
    after = await begun(issuer, refresh_of(client, newest["refresh_token"]))

    assert (reused[0], reused[1]["error"]) == (400, "invalid_grant")
    assert (after[0], after[1]["error"]) == (400, "invalid_grant")


async def test_claims_asked_for_at_sign_in_are_in_an_id_token_begun_in_step(issuer):
    client, _ = await issuer.client(ClientType.SPA)
    claims = json.dumps({"id_token": {"email": {"essential": True}}})
    held = await issuer.signed_in(client, scope="openid email offline_access", claims=claims)

    status, members = await begun(issuer, refresh_of(client, held["refresh_token"]))

    by_call = (await issuer.refresh(client, "", members["refresh_token"])).json()
    assert status == 200
    assert [part.count(".") for part in (members["id_token"], by_call["id_token"])] == [2, 2]
    assert len(members["id_token"]) == len(by_call["id_token"])


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "authorization_code", "code": "egc_x"},
        {"grant_type": "refresh_token", "refresh_token": "egr_x", "client_id": "nobody"},
        {"refresh_token": "egr_x"},
    ],
)
async def test_whatever_is_no_refresh_of_a_known_client_goes_the_other_way(issuer, form):
    assert await begun(issuer, form) is None


async def test_a_foreign_host_goes_the_other_way(issuer):
    client, _ = await issuer.client(ClientType.SPA)
    held = await issuer.signed_in(client, scope="openid offline_access")

    assert await begun(issuer, refresh_of(client, held["refresh_token"]), host="evil.example") is None


async def test_a_request_whose_sender_hung_up_before_its_turn_spends_nothing(issuer):
    client, _ = await issuer.client(ClientType.SPA)
    held = await issuer.signed_in(client, scope="openid offline_access")
    wire = Wire()
    wire.closing = True

    status, members = await begun(issuer, refresh_of(client, held["refresh_token"]), wire)
    again = await issuer.refresh(client, "", held["refresh_token"])
    newer = await issuer.refresh(client, "", again.json()["refresh_token"])
    late, _ = await begun(issuer, refresh_of(client, held["refresh_token"]), wire)
    still = await issuer.refresh(client, "", newer.json()["refresh_token"])

    assert (status, members["error"]) == (503, "temporarily_unavailable")
    assert (again.status, newer.status) == (200, 200)
    assert late == 503
    assert still.status == 200
