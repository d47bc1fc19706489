"""From sources to one judged configuration: command line over environment over file over default."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evergrant.config.judge import judge
from evergrant.config.lines import Trail
from evergrant.config.model import DEFAULT_SCOPES, SECTIONS, Config
from evergrant.config.problem import ConfigError
from evergrant.config.sections import KeeperClientConfig, ResourceConfig
from evergrant.config.sources import CONFIG_VARIABLE, Setting, read_environment, read_file, read_overrides

DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and where each key of it was written."""

    config: Config
    origins: Mapping[str, str]

    def origin(self, path: str) -> str:
        """Say where a key was written, such as "evergrant.toml, line 3"."""
        return self.origins.get(path, DEFAULT)


def load(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Config:
    """
    Read the configuration, or say everything that is wrong with it.

    Args:
        path: The TOML file; without one, EVERGRANT_CONFIG may name it.
        environment: The environment variables; those of the process when left out.
        overrides: What the command line said, as `section.name` to text or value; None counts as not said.

    Raises:
        ConfigError: Something is wrong; `problems` lists all of it.

    """
    return load_with_origins(path, environment, overrides).config


def load_with_origins(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Loaded:
    """Read the configuration as `load` does, and keep where each key was written."""
    environment = os.environ if environment is None else environment
    if path is None and environment.get(CONFIG_VARIABLE):
        path = Path(environment[CONFIG_VARIABLE])
    sources = [] if path is None else [read_file(path)]
    sources += [read_environment(environment), read_overrides(overrides or {})]
    merged: dict[Trail, Setting] = {}
    for source in sources:
        if any(trail[0] == "resource" for trail in source.settings):
            # A list is replaced as a whole: merging two lists by position would mix one API's scopes into another's.
            merged = {trail: found for trail, found in merged.items() if trail[0] != "resource"}
        merged.update(source.settings)
    origins = {".".join(trail): found.label for trail, found in merged.items()}
    unread = {".".join(trail) for source in sources for trail in source.problems}
    problems = [problem for source in sources for problem in source.problems.values()]
    config = _assemble(merged)
    for name, file in _FROM_FILES.items():
        try:
            config = _with_text_of(config, name, file)
            origins.setdefault(name, origins.get(file, DEFAULT))
        except ValueError as error:
            problems.append(f"{origins[file]}: {error}")
    for conflict in judge(config):
        # A key that could not be read stands at its default here, and a conflict with that would be a false accusation.
        if unread.isdisjoint(conflict.keys):
            place = next((origins[key] for key in conflict.keys if key in origins), DEFAULT)
            problems.append(f"{place}: {conflict.sentence}")
    if problems:
        raise ConfigError(problems)
    return Loaded(config, origins)


# What may lie in a file of its own, and the key that names the file.
_FROM_FILES: Final = {"store.url": "store.url_file", "keeper.vault_url": "keeper.vault_url_file"}


def _with_text_of(config: Config, name: str, source: str) -> Config:
    """Put what the file holds that *source* names where *name* would stand."""
    path = _value(config, source)
    if path is None:
        return config
    if _value(config, name):
        raise ValueError(f"{source} and {name} are both set: leave one of them out")
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"{source}, {path}, cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{source}, {path}, is not UTF-8 text (byte {error.start})") from error
    if not text:
        raise ValueError(f"{source}, {path}, is empty")
    return config.replace(**{name.replace(".", "__"): text})


def _value(config: Config, name: str) -> Any:
    section, _, member = name.partition(".")
    return getattr(getattr(config, section), member)


def _assemble(settings: Mapping[Trail, Setting]) -> Config:
    grouped: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    resources: dict[str, dict[str, Any]] = {}
    clients: dict[str, dict[str, Any]] = {}
    scopes = dict(DEFAULT_SCOPES)
    for trail, found in settings.items():
        match trail:
            case ("scopes", name):
                scopes[name] = found.value
            case ("resource", index, name):
                resources.setdefault(index, {})[name] = found.value
            case ("keeper", "client", client, name):
                clients.setdefault(client, {})[name] = found.value
            case (section, name):
                grouped[section][name] = found.value
    return dataclasses.replace(
        Config(),
        **{section: SECTIONS[section](**values) for section, values in grouped.items()},
        resources=tuple(
            ResourceConfig(**values) for _, values in sorted(resources.items(), key=lambda one: int(one[0]))
        ),
        clients={name: KeeperClientConfig(**values) for name, values in sorted(clients.items())},
        # An empty description withdraws a scope that exists by default.
        scopes={name: description for name, description in scopes.items() if description},
    )
