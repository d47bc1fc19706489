"""The files in deploy/ as the tests read them.

What lives here: reading YAML and units, and loading settings where the secrets they name exist. What must not: a rule.
"""

from pathlib import Path
from typing import Any, Final

import yaml

from evergrant.config import Config, load
from tests.tools import ROOT

DEPLOY: Final = ROOT / "deploy"
KEK: Final = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def documents(path: Path) -> list[dict[str, Any]]:
    """Every document of a YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def unit(path: Path) -> dict[str, list[str]]:
    """A unit's settings, each with all that was said for it; `Section.Name` to values."""
    section, found = "", {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(f"{section}.{name}", []).append(value)
    return found


def settings(scratch: Path, file: Path | None, environment: dict[str, str], mounted: str) -> Config:
    """Load what a container or a unit would, with the secrets that are mounted below *mounted* put into *scratch*."""
    for name, content in (
        ("database-url", "postgresql://a:b@127.0.0.1/c"),
        ("key-encryption-key", KEK),
        ("vault-keys", KEK),
        ("vault-url", "postgresql://a:b@127.0.0.1/c"),
        ("hubspot-secret", "s"),
    ):
        (scratch / name).write_text(content, encoding="ascii")
        (scratch / name).chmod(0o600)
    moved = {name: value.replace(mounted, str(scratch)) for name, value in environment.items()}
    if file is None:
        return load(None, moved)
    written = scratch / file.name
    written.write_text(file.read_text(encoding="utf-8").replace(mounted, str(scratch)), encoding="utf-8")
    return load(written, moved)
