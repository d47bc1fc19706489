"""The configuration's keys about the keeper, turned into what the keeper is opened with."""

from pathlib import Path
from typing import Final

from evergrant.config import Config, KeeperClientConfig
from evergrant.domain.secret import Secret
from evergrant.entropy import SystemEntropy
from evergrant.keeper import keyring as keys
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.settings import Client, Settings
from evergrant.keeping.places import key_file, vault_is_there, vault_path, vault_shown
from evergrant.keys.port import KeyUnusable

# The configuration's key to the keeper's own name for it, where the two differ.
_NUMBERS: Final = {
    "link_lifetime": "link_seconds", "reconnect_lifetime": "reconnect_seconds", "request_timeout": "request_seconds",
    "connect_timeout": "connect_seconds", "commit_allowance": "commit_seconds", "claim": "claim_seconds",
    "wait": "wait_seconds", "background_pause": "background_seconds",
}  # fmt: skip
_ALIKE: Final = (
    "return_to", "reconnect_page", "backoff_least", "backoff_most", "concurrent", "per_second", "breaker_after",
    "background_ahead", "hard_limit_notice", "quarantine", "unusual_rate", "keep_events",
)  # fmt: skip


class KeyMissing(KeyUnusable):
    """A vault is there and the file with its keys is not: a new one made here would open nothing, and hide that."""

    def __init__(self, file: Path, vault: str) -> None:
        super().__init__(f"{file}: the key of {vault} is not there")


def catalog(config: Config) -> Catalog:
    """Every provider that is described by a file."""
    return Catalog.shipped(folder=config.keeper.providers)


def settings(config: Config, url: str = "") -> Settings:
    """What the configuration says, in the keeper's own words; *url*: where `keeper serve` has its pages, if it runs."""
    said = {name: getattr(config.keeper, name) for name in _ALIKE}
    said |= {theirs: getattr(config.keeper, ours) for ours, theirs in _NUMBERS.items()}
    said["reconnect_page"] = said["reconnect_page"] or (f"{url}/reconnect" if url else "")
    return Settings(**said, clients={name: _client(name, one, url) for name, one in config.clients.items()})


def keyring(config: Config) -> Keyring:
    """The keys that seal the vault; a first one is made together with a new vault.

    Raises `KeyUnusable`, `VaultUnusable`.
    """
    keeper = config.keeper
    if keeper.keys:
        return keys.from_keys_text(keeper.keys, "keeper.keys")
    if keeper.keyring:
        return keys.from_system(SystemEntropy(), account=keeper.keyring, make=not vault_is_there(config))
    file = key_file(config)
    if not file.exists() and vault_is_there(config):
        raise KeyMissing(file, vault_shown(config))
    return keys.from_file(file, SystemEntropy(), make=True)


def keeper(config: Config, known: Catalog, url: str = "") -> Keeper:
    """A keeper by the configuration; the vault itself is opened when it is first used. Raises `KeyUnusable`."""
    path = vault_path(config)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Keeper.open(
        config.keeper.vault_url or str(path), key=keyring(config), settings=settings(config, url), catalog=known
    )


def _client(name: str, said: KeeperClientConfig, url: str) -> Client:
    secret = said.secret or (_read(said.secret_file) if said.secret_file is not None else "")
    private = _read(said.private_key_file) if said.private_key_file is not None else ""
    return Client(
        provider=name if said.issuer else said.provider or name,
        client_id=said.client_id,
        secret=Secret(secret) if secret else None,
        redirect_uri=said.redirect_uri or (f"{url}/callback/{name}" if url else ""),
        overrides=said.overrides or {},
        scopes=said.scopes,
        name=name,
        private_key=Secret(private) if private else None,
    )


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()
