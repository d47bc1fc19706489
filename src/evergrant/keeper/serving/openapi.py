"""The OpenAPI 3.1 document, made from the table of operations and the types on the wire."""

import inspect
import re
from typing import Any, Final

from msgspec import Struct, json, structs

from evergrant.keeper.serving.api.operation import Operation
from evergrant.keeper.serving.api.problems import CODES, MEDIA, Problem
from evergrant.keeper.serving.api.table import OPERATIONS
from evergrant.keeper.serving.api_keys import MEANING
from evergrant.keeper.serving.routing import parts

PATH: Final = "/v1/openapi.json"
_JSON: Final = "application/json"
_REF: Final = "#/components/schemas/{name}"
_WORDS: Final = {
    400: "What was asked cannot be; the sentence names the member",
    401: "No API key, or one that is not known or was revoked",
    403: "The key's scopes do not allow this",
    404: "The tenant has no such thing; `near` names what is like it",
    409: "The connection, or the state of things, does not allow it; `code` and `reason` say why",
    413: "The body is too large",
    415: "The body is not application/json",
    503: "For now there is no good answer; come back after Retry-After seconds",
}
_INTRODUCTION: Final = """\
Other people's tokens, always fresh. Every call needs an API key (`Authorization: Bearer egp_…`), belongs to the key's
tenant, and needs one of the key's scopes; `admin` includes all. Instants are seconds since the epoch, 0 for none or
unknown. A problem has a `code` for programs and a `sentence` for people.

Scopes: {scopes}.

Codes of problems: {codes}."""


def document(url: str = "/") -> dict[str, Any]:
    """The document; *url*: where the service is reached."""
    kinds: list[type[Struct]] = [Problem]
    for row in OPERATIONS:
        kinds += [row.answer, *([row.body] if row.body is not None else [])]
    _, components = json_schemas(kinds)
    paths: dict[str, dict[str, Any]] = {}
    for row in OPERATIONS:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    scopes = "; ".join(f"`{scope}`: {meaning}" for scope, meaning in MEANING.items())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Evergrant keeper",
            "version": "1",
            "description": _INTRODUCTION.format(scopes=scopes, codes=", ".join(f"`{code}`" for code in CODES)),
        },
        "servers": [{"url": url}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "egp_…"}},
        },
    }


def json_schemas(kinds: list[type[Struct]]) -> tuple[Any, dict[str, Any]]:
    """The schemas of *kinds*, by name; answers may gain members in later releases, so they stay open."""
    return json.schema_components(kinds, ref_template=_REF)


def _operation(row: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.summary,
        "description": f"Needs the scope `{row.scope}`. {_flat(row.body or row.query)}".strip(),
        "parameters": [*_path(row), *_query(row)],
        "responses": {str(row.status): _answer(row), **{str(status): _problem(status) for status in row.problems}},
    }
    if row.body is not None:
        shown = {"schema": _ref(row.body), "example": row.example}
        needed = any(field.required for field in structs.fields(row.body))
        told["requestBody"] = {"required": needed, "content": {_JSON: shown}}
    return told


def _answer(row: Operation) -> dict[str, Any]:
    return {"description": _flat(row.answer), "content": {_JSON: {"schema": _ref(row.answer)}}}


def _problem(status: int) -> dict[str, Any]:
    told: dict[str, Any] = {"description": _WORDS[status], "content": {MEDIA: {"schema": _ref(Problem)}}}
    if status == 503:  # noqa: PLR2004 - HTTP
        told["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}}
    return told


def _path(row: Operation) -> list[dict[str, Any]]:
    schema = {"type": "string", "pattern": "^[A-Za-z0-9._~-]{1,128}$"}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema, "example": _EXAMPLES[name]}
        for name in parts(row.path)
    ]


_EXAMPLES: Final = {
    "connection_id": "con_5fX0vEo7tS1n9bq3Jw2aLw",
    "device": "dev_5fX0vEo7tS1n9bq3Jw2aLw",
    "key_id": "key_5fX0vEo7tS1n9bq3",
    "letter_id": "evt_5fX0vEo7tS1n9bq3",
}


def _query(row: Operation) -> list[dict[str, Any]]:
    known = json.schema(row.query)["$defs"][row.query.__name__]["properties"]
    told = []
    for field in structs.fields(row.query):
        schema = known[field.encode_name]
        one: dict[str, Any] = {"name": field.encode_name, "in": "query", "required": field.required, "schema": schema}
        if schema.get("type") == "object":
            one |= {"style": "deepObject", "explode": True}
        told.append(one)
    return told


def _ref(kind: type[Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}


def _flat(kind: type) -> str:
    return re.sub(r"\s+", " ", inspect.getdoc(kind) or "")
