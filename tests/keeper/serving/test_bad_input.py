"""Whatever a caller sends, the answer is a problem with a sentence, and never a fault of ours."""

import json

import pytest

from evergrant.keeper.connection import Health, Reason
from evergrant.keeper.errors import (
    BadRequest,
    KeeperError,
    NeedsReauth,
    NotUsable,
    RefreshInProgress,
    TryLater,
    VaultTrouble,
)
from evergrant.keeper.serving.api import problems
from evergrant.keeper.serving.api.table import OPERATIONS
from tests.keeper.serving.scene import Scene, serving

WITH_BODY = [row for row in OPERATIONS if row.body is not None]
HOSTILE = [
    b"", b"{", b"null", b"[]", b"1", b'"x"', b"{}", b"\xff\xfe", b'{"client":', b"{" * 40_000, b"[" * 40_000,
    b'{"client":1e999}', b'{"client":"\\ud800"}', b'{"client":"\\u0000","account":"\\u0000"}',
    b'{"client":"here","account":"user-42","client":"there"}', b'{"client":"here","account":"a\\u202eb"}',
    b'{"client":{"a":{"b":[]}},"account":[]}', b'{"version":-1}', b'{"version":99999999999999999999}',
    b'{"version":true}', b'{"version":1.5}', b'{"label":"\\n"}', b'{"tags":{"":"x"}}', b'{"tags":{"a":{}}}',
    b'{"tags":' + json.dumps({f"t{n}": "x" for n in range(60)}).encode() + b"}",
    b'{"name":"x","scopes":["no such"]}', b'{"user":"\\u0007","clients":["here"]}',
    b'{"callback_url":"http://[","user":"x"}', b'{"callback_url":"\\u0000","user":"x"}',
    b'{"client":"here","account":"x","return_to":"https://evil.example/"}',
    b'{"client":"here","account":"x","scopes":["a b"]}',
    b'{"client":"here","account":"x","values":{"tenant":"x/../y"}}',
    b'{"client":"here","account":"x","refresh_token":"\\n"}',
]  # fmt: skip


async def send(scene: Scene, method: str, path: str, body: bytes, kind: str = "application/json"):
    headers = {"Authorization": f"Bearer {await scene.key()}", "Content-Type": kind}
    return await scene.http.request(method, scene.address + path, content=body, headers=headers)


@pytest.mark.parametrize("row", WITH_BODY, ids=lambda row: row.name)
async def test_a_hostile_body_is_never_a_fault_of_ours(row) -> None:
    async with serving() as scene:
        path = row.path.format(connection_id=await scene.account(), letter_id="evt_x")
        for body in HOSTILE:
            reply = await send(scene, row.method, path, body)
            assert reply.status_code < 500 or reply.json()["code"] in {"try_later", "vault_trouble"}, (body, reply.text)
            if reply.status_code >= 400:
                said = reply.json()
                assert said["code"] in problems.CODES
                assert said["sentence"]
                assert reply.headers["content-type"] == problems.MEDIA


async def test_an_unknown_member_is_refused_with_a_near_name() -> None:
    async with serving() as scene:
        reply = await scene.ask("POST", "/v1/leases", {"client": "here", "account": "a", "recrod": "main"})
        assert reply.status_code == 400
        assert reply.json()["sentence"] == "unknown member 'recrod'; did you mean record?"
        reply = await scene.ask("GET", "/v1/connections?helth=active")
        assert reply.json()["sentence"] == "unknown member 'helth'; did you mean health?"


async def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    async with serving() as scene:
        reply = await send(scene, "POST", "/v1/leases", b" " * 70_000)
        assert (reply.status_code, reply.json()["code"]) == (413, "too_large")


async def test_only_json_is_read() -> None:
    async with serving() as scene:
        reply = await send(scene, "POST", "/v1/leases", b"client=here", "application/x-www-form-urlencoded")
        assert (reply.status_code, reply.json()["code"]) == (415, "unsupported_media_type")


async def test_paths_and_methods_that_do_not_exist_are_told_as_problems() -> None:
    async with serving() as scene:
        for path in ("/v1/nothing", "/v1/connections/a%2fb", "/v1/connections//lease", "/v1/connections/a/b/c", "/"):
            reply = await scene.ask("GET", path)
            assert (reply.status_code, reply.json()["code"]) == (404, "not_found"), path
        reply = await scene.ask("PUT", "/v1/connections")
        assert reply.status_code == 405
        assert reply.headers["allow"] == "GET, HEAD"


async def test_an_unknown_account_names_what_is_near() -> None:
    async with serving() as scene:
        await scene.account("user-42")
        reply = await scene.ask("POST", "/v1/leases", {"client": "here", "account": "user-24"})
        assert (reply.status_code, reply.json()["near"]) == (404, ["user-42"])
        reply = await scene.ask("POST", "/v1/leases", {"client": "hear", "account": "user-42"})
        assert reply.status_code == 404


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (TryLater("wait", 17, Reason.PROVIDER_BUSY), 503, "try_later"),
        (RefreshInProgress("wait", 17, Reason.NONE), 503, "refresh_in_progress"),
        (VaultTrouble("wait", 17, Reason.NONE), 503, "vault_trouble"),
    ],
)
def test_what_passes_says_when_to_come_back(error: TryLater, status: int, code: str) -> None:
    told = problems.answer(problems.of(error))
    assert told.status == status
    assert (b"retry-after", b"17") in told.headers
    assert json.loads(told.body)["code"] == code


def test_what_only_the_user_repairs_carries_the_way_there() -> None:
    said = problems.of(NeedsReauth("again", Reason.GRANT_DEAD, "https://app.example/reconnect?reconnect=x"))
    assert (said.status, said.reconnect, said.reason) == (
        409,
        "https://app.example/reconnect?reconnect=x",
        "grant_dead",
    )
    assert "reconnect=x" not in repr(said)


def test_every_reason_the_keeper_has_is_in_the_table() -> None:
    def kinds(kind: type[Exception]) -> set[type[Exception]]:
        return {kind, *(each for below in kind.__subclasses__() for each in kinds(below))}

    for kind in kinds(KeeperError):
        assert any(above in problems.TABLE for above in kind.__mro__)
        row = next(problems.TABLE[above] for above in kind.__mro__ if above in problems.TABLE)
        assert row.code in problems.CODES
    assert problems.of(NotUsable("x", Health.QUARANTINED, Reason.MISUSE)).health == "quarantined"
    assert problems.of(BadRequest("x")).status == 400
