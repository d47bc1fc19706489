"""
Where configuration comes from: the command line, the environment, one TOML file, and the defaults, in that order.

Each source yields settings: a value, already read by its kind, with a label that says where it was written. Precedence
is applied in `load`; rules about several keys at once are in `judge`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from evergrant.config import clients
from evergrant.config.key import ENVIRONMENT_PREFIX, Key
from evergrant.config.kinds import Text
from evergrant.config.lines import Trail, line_of, lines_of
from evergrant.config.model import RESOURCE_TABLE, SECTIONS, TABLE
from evergrant.config.problem import ConfigError, nearest
from evergrant.config.rules import require_scope

CONFIG_VARIABLE: Final = "EVERGRANT_CONFIG"

# Variables with our prefix that are no keys: read elsewhere, or set by others. Kubernetes describes each service in the
# variables of every container, and a service is likely to be called evergrant.
_NO_KEYS: Final = re.compile(
    r"EVERGRANT_(CONFIG|WORKER_SETTINGS|TEST_[A-Z0-9_]+|SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_[A-Z0-9_]+)?)"
)

KEYS: Final[Mapping[str, Key]] = {row.path: row for row in TABLE}
_RESOURCE_KEYS: Final[Mapping[str, Key]] = {row.name: row for row in RESOURCE_TABLE}
_VARIABLES: Final[Mapping[str, Key]] = {row.variable: row for row in TABLE}
TABLES: Final = ("resource", "scopes")
_SECTION_NAMES: Final = (*SECTIONS, *TABLES)


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it was written."""

    value: Any
    label: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What one source says: settings by their trail, and what is wrong with the others, by theirs."""

    settings: Mapping[Trail, Setting]
    problems: Mapping[Trail, str]


def read_overrides(options: Mapping[str, object]) -> Findings:
    """Read what the command line said, as `section.name` to text or value; None means that it said nothing."""
    settings: dict[Trail, Setting] = {}
    problems: dict[Trail, str] = {}
    for path, value in options.items():
        if value is None:
            continue
        row = KEYS[path]
        try:
            read = row.kind.read_text(value) if isinstance(value, str) else row.kind.read(value)
        except ValueError as error:
            problems[row.section, row.name] = f"command line: {path} {error}"
            continue
        settings[row.section, row.name] = Setting(read, "command line")
    return Findings(settings, problems)


def read_environment(environment: Mapping[str, str]) -> Findings:
    """Read the variables that begin with EVERGRANT_; a table is written as JSON."""
    settings: dict[Trail, Setting] = {}
    problems: dict[Trail, str] = {}
    for variable in sorted(name for name in environment if name.startswith(ENVIRONMENT_PREFIX)):
        row, text = _VARIABLES.get(variable), environment[variable]
        table = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        try:
            if row is not None:
                read: Any = row.kind.read_text(text)
                settings[row.section, row.name] = Setting(read, f"environment {variable}")
            elif table in TABLES:
                _collect({table: _json(text)}, f"environment {variable}", settings, problems)
            elif named := clients.in_environment(variable):
                said = _json(text) if named == clients.TRAIL else clients.read_text(named, text)
                if named == clients.TRAIL:
                    _collect({"keeper": {"client": said}}, f"environment {variable}", settings, problems)
                else:
                    settings[named] = Setting(said, f"environment {variable}")
            elif _NO_KEYS.fullmatch(variable) is None:
                _refuse("is not a variable that exists" + nearest(variable, _VARIABLES))
        except ValueError as error:
            trail = (row.section, row.name) if row is not None else (variable,)
            problems[trail] = f"environment {variable}: {error}"
    return Findings(settings, problems)


def read_file(path: Path) -> Findings:
    """Read a TOML file; each problem names the file and the line."""
    try:
        text = path.read_bytes().decode("utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(path, str(error))]) from error
    lines = lines_of(text)
    settings: dict[Trail, Setting] = {}
    problems: dict[Trail, str] = {}
    _collect(document, lambda trail: f"{path}, line {line_of(lines, trail)}", settings, problems)
    return Findings({trail: _beside(path, found) for trail, found in settings.items()}, problems)


def _collect(
    document: Mapping[str, object],
    place: str | Callable[[Trail], str],
    settings: dict[Trail, Setting],
    problems: dict[Trail, str],
) -> None:
    for trail, read in _entries(document):
        label = place if isinstance(place, str) else place(trail)
        try:
            settings[trail] = Setting(read(), label)
        except ValueError as error:
            problems[trail] = f"{label}: {'.'.join(trail)} {error}"


def _entries(document: Mapping[str, object]) -> Iterator[tuple[Trail, Callable[[], Any]]]:
    """Yield each thing a document says, as the trail that leads to it and a call that reads or refuses it."""
    for section, content in document.items():
        if section == "resource":
            yield from _resources(content)
        elif section not in _SECTION_NAMES:
            yield (section,), partial(_refuse, "is not a section that exists" + _section_hint(section))
        elif not isinstance(content, dict):
            yield (section,), partial(_refuse, f"is a section: write [{section}] on a line above its keys")
        else:
            if section == "keeper":
                yield from clients.entries(content.get("client", {}))
            reader = _read_scope if section == "scopes" else partial(_read_key, section)
            for name, value in content.items():
                if (section, name) != clients.TRAIL:
                    yield (section, name), partial(reader, name, value)


def _resources(content: object) -> Iterator[tuple[Trail, Callable[[], Any]]]:
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        yield ("resource",), partial(_refuse, "may be repeated: write [[resource]] on a line above its keys")
        return
    for index, one in enumerate(content):
        for required in {"identifier"} - set(one):
            yield ("resource", str(index)), partial(_refuse, f"has no {required}, and needs one")
        for name, value in one.items():
            yield ("resource", str(index), name), partial(_read_resource_key, name, value)


def _read_key(section: str, name: str, value: object) -> Any:
    row = KEYS.get(f"{section}.{name}")
    if row is None:
        known = [each.name for each in TABLE if each.section == section]
        raise ValueError("is not a key that exists" + (nearest(name, known) or _owner_hint(name)))
    return row.kind.read(value)


def _read_resource_key(name: str, value: object) -> Any:
    row = _RESOURCE_KEYS.get(name)
    if row is None:
        raise ValueError("is not a key that exists" + nearest(name, _RESOURCE_KEYS))
    return row.kind.read(value)


def _read_scope(name: str, value: object) -> str:
    require_scope(name)
    return Text(longest=200).read(value)


def _refuse(clause: str) -> Any:
    raise ValueError(clause)


def _section_hint(section: str) -> str:
    return nearest(section, _SECTION_NAMES) or _owner_hint(section)


def _owner_hint(name: str) -> str:
    owner = next((row.path for row in TABLE if row.name == name), "")
    return f'; did you mean "{owner}"?' if owner else ""


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"must be JSON: {error}") from error


def _beside(file: Path, found: Setting) -> Setting:
    """Make a path that a file names relative to that file: the service starts in another directory than its author."""
    if isinstance(found.value, Path):
        return Setting(file.parent / found.value, found.label)
    return found


def _syntax_problem(path: Path, message: str) -> str:
    found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", message)
    if found is None:
        return f"{path}: is not TOML: {message}"
    return f"{path}, line {found[2]}: is not TOML: {found[1][:1].lower()}{found[1][1:]} (column {found[3]})"
