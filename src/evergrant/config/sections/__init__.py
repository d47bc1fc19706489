"""
Every configuration key there is, section by section: its kind, default, documentation and the argument for the default.

This is the one table. Parsing, environment variables, validation, `config show` and docs/reference/configuration.md are
derived from it; a key that is not here does not exist. Only declarations live here: reading is in `sources`, rules that
look at several keys at once are in `judge`. Durations are seconds and sizes are bytes by the time anybody reads them.
"""

from evergrant.config.sections.issuing import KeysConfig, PolicyConfig, ResourceConfig, TokensConfig
from evergrant.config.sections.keeping import KeeperClientConfig, KeeperConfig
from evergrant.config.sections.operation import AuditConfig, HousekeepingConfig, LogConfig, ServerConfig, StoreConfig
from evergrant.config.sections.people import BrandingConfig, PasswordConfig, SessionConfig, ThrottleConfig

__all__ = [
    "AuditConfig",
    "BrandingConfig",
    "HousekeepingConfig",
    "KeeperClientConfig",
    "KeeperConfig",
    "KeysConfig",
    "LogConfig",
    "PasswordConfig",
    "PolicyConfig",
    "ResourceConfig",
    "ServerConfig",
    "SessionConfig",
    "StoreConfig",
    "ThrottleConfig",
    "TokensConfig",
]
