"""One operation of the API as a row: everything that routing, checking, documenting and testing it needs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from evergrant.keeper.serving.api.bodies import Nothing, Strict
from evergrant.keeper.serving.api.call import Call
from evergrant.keeper.serving.api_keys import Scope

Run = Callable[[Call], Awaitable[Struct]]


@dataclass(frozen=True, slots=True)
class Operation:
    """*example*: a body that works in the documentation; *answer*: the type that comes back with *status*."""

    name: str
    method: str
    path: str
    scope: Scope
    summary: str
    run: Run
    answer: type[Struct]
    body: type[Strict] | None = None
    query: type[Strict] = Nothing
    status: int = 200
    example: dict[str, Any] = field(default_factory=dict)
    problems: tuple[int, ...] = (400, 401, 403)
