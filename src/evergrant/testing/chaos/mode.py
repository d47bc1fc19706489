"""What a mode is: a name, a sentence, and a change of behaviour."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from evergrant.testing.chaos.behaviour import Behaviour

Values = Mapping[str, Any]
Change = Callable[[Behaviour, Values], Behaviour]


class Occasion(StrEnum):
    """What a request is about."""

    REFRESH = "refresh"
    EXCHANGE = "exchange"
    DEVICE = "device"
    REVOKE = "revoke"
    INTROSPECT = "introspect"
    API = "api"
    DISCOVERY = "discovery"
    AUTHORIZE = "authorize"
    CONNECTION = "connection"
    """A connection, before anything was read from it."""


EVERYTHING: Final = frozenset(Occasion)
REFRESHES: Final = frozenset({Occasion.REFRESH})


class Kind(StrEnum):
    """Which part of the table a mode stands in."""

    RULE = "rule"
    SHAPE = "shape"
    FAULT = "fault"


class NoSuchMode(ValueError):
    """A mode, one of its settings, or a value that does not exist; the text says what does."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One entry of the table. *takes* are its settings with what they are when nothing is said."""

    name: str
    kind: Kind
    sentence: str
    change: Change
    takes: Values = field(default_factory=dict)
    on: frozenset[Occasion] = EVERYTHING
