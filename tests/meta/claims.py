"""Which test claims which row: the ids of rows.toml looked for in the names of tests.

What lives here: reading rows.toml and the tests' names (from their source; nothing is imported or run). What must not:
how the page looks (`docs/generate/coverage.py`) and what is a failure (`test_rows`).
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
ROWS: Final = Path(__file__).with_name("rows.toml")
SOURCES: Final = (ROOT / "tests", ROOT / "src" / "evergrant" / "testing")  # the shipped contract suites count too

_SHAPES: Final = re.compile(
    r"(?<![a-z0-9])"
    r"(?:(?:rt|[ckusjpivao])_\d\d(?![0-9a-z])"  # a row of the attack catalogue
    r"|(?:cp|inv|keep_inv)_\d{1,2}(?![0-9a-z])"  # a crash point, an invariant, one of the keeper
    r"|(?:r\d{4,5}|o21|oidc|rpil|bcl|rte|asvs|ssf)_(?:\d|a_\d|sm_a))"  # a requirement: its document, then a section
)
_UNITS: Final = re.compile(r"_(?:second|minute|hour|day|week|month|year|byte|character|bit|time|percent)s?(?:_|$)")


class Row(NamedTuple):
    id: str
    title: str
    left: str


class Group(NamedTuple):
    title: str
    complete: bool
    rows: tuple[Row, ...]


class Test(NamedTuple):
    path: str
    name: str
    """Class and function, the way pytest writes them."""


def groups() -> tuple[Group, ...]:
    read = tomllib.loads(ROWS.read_text(encoding="utf-8"))
    return tuple(
        Group(each["title"], each["complete"], tuple(_row(*pair) for pair in each["rows"].items()))
        for each in read["group"]
    )


def spelled(row_id: str) -> str:
    """The row's id as a name carries it."""
    return re.sub(r"[-.]", "_", row_id.lower())


@cache
def tests() -> tuple[Test, ...]:
    """Every test, and every invariant of a state machine, by the names in the source."""
    found: list[Test] = []
    for source in SOURCES:
        for file in sorted(source.rglob("*.py")):
            if "node_modules" not in file.parts:
                path = file.relative_to(ROOT).as_posix()
                found += (Test(path, name) for name in _names(ast.parse(file.read_text(encoding="utf-8")), ""))
    return tuple(found)


def claims() -> dict[str, list[Test]]:
    """Row id to the tests that carry it."""
    ids = {spelled(row.id): row.id for group in groups() for row in group.rows}
    found: dict[str, list[Test]] = {}
    for test in tests():
        for name in _claimed(test.name, ids):
            found.setdefault(ids[name], []).append(test)
    return found


def unknown() -> list[str]:
    """Names that carry something of the shape of an id which is not in rows.toml."""
    ids = {spelled(row.id): row.id for group in groups() for row in group.rows}
    return [
        f"{test.path}::{test.name} carries {shape.group()!r}, which is no row of rows.toml"
        for test in tests()
        for name in [_flat(test.name)]
        for shape in _SHAPES.finditer(name)
        if not _is_amount(name, shape) and not any(_stands(name, shape.start(), known) for known in ids)
    ]


def _claimed(test_name: str, ids: dict[str, str]) -> set[str]:
    name = _flat(test_name)
    found: set[str] = set()
    for shape in _SHAPES.finditer(name):
        if not _is_amount(name, shape):
            found.update(known for known in ids if _stands(name, shape.start(), known))
    return found


def _stands(name: str, at: int, known: str) -> bool:
    return name.startswith(known, at) and not name[at + len(known) : at + len(known) + 1].isalnum()


def _is_amount(name: str, shape: re.Match[str]) -> bool:
    """`a_60_second_overlap` speaks of sixty seconds, not of row A-60."""
    return shape.group()[1] == "_" and _UNITS.match(name, shape.end()) is not None


def _flat(test_name: str) -> str:
    return test_name.lower().replace("::", "__")


def _row(row_id: str, said: str | dict[str, str]) -> Row:
    return Row(row_id, said, "") if isinstance(said, str) else Row(row_id, said["title"], said.get("left", ""))


def _names(tree: ast.AST, prefix: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _names(node, f"{prefix}{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(("test_", "inv_")):
            yield prefix + node.name
