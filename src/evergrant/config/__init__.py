"""
Configuration: one TOML file, environment twins, documented defaults.

Rules of residence: everything an operator can choose is declared in `sections`, once, with its default and the
argument for it; nothing else in the program reads a file or a variable to decide how to behave. `kinds` and `rules`
say what a value may look like, `lines` where it was written, `sources` what each source says, `judge` what contradicts
what, `load` which source wins, `show` how it is shown. No key is used here: what a lifetime means is decided in
`domain`.
"""

from evergrant.config.key import Key
from evergrant.config.load import Loaded, load, load_with_origins
from evergrant.config.model import CLIENT_TABLE, RESOURCE_TABLE, TABLE, Config
from evergrant.config.problem import ConfigError
from evergrant.config.sections import (
    AuditConfig,
    BrandingConfig,
    HousekeepingConfig,
    KeeperClientConfig,
    KeeperConfig,
    KeysConfig,
    LogConfig,
    PasswordConfig,
    PolicyConfig,
    ResourceConfig,
    ServerConfig,
    SessionConfig,
    StoreConfig,
    ThrottleConfig,
    TokensConfig,
)

__all__ = [
    "CLIENT_TABLE",
    "RESOURCE_TABLE",
    "TABLE",
    "AuditConfig",
    "BrandingConfig",
    "Config",
    "ConfigError",
    "HousekeepingConfig",
    "KeeperClientConfig",
    "KeeperConfig",
    "Key",
    "KeysConfig",
    "Loaded",
    "LogConfig",
    "PasswordConfig",
    "PolicyConfig",
    "ResourceConfig",
    "ServerConfig",
    "SessionConfig",
    "StoreConfig",
    "ThrottleConfig",
    "TokensConfig",
    "load",
    "load_with_origins",
]
