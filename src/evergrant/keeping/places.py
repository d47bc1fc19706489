"""Where the vault and its keys are, by the configuration alone: asked by commands that open neither."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from evergrant.config import Config

FILE: Final = "keeper.db"


def vault_path(config: Config) -> Path:
    """Where the vault is, or will be."""
    return config.keeper.vault or config.store.data / FILE


def key_file(config: Config) -> Path:
    """Where the keys are, when they are in a file."""
    vault = vault_path(config)
    return config.keeper.keys_file or vault.with_name(f"{vault.name}.key")
