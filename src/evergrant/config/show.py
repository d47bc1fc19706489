"""
The configuration for people and machines: each key's value and where it was written, with secrets left out.

This shapes; it does not print. `cli` prints a configuration in force, `docs/generate/configuration.py` the reference
page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from evergrant.config.load import Loaded
from evergrant.config.model import CLIENT_TABLE, RESOURCE_TABLE, TABLE


@dataclass(frozen=True, slots=True)
class Shown:
    """One key in force: its path, its value as TOML would spell it, and where it was written."""

    path: str
    value: str
    origin: str


def show(loaded: Loaded) -> Iterator[Shown]:
    """Yield every key in the order of the table; a secret says only whether it is set."""
    config = loaded.config
    for row in TABLE:
        value = getattr(getattr(config, row.section), row.name)
        yield Shown(row.path, row.write(value), loaded.origin(row.path))
    for name, client in config.clients.items():
        for row in CLIENT_TABLE:
            path = f"keeper.client.{name}.{row.name}"
            yield Shown(path, row.write(getattr(client, row.name)), loaded.origin(path))
    for index, resource in enumerate(config.resources):
        for row in RESOURCE_TABLE:
            path = f"resource.{index}.{row.name}"
            yield Shown(path, row.write(getattr(resource, row.name)), loaded.origin(path))
    for scope, description in config.scopes.items():
        yield Shown(f"scopes.{scope}", json.dumps(description, ensure_ascii=False), loaded.origin(f"scopes.{scope}"))
