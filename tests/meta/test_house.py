"""The shape of the house: sizes, rules of residence, names, and the public door."""

import ast
import importlib
import math
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.meta.claims import ROOT

SRC: Final = ROOT / "src" / "evergrant"
FILES: Final = sorted(SRC.rglob("*.py"))
LONGEST_FILE: Final = 500
LONGEST_FUNCTION: Final = 50
MEDIAN: Final = 120
NINETIETH: Final = 350

BANNED: Final = frozenset(
    {"helper", "helpers", "util", "utils", "utility", "utilities", "common", "manager", "managers", "data", "info"}
)
FORCED: Final = {
    "data": "the option --data DIR and its key in the configuration, which its users type",
    "data_folder": "the folder that --data names",
    "data_received": "a method of asyncio.Protocol",
    "exc_info": "an attribute of logging.LogRecord",
    "stack_info": "an attribute of logging.LogRecord",
    "_INFO": "HKDF's parameter is called info in RFC 5869",
}
"""Names with a banned word that a standard or a library forces on us, each with what forces it."""


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for file in FILES:
        yield file, ast.parse(file.read_text(encoding="utf-8"))


def lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    everywhere = [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    too_long = {
        str(file.relative_to(ROOT)): lines(file)
        for file in everywhere
        if "node_modules" not in file.parts and lines(file) > LONGEST_FILE
    }
    assert too_long == {}


def test_most_files_are_short() -> None:
    sizes = sorted(lines(file) for file in FILES if lines(file))
    ninetieth = sizes[math.ceil(len(sizes) * 0.9) - 1]
    assert statistics.median(sizes) <= MEDIAN
    assert ninetieth <= NINETIETH


def test_no_function_is_longer_than_fifty_lines() -> None:
    too_long = [
        f"{file.relative_to(SRC)}:{node.lineno} {node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for file, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert too_long == []


def test_every_room_opens_with_its_rules_of_residence() -> None:
    silent = []
    for room in sorted({file.parent for file in FILES}):
        door = room / "__init__.py"
        said = ast.get_docstring(ast.parse(door.read_text(encoding="utf-8"))) if door.exists() else None
        if said is None or len(said.split()) < 20 or not re.search(r"\b(not|nothing|only|no|never)\b", said):
            silent.append(str(room.relative_to(SRC)))
    assert silent == [], "each room says what lives there, what must not, and where the neighbour is"


def test_every_module_opens_with_a_sentence() -> None:
    silent = [str(file.relative_to(SRC)) for file, tree in trees() if tree.body and ast.get_docstring(tree) is None]
    assert silent == []


def words(name: str) -> set[str]:
    """The words of a name in snake_case, kebab-case or CamelCase."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that our source makes: definitions, arguments, variables, attributes that are set, aliases."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield 0, node.asname


def test_no_name_says_helper_util_common_manager_data_or_info() -> None:
    vague = [
        f"{file.relative_to(SRC)}:{line} {name}"
        for file, tree in trees()
        for line, name in [(0, part) for part in file.relative_to(SRC).with_suffix("").parts] + list(names(tree))
        if words(name) & BANNED and name not in FORCED
    ]
    assert vague == []


def test_no_test_or_page_file_is_named_vaguely() -> None:
    places = [ROOT / "tests", ROOT / "benchmarks", ROOT / "docs", SRC / "issuer"]
    vague = [
        str(file.relative_to(ROOT))
        for place in places
        for file in place.rglob("*")
        if file.is_file() and "node_modules" not in file.parts and words(file.stem) & BANNED
    ]
    assert vague == []


def test_the_public_door_is_sorted_and_complete() -> None:
    evergrant = importlib.import_module("evergrant")
    assert list(evergrant.__all__) == sorted(evergrant.__all__)
    for name in evergrant.__all__:
        assert getattr(evergrant, name) is not None, name
    door = ast.parse((SRC / "__init__.py").read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(door)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    public = {name for name in imported if not name.startswith("_")}
    assert public <= set(evergrant.__all__), "a name that can be imported from the door is public or has an underscore"
