"""What a fact's value may look like: one kind per shape, each reads a value and says itself as JSON Schema.

What lives here: the look of single values. What must not: names of facts (`schema`), what contradicts what (`rules`).
`read` returns the value as the model wants it, or raises `Unfit` with a clause that follows the fact's name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final, Protocol

from evergrant.keeper.provider.address import check_address
from evergrant.keeper.provider.problem import Unfit, near

LONGEST: Final = 2_000
MOST: Final = 64
"""Entries of one list or table."""
TEN_YEARS: Final = 315_576_000
SHOWN: Final = 40
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\u0080-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Kind(Protocol):
    def read(self, value: object) -> Any: ...

    def schema(self) -> dict[str, object]: ...


def shown(value: object) -> str:
    """A value as an error shows it: short, on one line."""
    text = ascii(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text."""

    longest: int = LONGEST
    empty: bool = True
    pattern: str = ""
    expects: str = ""

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise Unfit(f"must be text in quotes, not {shown(value)}")
        if len(value) > self.longest:
            raise Unfit(f"is {len(value)} characters long; at most {self.longest} are allowed")
        if _CONTROL.search(value):
            raise Unfit("holds a control character; remove it")
        if not value and not self.empty:
            raise Unfit("is empty; write something or leave it out")
        if value and self.pattern and not re.fullmatch(self.pattern, value):
            raise Unfit(f"must be {self.expects}, not {shown(value)}")
        return value

    def schema(self) -> dict[str, object]:
        found: dict[str, object] = {"type": "string", "maxLength": self.longest}
        if not self.empty:
            found["minLength"] = 1
        if self.pattern:
            found["pattern"] = f"^({self.pattern})?$" if self.empty else f"^{self.pattern}$"
        return found


@dataclass(frozen=True, slots=True)
class Address:
    """An https address, perhaps with placeholders."""

    def read(self, value: object) -> str:
        address = Text().read(value)
        if address:
            check_address(address)
        return address

    def schema(self) -> dict[str, object]:
        return {"type": "string", "maxLength": LONGEST, "pattern": r"^(https?://|\{[a-z][a-z0-9_]*\}/|$)"}


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number."""

    least: int = 0
    most: int = TEN_YEARS

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit(f"must be a whole number, not {shown(value)}")
        if not self.least <= value <= self.most:
            raise Unfit(f"must be from {self.least} to {self.most}, not {shown(value)}")
        return value

    def schema(self) -> dict[str, object]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Part:
    """A fraction of a whole."""

    def read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value <= 1.0:
            raise Unfit(f"must be a number above 0 and at most 1, not {shown(value)}")
        return float(value)

    def schema(self) -> dict[str, object]:
        return {"type": "number", "exclusiveMinimum": 0, "maximum": 1}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise Unfit(f"must be true or false, not {shown(value)}")
        return value

    def schema(self) -> dict[str, object]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One word of a vocabulary."""

    words: type[StrEnum] | tuple[str, ...]

    def read(self, value: object) -> Any:
        known = [str(word) for word in self.words]
        if not isinstance(value, str) or value not in known:
            hint = near(value, known) if isinstance(value, str) else ""
            raise Unfit(f"must be one of {', '.join(known)}, not {shown(value)}{hint}")
        return value if isinstance(self.words, tuple) else self.words(value)

    def schema(self) -> dict[str, object]:
        return {"enum": [str(word) for word in self.words]}


@dataclass(frozen=True, slots=True)
class Day:
    """A day, written as text: the model keeps it as it stands in the file."""

    def read(self, value: object) -> str:
        if isinstance(value, date):
            return value.isoformat()[:10]
        try:
            return date.fromisoformat(Text().read(value)).isoformat()
        except ValueError as error:
            raise Unfit(f'must be a day such as "2026-11-21", not {shown(value)}') from error

    def schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}


@dataclass(frozen=True, slots=True)
class Several:
    """A list without repetitions, as a tuple."""

    each: Kind
    least: int = 0

    def read(self, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise Unfit(f"must be a list in square brackets, not {shown(value)}")
        if not self.least <= len(value) <= MOST:
            raise Unfit(f"must have from {self.least} to {MOST} entries, and has {len(value)}")
        found: list[Any] = []
        for index, each in enumerate(value, 1):
            try:
                read = self.each.read(each)
            except ValueError as error:
                raise Unfit(f"has an entry, number {index}, that {error}") from error
            if read in found:
                raise Unfit(f"says {shown(each)} twice")
            found.append(read)
        return tuple(found)

    def schema(self) -> dict[str, object]:
        found = {"type": "array", "items": self.each.schema(), "maxItems": MOST, "uniqueItems": True}
        return found | ({"minItems": self.least} if self.least else {})


@dataclass(frozen=True, slots=True)
class Table:
    """Names to values of one kind. Numbers and truth values are written as text where text is wanted."""

    each: Kind
    check_name: Callable[[str], None] = lambda _name: None

    def read(self, value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise Unfit(f"must be a table of names and values, not {shown(value)}")
        if len(value) > MOST:
            raise Unfit(f"has {len(value)} entries; at most {MOST} are allowed")
        found: dict[str, Any] = {}
        for name, each in value.items():
            try:
                Text(longest=200, empty=False).read(name)
                self.check_name(name)
                found[name] = self.each.read(each)
            except ValueError as error:
                raise Unfit(f"has a member {shown(name)} that {error}") from error
        return found

    def schema(self) -> dict[str, object]:
        return {"type": "object", "additionalProperties": self.each.schema(), "maxProperties": MOST}


@dataclass(frozen=True, slots=True)
class Scalar:
    """Text, a whole number or a truth value, as it stands: what a member of an answer must be equal to."""

    def read(self, value: object) -> object:
        if isinstance(value, bool | int):
            return value
        if not isinstance(value, str):
            raise Unfit(f"must be text, a whole number, true or false, not {shown(value)}")
        return Text().read(value)

    def schema(self) -> dict[str, object]:
        return {"type": ["string", "integer", "boolean"]}
