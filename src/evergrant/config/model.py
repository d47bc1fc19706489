"""
The configuration as the rest of the program sees it: one frozen value, whole and judged.

`Config()` is all defaults. What is derived from several keys (the issuer's URL, the cookie's name) is a property here,
so that nobody derives it twice; what is read from files and variables is in `sources`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, cast

from evergrant.config import sections
from evergrant.config.key import Key, keys_of
from evergrant.config.rules import is_loopback

DEFAULT_SCOPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openid": "Know who you are",
        "profile": "See your name and profile",
        "email": "See your email address",
        "address": "See your postal address",
        "phone": "See your phone number",
        "offline_access": "Stay connected when you are not there",
    }
)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured."""

    server: sections.ServerConfig = field(default_factory=sections.ServerConfig)
    store: sections.StoreConfig = field(default_factory=sections.StoreConfig)
    keys: sections.KeysConfig = field(default_factory=sections.KeysConfig)
    tokens: sections.TokensConfig = field(default_factory=sections.TokensConfig)
    policy: sections.PolicyConfig = field(default_factory=sections.PolicyConfig)
    session: sections.SessionConfig = field(default_factory=sections.SessionConfig)
    password: sections.PasswordConfig = field(default_factory=sections.PasswordConfig)
    throttle: sections.ThrottleConfig = field(default_factory=sections.ThrottleConfig)
    audit: sections.AuditConfig = field(default_factory=sections.AuditConfig)
    housekeeping: sections.HousekeepingConfig = field(default_factory=sections.HousekeepingConfig)
    log: sections.LogConfig = field(default_factory=sections.LogConfig)
    branding: sections.BrandingConfig = field(default_factory=sections.BrandingConfig)
    keeper: sections.KeeperConfig = field(default_factory=sections.KeeperConfig)
    clients: Mapping[str, sections.KeeperClientConfig] = field(default_factory=dict)
    resources: tuple[sections.ResourceConfig, ...] = ()
    scopes: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_SCOPES))

    @property
    def issuer(self) -> str:
        """Return the issuer's URL: the configured one, or the address of `listen`."""
        return self.server.issuer or f"http://{self.server.listen}"

    @property
    def is_secure(self) -> bool:
        """Say whether people reach the issuer over https."""
        return self.issuer.startswith("https://")

    @property
    def is_reachable(self) -> bool:
        """Say whether the server listens on anything else than loopback."""
        return not is_loopback(self.server.address[0])

    @property
    def cookie_name(self) -> str:
        """Return the name of the session cookie; browsers accept the __Host- prefix over https only."""
        return self.session.cookie_name or ("__Host-evergrant" if self.is_secure else "evergrant")

    @property
    def default_resource(self) -> str:
        """Return the audience of an access token for which no resource was asked."""
        return self.tokens.default_resource or f"{self.issuer}/resource"

    def resource(self, identifier: str) -> sections.ResourceConfig | None:
        """Return the resource of that identifier, compared exactly."""
        return next((one for one in self.resources if one.identifier == identifier), None)

    def replace(self, **changes: Any) -> Config:
        """
        Return a copy with keys changed: `config.replace(tokens__access_lifetime=60, log__level="debug")`.

        Values are taken as they are, in seconds and bytes, and are not judged.
        """
        grouped: dict[str, dict[str, Any]] = {}
        whole: dict[str, Any] = {}
        for name, value in changes.items():
            section, separator, key_name = name.partition("__")
            if separator:
                grouped.setdefault(section, {})[key_name] = value
            else:
                whole[section] = value
        for section, changed in grouped.items():
            whole[section] = dataclasses.replace(getattr(self, section), **changed)
        return dataclasses.replace(self, **whole)


# Section name, as it is written between brackets, to the dataclass that declares its keys.
SECTIONS: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {
        made.name: cast("type[Any]", made.default_factory)
        for made in dataclasses.fields(Config)
        if made.name not in ("clients", "resources", "scopes")
    }
)

TABLE: Final[tuple[Key, ...]] = tuple(row for section, shape in SECTIONS.items() for row in keys_of(section, shape))
CLIENT_TABLE: Final[tuple[Key, ...]] = keys_of("keeper.client.NAME", sections.KeeperClientConfig)
RESOURCE_TABLE: Final[tuple[Key, ...]] = keys_of("resource", sections.ResourceConfig)
