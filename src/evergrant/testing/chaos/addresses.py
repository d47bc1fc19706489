"""A provider moved to loopback: every address points at this server, and everything else stays as it was."""

import re
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from evergrant.keeper.provider.model import Provider, RevokeVerb

AUTHORIZE: Final = "/authorize"
TOKEN: Final = "/token"
REFRESH: Final = "/refresh"
DEVICE: Final = "/device"
REVOKE: Final = "/revoke"
INTROSPECT: Final = "/introspect"
USERINFO: Final = "/userinfo"
JWKS: Final = "/jwks"
DISCOVERY: Final = "/.well-known/openid-configuration"
API: Final = "/api"

_ORIGIN: Final = re.compile(r"\{(\w+)\}/")
_NAMED: Final = re.compile(r"\{(token|client_id)\}")


def moved(provider: Provider, origin: str, *, late: bool = False) -> Provider:
    """The provider with its addresses at *origin*.

    *late* keeps an origin that only a callback or a reply tells, as in `{accounts_server}/oauth/v2/token`; it is told
    to be *origin* then. All other placeholders are filled.
    """

    def at(address: str, path: str) -> str:
        if not address:
            return ""
        begins = _ORIGIN.match(address)
        return (f"{{{begins[1]}}}" if late and begins else origin) + path

    open_id = speaks_open_id(provider)
    named = _NAMED.search(provider.revoke.url)
    revoke = provider.revoke
    if revoke.verb is not RevokeVerb.NONE:
        revoke = replace(revoke, url=at(revoke.url or "-", REVOKE) + (f"/{{{named[1]}}}" if named else ""))
    kept = {found[1] for address in _addresses(provider) if (found := _ORIGIN.match(address))} if late else set()
    return replace(
        provider,
        authorize_url=origin + AUTHORIZE,
        token_url=at(provider.token_url or "-", TOKEN),
        refresh_url=at(provider.refresh_url, REFRESH),
        device_url=at(provider.device_url, DEVICE),
        introspect_url=at(provider.introspect_url, INTROSPECT),
        userinfo_url=at(provider.userinfo_url or ("-" if open_id else ""), USERINFO),
        discovery_url=origin + DISCOVERY if open_id else "",
        issuer=origin if open_id or provider.iss_in_callback else "",
        jwks_url=origin + JWKS if open_id else "",
        probe_url=at(provider.probe_url or "-", API),
        placeholders=tuple(name for name in provider.placeholders if name in kept),
        fills={
            name: replace(rule, hosts=(urlsplit(origin).hostname or "",), values=())
            for name, rule in provider.fills.items()
            if name in kept
        },
        revoke=revoke,
    )


def speaks_open_id(provider: Provider) -> bool:
    """Whether the provider says who signed in, in an ID token."""
    return bool(provider.discovery_url or provider.jwks_url or provider.issuer)


def _addresses(provider: Provider) -> tuple[str, ...]:
    return (
        provider.token_url, provider.refresh_url, provider.device_url, provider.introspect_url, provider.userinfo_url,
        provider.probe_url, provider.revoke.url,
    )  # fmt: skip
