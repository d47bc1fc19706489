"""
What is known about one configuration key, and how a section declares it.

A section is a frozen dataclass whose fields are declared with `key(...)`; the declaration carries everything that
parsing, `config show` and the reference page need to know, so that none of them can disagree. The sections themselves
are in `sections`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from evergrant.config.kinds import Kind

T = TypeVar("T")

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
YEAR: Final = 365 * DAY
KIB: Final = 1024

ENVIRONMENT_PREFIX: Final = "EVERGRANT_"
_METADATA: Final = "evergrant.key"


@dataclass(frozen=True, slots=True)
class Key:
    """One row of the table of keys."""

    section: str
    name: str
    kind: Kind[Any]
    default: Any
    doc: str
    why: str
    secret: bool = False

    @property
    def path(self) -> str:
        """Name the key as messages do: `section.name`."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """Name the environment variable that sets the key."""
        return f"{ENVIRONMENT_PREFIX}{self.section}_{self.name}".upper()

    @property
    def unit(self) -> str:
        """Name the unit of the value as Python sees it; empty when it has none."""
        return self.kind.unit

    def write(self, value: Any) -> str:
        """Write a value as TOML would spell it, or say only that a secret is set."""
        if self.secret:
            return '"(secret)"' if value else '""'
        return self.kind.write(value)


def key(kind: Kind[T], default: T, doc: str, why: str, *, secret: bool = False) -> T:
    """Declare a field of a section: its kind, its default, a sentence of documentation, an argument for the default."""
    metadata = {_METADATA: (kind, default, doc, why, secret)}
    # A secret stays out of repr(): a configuration that is logged or shown in a traceback must not give it away.
    return dataclasses.field(default=default, repr=not secret, metadata=metadata)


def keys_of(section: str, shape: type[Any]) -> tuple[Key, ...]:
    """List the keys that a section's dataclass declares, in order."""
    declared = (field for field in dataclasses.fields(shape) if _METADATA in field.metadata)
    return tuple(_row(section, field.name, field.metadata[_METADATA]) for field in declared)


def _row(section: str, name: str, declaration: tuple[Kind[Any], Any, str, str, bool]) -> Key:
    kind, default, doc, why, secret = declaration
    return Key(section, name, kind, default, doc, why, secret)
