"""What the issuer needs to know from the configuration, resolved once, as one frozen value."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from evergrant.config import Config
from evergrant.domain.policy import Limits, Radius
from evergrant.domain.throttle import Pace
from evergrant.keys.lifecycle import Schedule
from evergrant.protocol.resource import canonical


class Resource(NamedTuple):
    """One API that tokens are for, as it was registered. *lifetime* in seconds, None for the client's or server's."""

    identifier: str
    scopes: tuple[str, ...]
    opaque: bool
    lifetime: int | None


class Settings(NamedTuple):
    """The issuer's settings. Durations in seconds. *resources* by their canonical form, the default one among them."""

    issuer: str
    base: str
    secure: bool
    limits: Limits
    id_token_lifetime: int
    code_lifetime: int
    default_resource: str
    resources: Mapping[str, Resource]
    scopes: Mapping[str, str]
    session_idle: int
    session_absolute: int
    cookie: str
    pace: Pace
    network_limit: int
    min_password: int
    max_password: int
    schedule: Schedule
    default_alg: str
    brand: str
    support_url: str
    dpop_nonce: bool = False
    certificates: bool = False
    certificate_url: str = ""


def settings_of(config: Config) -> Settings:
    """The settings behind a configuration."""
    tokens = config.tokens
    limits = Limits(
        overlap=tokens.overlap,
        until_used_max=tokens.until_used_max,
        idle_lifetime=tokens.idle_lifetime,
        absolute_lifetime=tokens.absolute_lifetime,
        max_idle_lifetime=tokens.max_idle_lifetime,
        max_absolute_lifetime=tokens.max_absolute_lifetime,
        access_lifetime=tokens.access_lifetime,
        session_idle=config.session.idle_lifetime,
        radius=Radius(config.policy.reuse),
        observe_only=config.policy.observe_only,
    )
    # What nobody has to ask for can be asked for by name, too; its audience is spelled as it was configured.
    default = Resource(config.default_resource, (), opaque=False, lifetime=None)
    resources = {canonical(default.identifier): default} | {
        canonical(item.identifier): Resource(
            item.identifier, item.scopes, item.access_token == "opaque", item.lifetime or None
        )
        for item in config.resources
    }
    throttle = config.throttle
    return Settings(
        issuer=config.issuer,
        base=urlsplit(config.issuer).path.rstrip("/"),
        secure=config.is_secure,
        limits=limits,
        id_token_lifetime=tokens.id_token_lifetime,
        code_lifetime=tokens.code_lifetime,
        default_resource=config.default_resource,
        resources=resources,
        scopes=config.scopes,
        session_idle=config.session.idle_lifetime,
        session_absolute=config.session.absolute_lifetime,
        cookie=config.cookie_name,
        pace=Pace(throttle.free_failures, throttle.base_delay, throttle.max_delay, throttle.window),
        network_limit=throttle.network_limit,
        min_password=config.password.min_length,
        max_password=config.password.max_length,
        schedule=Schedule(config.keys.publish_before, config.keys.retire_after),
        default_alg=config.keys.default_alg,
        brand=config.branding.name,
        support_url=config.branding.support_url,
        dpop_nonce=tokens.dpop_nonce,
        certificates=config.server.client_certificates,
        certificate_url=config.server.client_certificate_url,
    )
