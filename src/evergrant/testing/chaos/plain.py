"""A provider that is nobody's: an OpenID provider by the book, strict about its refresh tokens."""

from typing import Final

from evergrant.keeper.provider.model import (
    ClientAuth,
    ErrorShape,
    Pkce,
    Provider,
    Retry,
    ReuseEffect,
    Revoke,
    RevokeVerb,
    Rotates,
)

PLAIN: Final = Provider(
    id="plain",
    name="A provider by the book",
    authorize_url="https://plain.invalid/authorize",
    token_url="https://plain.invalid/token",
    device_url="https://plain.invalid/device",
    introspect_url="https://plain.invalid/introspect",
    userinfo_url="https://plain.invalid/userinfo",
    discovery_url="https://plain.invalid/.well-known/openid-configuration",
    issuer="https://plain.invalid",
    iss_in_callback=True,
    jwks_url="https://plain.invalid/jwks",
    client_auth=(ClientAuth.BASIC, ClientAuth.POST),
    pkce=Pkce.SUPPORTED,
    access_lifetime=3_600,
    refresh_tokens=True,
    rotates=Rotates.ALWAYS,
    refresh_token_on_refresh=True,
    retry=Retry.NO,
    grace=0,
    reuse_effect=ReuseEffect.FAMILY_REVOKED,
    dead_grant=(ErrorShape(400, "invalid_grant"),),
    revoke=Revoke(RevokeVerb.RFC7009, url="https://plain.invalid/revoke"),
)
