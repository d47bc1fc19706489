"""From the bytes of a file to the tables they hold, and to the line on which each fact stands.

What lives here: everything that can be wrong before the first fact is looked at: size, encoding, syntax, nesting. What
must not: what facts there are (`schema`). Everything here takes time in proportion to the file, whatever is in it.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evergrant.keeper.provider.problem import BadProvider, Problem, Trail

LARGEST: Final = 65_536
_HEADER: Final = re.compile(r"\s*\[\[?\s*([^\]\[#]+?)\s*\]")
_KEY: Final = re.compile(r"""\s*([A-Za-z0-9_.\-"']+)\s*=""")
_PLACE: Final = re.compile(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is TOML: what it says, and where."""

    file: str
    values: Mapping[str, Any]
    lines: Mapping[Trail, int]

    def place(self, trail: Trail) -> str:
        """File and line of a fact, or of the nearest thing around it."""
        while trail and trail not in self.lines:
            trail = trail[:-1]
        return f"{self.file}, line {self.lines.get(trail, 1)}"


def read_document(path: Path) -> Document:
    """Read one provider's file. Raises `BadProvider` when it cannot be read or is not TOML."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise _refused(str(path), f"cannot be read: {error.strerror or error}") from error
    return parse(content, str(path))


def parse(content: bytes, file: str) -> Document:
    """Parse the content of one file. Raises `BadProvider`."""
    if len(content) > LARGEST:
        raise _refused(file, f"is larger than {LARGEST} bytes; a provider's file is a page or two")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused(file, f"is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise _refused(file, "is nested too deeply; a fact is at most three levels down") from error
    except ValueError as error:  # besides its own error, tomllib lets through that of a number with too many digits
        raise _syntax(file, str(error)) from error
    return Document(file, values, _lines(text))


def _lines(text: str) -> dict[Trail, int]:
    """Where each fact stands. A line of a long string that looks like a key can at worst lend it its number."""
    found: dict[Trail, int] = {}
    above: Trail = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            above = _parts(header[1])
            found.setdefault(above, number)
        elif key := _KEY.match(line):
            found.setdefault((*above, *_parts(key[1])), number)
    return found


def _parts(name: str) -> Trail:
    return tuple(part.strip().strip("\"'") for part in name.split("."))


def _syntax(file: str, message: str) -> BadProvider:
    found = _PLACE.match(message)
    if found is None:
        return _refused(file, f"is not TOML: {message}")
    where = f"{file}, line {found[2]}" if found[2] else f"{file}, at its end"
    return _refused(where, f"is not TOML: {found[1][:1].lower()}{found[1][1:]}")


def _refused(place: str, says: str) -> BadProvider:
    return BadProvider([Problem((), says, place)])
