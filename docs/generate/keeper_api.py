"""Write docs/reference/keeper-api.md and openapi.json from the table of operations.

python docs/generate/keeper_api.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from evergrant.keeper.event import MEANING as EVENTS
from evergrant.keeper.serving import openapi
from evergrant.keeper.serving.api.operation import Operation
from evergrant.keeper.serving.api.problems import TABLE, Problem
from evergrant.keeper.serving.api.table import OPERATIONS
from evergrant.keeper.serving.api_keys import MEANING
from evergrant.keeper.serving.metrics import KeeperMetrics
from evergrant.observe.instruments import Declared

FOLDER: Final = Path(__file__).parent.parent / "reference"
PAGE: Final = FOLDER / "keeper-api.md"
DOCUMENT: Final = FOLDER / "openapi.json"
_ORIGIN: Final = "https://keeper.example"

_INTRODUCTION: Final = """\
<!-- Made by docs/generate/keeper_api.py from src/evergrant/keeper/serving/api; edit there, not here. -->

# The keeper's REST API

`evergrant keeper serve` answers it; `evergrant.keeper.serving.application` mounts it in any ASGI application. The
same as an OpenAPI 3.1 document: [openapi.json](openapi.json), served at `/v1/openapi.json`.

Every call carries an API key: `Authorization: Bearer egp_…`. A key belongs to one tenant; nothing of any other tenant
can be seen or changed with it. Bodies are JSON, at most 64 KiB; a member that is not known is refused. Instants are
seconds since the epoch, 0 for none or unknown. No answer holds a refresh token.

## Scopes of keys
"""
_PROBLEMS: Final = """\
## Problems

Whatever is not done is answered as `application/problem+json`: `code` for programs, `sentence` for people, and where
they help `reason`, `health`, `retry_after` (also the `Retry-After` header), `reconnect` (where to send the user) and
`near` (names of the same tenant that are like the one that does not exist).

| raised by the keeper | status | code |
|---|---|---|
"""
_WEBHOOKS: Final = """\
## Webhooks

A letter is a POST of JSON, signed as the Standard Webhooks convention does it: `webhook-id`, `webhook-timestamp`, and
`webhook-signature: v1,<base64 of HMAC-SHA256 over id.timestamp.body>`, several signatures while one secret replaces
another. It arrives at least once; the id tells repetitions apart. Any 2xx answer takes it. Otherwise it is tried
again with growing pauses for a day, then parked: `GET /v1/webhooks` shows it, `POST /v1/webhooks/{letter_id}/send`
tries again.

In Python a receiver checks a letter so:

```python
from evergrant.keeper.webhooks import Forged, verify

letter_id = verify([secret], request.headers, body, now=now, seen=handled)  # raises Forged
```

`body` is the bytes as they came; `handled` holds the ids of the last minutes. Members of a letter: `id`, `type`, `at`,
`tenant`, `connection`, `client`, `provider`, `account`, `user`, `health`, `reason`, `detail`, `version`, `tags`;
never a token.
"""


_METRICS: Final = """\
## Metrics

`/metrics` speaks the Prometheus text format to the networks named in the settings; `/healthz` and `/readyz` answer all.
Every label has a closed vocabulary; none names a tenant, an account, a user or a caller.
"""


def _metric(declared: Declared) -> str:
    values = f" `{declared.label}`: {', '.join(f'`{each}`' for each in declared.members)}." if declared.members else ""
    return f"- `{declared.name}` ({declared.kind}): {declared.doc}{values}"


def render() -> str:
    """The whole page."""
    parts = [_INTRODUCTION, *(f"- `{scope}`: {meaning}" for scope, meaning in MEANING.items()), "", "## Operations", ""]
    parts += [_row(row) for row in OPERATIONS]
    parts += ["", *(_section(row) for row in OPERATIONS), _PROBLEMS.rstrip("\n")]
    parts += [f"| `{kind.__name__}` | {row.status} | `{row.code}` |" for kind, row in TABLE.items()]
    parts += ["", "```json", json.dumps(_problem(), indent=2), "```", "", _WEBHOOKS + "## Kinds of events", ""]
    parts += [f"- `{what}`: {meaning}" for what, meaning in EVENTS.items()]
    parts += ["", _METRICS, *(_metric(declared) for declared in KeeperMetrics(()).table)]
    return "\n".join(parts) + "\n"


def document() -> str:
    """The OpenAPI document."""
    return json.dumps(openapi.document(_ORIGIN), indent=2, ensure_ascii=False) + "\n"


def _row(row: Operation) -> str:
    return f"- [`{row.method} {row.path}`](#{row.name}): {row.summary}"


def _section(row: Operation) -> str:
    lines = [
        f'<a id="{row.name}"></a>',
        "",
        f"### {row.method} `{row.path}`",
        "",
        f"{row.summary}. Scope `{row.scope}`.",
    ]
    query = row.query.__struct_fields__
    if query:
        lines += ["", f"Query: {', '.join(f'`{name}`' for name in query)}. {_flat(row.query)}"]
    if row.body is not None:
        lines += ["", _flat(row.body), "", "```sh", _curl(row), "```"]
    else:
        lines += ["", "```sh", _curl(row), "```"]
    members = ", ".join(f"`{name}`" for name in row.answer.__struct_fields__)
    lines += ["", f"{row.status}: {members}. {_flat(row.answer)}", ""]
    return "\n".join(lines)


def _curl(row: Operation) -> str:
    path = row.path.replace("{", "$").replace("}", "")
    method = "" if row.method == "GET" else f" -X {row.method}"
    said = f'curl{method} -H "Authorization: Bearer $KEY" {_ORIGIN}{path}'
    if row.body is not None:
        said += f" \\\n  -H 'Content-Type: application/json' -d '{json.dumps(row.example, ensure_ascii=False)}'"
    return said


def _flat(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())


def _problem() -> dict[str, Any]:
    told = Problem(
        status=409, code="needs_reauth", sentence="user-42 at hubspot has to be connected again: grant_dead",
        reason="grant_dead", reconnect=f"{_ORIGIN}/reconnect?reconnect=…",
    )  # fmt: skip
    return {name: getattr(told, name) for name in told.__struct_fields__ if getattr(told, name)}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    DOCUMENT.write_text(document(), encoding="utf-8")
    print(PAGE, DOCUMENT)
