"""
On which line of a TOML file each key was written, which `tomllib` does not tell.

The text is known to be valid before it comes here. Statements are cut from it by the one rule that cannot disagree with
the parser: a statement ends with the first line at which `tomllib` accepts it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

Trail = tuple[str, ...]

_HEADER: Final = re.compile(r"\s*\[")
_BLANK: Final = re.compile(r"\s*(#.*)?")


def lines_of(text: str) -> Mapping[Trail, int]:
    """Map the trail of each key, such as ("server", "listen") or ("resource", "0", "scopes"), to its line."""
    found: dict[Trail, int] = {}
    above: Trail = ()
    repeats: dict[Trail, int] = {}
    for number, statement in _statements(text):
        parsed = tomllib.loads(statement)
        trails = list(_trails(parsed, ()))
        if _HEADER.match(statement):
            above = max(trails, key=len)
            if statement.lstrip().startswith("[["):
                name = above[:-1]
                above = (*name, str(repeats.get(name, 0)))
                repeats[name] = repeats.get(name, 0) + 1
            found.setdefault(above[:1], number)
            found[above] = number
            continue
        for trail in trails:
            found.setdefault((*above, *trail), number)
    return found


def line_of(lines: Mapping[Trail, int], trail: Trail) -> int:
    """Return the line of a key, or of the nearest thing around it."""
    while trail and trail not in lines:
        trail = trail[:-1]
    return lines.get(trail, 1)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Cut the text into headers and assignments, each with the line it begins on."""
    begun, number = "", 0
    for here, line in enumerate(text.splitlines(keepends=True), 1):
        if not begun and _BLANK.fullmatch(line.rstrip("\r\n")):
            continue
        begun, number = (begun + line, number) if begun else (line, here)
        try:
            tomllib.loads(begun)
        except tomllib.TOMLDecodeError:
            continue
        yield number, begun
        begun = ""


def _trails(value: Any, trail: Trail) -> Iterator[Trail]:
    """Walk through nested tables and lists of tables, outermost first."""
    if trail:
        yield trail
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _trails(inner, (*trail, name))
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        for index, inner in enumerate(value):
            yield from _trails(inner, (*trail, str(index)))
