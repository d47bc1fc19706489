"""The OpenAPI document says what the service does: made from one table, driven against the running service."""

import importlib.util
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings

from evergrant.keeper.serving import openapi
from evergrant.keeper.serving.api.problems import CODES
from evergrant.keeper.serving.api.table import OPERATIONS
from evergrant.keeper.serving.routing import parts
from tests.keeper.serving.beside import Beside, beside
from tests.keeper.serving.scene import Scene, serving

ROOT = Path(__file__).parents[3]
EXAMPLES = 15
# Answers that a generated call may get: the document's own, and these, which any call may get.
ANY = {"413", "415"}


async def test_the_document_is_served_to_everybody_and_names_every_route() -> None:
    async with serving(base="/keeper") as scene:
        reply = await scene.http.get(f"{scene.address}{openapi.PATH}")
        assert reply.status_code == 200
        said = reply.json()
        assert said["openapi"] == "3.1.0"
        assert said["servers"] == [{"url": scene.address}]
        named = {(path, method.upper()) for path, row in said["paths"].items() for method in row}
        assert named == {(row.path, row.method) for row in OPERATIONS}


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_every_route_has_an_example_that_its_own_type_reads(row) -> None:
    told = openapi.document()["paths"][row.path][row.method.lower()]
    if row.body is not None:
        msgspec.convert(row.example, row.body)
        assert told["requestBody"]["content"]["application/json"]["example"] == row.example
    for name in parts(row.path):
        example = next(one["example"] for one in told["parameters"] if one["name"] == name)
        assert re.fullmatch(r"[A-Za-z0-9._~-]{1,128}", example)
    assert {"401", "403"} <= set(told["responses"])


def test_the_committed_document_is_the_one_that_is_served() -> None:
    spec = importlib.util.spec_from_file_location("keeper_api", ROOT / "docs" / "generate" / "keeper_api.py")
    made = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(made)  # type: ignore[union-attr]
    assert made.DOCUMENT.read_text(encoding="utf-8") == made.document(), "run docs/generate/keeper_api.py"


def test_names_of_operations_and_codes_are_each_there_once() -> None:
    names = [row.name for row in OPERATIONS]
    assert len(names) == len(set(names))
    assert len(CODES) == len(set(CODES))


async def there(scene: Scene) -> dict[str, str]:
    """Something that is there for every name in a path."""
    name = await scene.account()
    await scene.ask("POST", f"/v1/connections/{name}/quarantine", {})
    await scene.ask("POST", f"/v1/connections/{name}/release", {})
    letters = (await scene.ask("GET", "/v1/webhooks")).json()["letters"]
    made = (await scene.ask("POST", "/v1/api-keys", {"name": "x", "scopes": ["events"]})).json()
    device = (await scene.ask("POST", "/v1/devices", {"client": "here", "account": "tv"})).json()
    return {
        "connection_id": name, "letter_id": letters[0]["id"], "key_id": made["key"]["id"], "device": device["device"],
    }  # fmt: skip


def told(
    running: Beside, session: requests.Session, operation: Any, counted: Counter[str], names: dict[str, str]
) -> Callable[..., None]:
    """What is checked of every call of *operation*; two in three are about things that are there."""
    documented = {*operation.definition.raw["responses"], *ANY}
    key = running.do(lambda scene: scene.key())

    def call(case: Any) -> None:
        if counted[operation.label] % 3:
            case.path_parameters = {name: names[name] for name in case.path_parameters or {}}
            if isinstance(case.body, dict) and isinstance(case.body.get("client"), str):
                case.body = {**case.body, "client": "here"}
        made = case.as_transport_kwargs(base_url=running.scene.address)
        made["headers"] = {**dict(made.get("headers") or {}), "Authorization": f"Bearer {key}"}
        reply = session.request(**made, timeout=30)
        counted[operation.label] += 1
        assert reply.status_code != 500, reply.text
        if reply.status_code in {404, 405} and reply.json()["code"] in {"not_found", "method_not_allowed"}:
            return  # a part of a path that is empty or holds a slash makes another path
        assert str(reply.status_code) in documented, (reply.status_code, reply.text)
        if reply.status_code >= 400:
            assert set(reply.json()) >= {"status", "code", "sentence"}

    return call


@pytest.mark.long
def test_generated_calls_get_what_the_document_says_and_never_a_fault() -> None:
    counted: Counter[str] = Counter()
    with beside(base="/keeper", told={"max_body": 16_384}) as running, requests.Session() as session:
        session.trust_env = False
        names = running.do(there)
        schema = schemathesis.openapi.from_dict(openapi.document(running.scene.address))
        for found in schema.get_all_operations():
            operation = found.ok()
            call = given(case=operation.as_strategy())(told(running, session, operation, counted, names))
            budgeted = settings(
                max_examples=EXAMPLES, deadline=None, database=None, phases=(Phase.explicit, Phase.generate),
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            seed(20_261_121)(budgeted(call))()
    assert len(counted) == len(OPERATIONS)
    assert min(counted.values()) >= 1
