"""The schema as JSON Schema, for editors that check a provider's file while it is written."""

from collections.abc import Iterable
from typing import Final

from evergrant.keeper.provider.address import NAME
from evergrant.keeper.provider.kinds import MOST
from evergrant.keeper.provider.schema import FACTS, LISTED, MEANINGS, NAMED, SECTIONS, Fact

FILE: Final = "provider.schema.json"
"""Its name, beside the files that are shipped."""


def json_schema() -> dict[str, object]:
    """The whole schema (JSON Schema 2020-12). What contradicts what is beyond it; `check` tells that."""
    properties: dict[str, object] = {fact.name: _property(fact) for fact in FACTS}
    properties |= {name: _object(table, MEANINGS[name]) for name, table in SECTIONS.items()}
    for name, table in NAMED.items():
        properties[name] = {
            "type": "object",
            "description": MEANINGS[name],
            "maxProperties": MOST,
            "propertyNames": {"pattern": f"^{NAME}$"},
            "additionalProperties": _object(table),
        }
    for name, table in LISTED.items():
        properties[name] = {
            "type": "array", "description": MEANINGS[name], "maxItems": MOST, "items": _object(table)
        }  # fmt: skip
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A provider of the keeper",
        "type": "object",
        "additionalProperties": False,
        "required": [*_needed(FACTS), "revoke"],
        "properties": properties,
    }


def _object(table: Iterable[Fact], description: str = "") -> dict[str, object]:
    found: dict[str, object] = {"description": description} if description else {}
    found |= {
        "type": "object",
        "additionalProperties": False,
        "properties": {fact.name: _property(fact) for fact in table},
    }
    needed = _needed(table)
    return found | ({"required": needed} if needed else {})


def _property(fact: Fact) -> dict[str, object]:
    return {"description": fact.about, **fact.kind.schema()}


def _needed(table: Iterable[Fact]) -> list[str]:
    return [fact.name for fact in table if fact.needed]
