"""Where the vault and its keys are, by the configuration alone: asked by commands that open neither."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from evergrant.config import Config

FILE: Final = "keeper.db"


def vault_path(config: Config) -> Path:
    """Where the vault is, or will be, when it is a file; beside it lies what this host keeps for itself."""
    return config.keeper.vault or config.store.data / FILE


def vault_shown(config: Config) -> str:
    """Where the vault is, for people: a file, or a database's address without its password."""
    if config.keeper.vault_url:
        from evergrant.keeper.vault.postgres import shown  # noqa: PLC0415 - the driver, for whoever has a database

        return shown(config.keeper.vault_url)
    return str(vault_path(config))


def vault_is_there(config: Config) -> bool:
    """Whether there is a vault already. Raises `VaultUnusable` when a database cannot be asked."""
    if config.keeper.vault_url:
        from evergrant.keeper.vault.postgres import is_there  # noqa: PLC0415 - as in `vault_shown`

        return is_there(config.keeper.vault_url)
    return vault_path(config).exists()


def key_file(config: Config) -> Path:
    """Where the keys are, when they are in a file."""
    vault = vault_path(config)
    return config.keeper.keys_file or vault.with_name(f"{vault.name}.key")
