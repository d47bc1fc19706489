"""
The kinds of value a configuration key can have: how each is read, what it expects, how it is written.

A kind knows nothing of keys, files or precedence. It turns a TOML value, or the text of an environment variable, into
a value of the right Python type, or raises `ValueError` with a clause that completes the sentence "server.listen …".
Numbers, durations and sizes are in `numbers`; which key has which kind is said in `sections`.
"""

from __future__ import annotations

import base64
import ipaddress
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

T = TypeVar("T")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

KEY_BYTES: Final = 32

_TOML_TYPES: Final = {bool: "a boolean", int: "a whole number", float: "a fraction", str: "a string", list: "a list"}


def given(value: object, natural: tuple[type, ...]) -> str:
    """Say what was given instead, for the end of a sentence; its type only when that is what was wrong."""
    spelled = json.dumps(value, default=str, ensure_ascii=False)[:60]
    if type(value) in natural:
        return spelled
    named = _TOML_TYPES.get(type(value), "a table" if isinstance(value, dict) else "a date or time")
    return f"{named} ({spelled})"


@dataclass(frozen=True)
class Kind(ABC, Generic[T]):
    """One kind of value; `natural` are the types that TOML gives it."""

    natural: ClassVar[tuple[type, ...]] = (str,)

    @property
    @abstractmethod
    def expects(self) -> str:
        """Say what is accepted, as in "must be …"."""

    @property
    def unit(self) -> str:
        """Name the unit of the Python value; empty when it has none."""
        return ""

    @abstractmethod
    def read(self, value: object) -> T:
        """Read a value as TOML gives it."""

    def read_text(self, text: str) -> T:
        """Read the text of an environment variable or of an option on the command line."""
        return self.read(text)

    def write(self, value: T) -> str:
        """Write the value as TOML would spell it."""
        return json.dumps(value, ensure_ascii=False, default=str)

    def wrong(self, value: object) -> ValueError:
        """Name what was expected and what was given."""
        return ValueError(f"must be {self.expects}, not {given(value, self.natural)}")


@dataclass(frozen=True)
class Text(Kind[str]):
    """A short text without control characters."""

    longest: int = 1024

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        return "a string"

    def read(self, value: object) -> str:
        """Read a string."""
        if not isinstance(value, str):
            raise self.wrong(value)
        if len(value) > self.longest:
            raise ValueError(f"must be at most {self.longest} characters long, not {len(value)}")
        if not value.isprintable():
            raise ValueError("must hold no control characters")
        return value


@dataclass(frozen=True)
class Matching(Text):
    """A text that has to satisfy a rule; the rule raises with the clause to print."""

    rule: Callable[[str], None] = lambda _: None
    wanted: str = "a string"
    may_be_empty: bool = True

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        return self.wanted

    def read(self, value: object) -> str:
        """Read a string and ask the rule."""
        text = super().read(value)
        if text or not self.may_be_empty:
            self.rule(text)
        return text


@dataclass(frozen=True)
class Choice(Kind[str]):
    """One of a few words."""

    words: tuple[str, ...] = ()

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        return "one of " + ", ".join(json.dumps(word) for word in self.words)

    def read(self, value: object) -> str:
        """Read one of the words."""
        if not isinstance(value, str) or value not in self.words:
            raise self.wrong(value)
        return value


@dataclass(frozen=True)
class Flag(Kind[bool]):
    """True or false."""

    natural: ClassVar[tuple[type, ...]] = (bool,)

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        return "true or false"

    def read(self, value: object) -> bool:
        """Read a boolean; the string "false" is not one."""
        if not isinstance(value, bool):
            raise self.wrong(value)
        return value

    def read_text(self, text: str) -> bool:
        """Read the words true and false."""
        if text not in ("true", "false"):
            raise self.wrong(text)
        return text == "true"


@dataclass(frozen=True)
class Location(Kind[Path | None]):
    """A path of the file system; in a file it is relative to that file, elsewhere to the working directory."""

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        return "a path"

    def read(self, value: object) -> Path | None:
        """Read a path; the empty string means none."""
        if not isinstance(value, str) or "\x00" in value:
            raise self.wrong(value)
        return Path(value).expanduser() if value else None

    def write(self, value: Path | None) -> str:
        """Write the path as a string."""
        return json.dumps("" if value is None else str(value), ensure_ascii=False)


@dataclass(frozen=True)
class Folder(Kind[Path]):
    """A directory that has to be named."""

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        return "the path of a directory"

    def read(self, value: object) -> Path:
        """Read a path."""
        if not isinstance(value, str) or not value or "\x00" in value:
            raise self.wrong(value)
        return Path(value).expanduser()


@dataclass(frozen=True)
class NetworkRange(Kind[Network]):
    """An address or a range of addresses."""

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        return 'an address or a network such as "10.0.0.0/8" or "::1"'

    def read(self, value: object) -> Network:
        """Read CIDR notation; bits below the prefix are refused, since they show that something else was meant."""
        try:
            return ipaddress.ip_network(value if isinstance(value, str) else "")
        except ValueError as error:
            raise self.wrong(value) from error


@dataclass(frozen=True)
class Key32(Kind[bytes]):
    """A secret key of 32 bytes, or none; never written out."""

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        return "32 bytes in base64"

    def read(self, value: object) -> bytes:
        """Read base64 of either alphabet, never repeating what was given."""
        text = value.strip().rstrip("=") if isinstance(value, str) else "?"
        try:
            key = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
        except ValueError:
            raise ValueError(f"must be {self.expects}; what was given cannot be decoded") from None
        if len(key) not in (0, KEY_BYTES):
            raise ValueError(f"must be {self.expects}, not {len(key)} bytes")
        return key

    def write(self, value: bytes) -> str:
        """Write that there is one, or that there is none."""
        return '"(secret)"' if value else '""'


@dataclass(frozen=True)
class ListOf(Kind[tuple[T, ...]]):
    """Several values of one kind; in an environment variable they are separated by commas."""

    natural: ClassVar[tuple[type, ...]] = (list,)

    item: Kind[T]

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        return f"a list, each of it {self.item.expects}"

    def read(self, value: object) -> tuple[T, ...]:
        """Read a list."""
        if not isinstance(value, list):
            raise self.wrong(value)
        return tuple(self.item.read(element) for element in value)

    def read_text(self, text: str) -> tuple[T, ...]:
        """Read what stands between the commas."""
        return tuple(self.item.read_text(part.strip()) for part in text.split(",") if part.strip())

    def write(self, value: tuple[T, ...]) -> str:
        """Write a list."""
        return "[" + ", ".join(self.item.write(element) for element in value) + "]"


@dataclass(frozen=True)
class TableOf(Kind[Mapping[str, Any] | None]):
    """A table whose members somebody else judges; in an environment variable it is JSON."""

    natural: ClassVar[tuple[type, ...]] = (dict,)

    @property
    def expects(self) -> str:
        """Say what is accepted."""
        return "a table"

    def read(self, value: object) -> Mapping[str, Any]:
        """Read a table as it is."""
        if not isinstance(value, dict):
            raise self.wrong(value)
        return value

    def read_text(self, text: str) -> Mapping[str, Any]:
        """Read a JSON object."""
        try:
            return self.read(json.loads(text))
        except json.JSONDecodeError as error:
            raise ValueError(f"must be {self.expects}, written as JSON: {error}") from error

    def write(self, value: Mapping[str, Any] | None) -> str:
        """Write the members in one line; what JSON spells, TOML spells nearly the same."""
        return json.dumps(dict(value or {}), ensure_ascii=False, default=str)
