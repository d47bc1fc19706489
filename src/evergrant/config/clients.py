"""
Reading the keeper's clients: `[keeper.client.NAME]` in a file, `EVERGRANT_KEEPER_CLIENT_NAME_…` in the environment.

Each yields trails such as ("keeper", "client", "github_app", "client_id"), like every other source does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from evergrant.config.key import ENVIRONMENT_PREFIX, Key
from evergrant.config.lines import Trail
from evergrant.config.model import CLIENT_TABLE
from evergrant.config.problem import nearest
from evergrant.config.rules import require_client_name

TRAIL: Final[Trail] = ("keeper", "client")
VARIABLE: Final = f"{ENVIRONMENT_PREFIX}KEEPER_CLIENT"
KEYS: Final[Mapping[str, Key]] = {row.name: row for row in CLIENT_TABLE}
# `_secret_file` before `_secret`, or half of the one would be read as the other.
_BY_LENGTH: Final = tuple(sorted(KEYS, key=len, reverse=True))


def entries(content: object) -> Iterator[tuple[Trail, Callable[[], Any]]]:
    """Yield each key of each client as its trail, and a call that reads or refuses it."""
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        yield TRAIL, partial(_refuse, "holds one table for each client: write [keeper.client.NAME] above its keys")
        return
    for client, one in content.items():
        try:
            require_client_name(client)
        except ValueError as error:
            yield (*TRAIL, client), partial(_refuse, str(error))
            continue
        if not one:
            yield (*TRAIL, client), partial(_refuse, "has no client_id, and needs one")
        for name, value in one.items():
            yield (*TRAIL, client, name), partial(_read, name, value)


def in_environment(variable: str) -> Trail:
    """Return the trail that a variable sets: of one key, or of all clients; empty when it is none of ours."""
    if variable == VARIABLE:
        return TRAIL
    named = variable.removeprefix(f"{VARIABLE}_").lower()
    if not variable.startswith(f"{VARIABLE}_"):
        return ()
    for key in _BY_LENGTH:
        client = named.removesuffix(f"_{key}")
        if client != named and client:
            return (*TRAIL, client, key)
    return ()


def read_text(trail: Trail, text: str) -> Any:
    """Read the text of a variable. Raises `ValueError`."""
    require_client_name(trail[2])
    return KEYS[trail[3]].kind.read_text(text)


def _read(name: str, value: object) -> Any:
    row = KEYS.get(name)
    if row is None:
        raise ValueError("is not a key that exists" + nearest(name, KEYS))
    return row.kind.read(value)


def _refuse(clause: str) -> Any:
    raise ValueError(clause)
