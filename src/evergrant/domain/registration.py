"""Registering a client: what an operator typed, judged once by the rules that hold at run time (RFC 7591 section 2)."""

from typing import Final

from evergrant.domain.client import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    REFRESH_TOKEN,
    TOKEN_EXCHANGE,
    AuthMethod,
    Client,
    ClientType,
)
from evergrant.domain.policy import Preset

MAX_NAME: Final = 100
MAX_URIS: Final = 50
METHODS: Final[dict[ClientType, AuthMethod]] = {
    ClientType.SPA: AuthMethod.NONE,
    ClientType.NATIVE: AuthMethod.NONE,
    ClientType.WEB: AuthMethod.BASIC,
    ClientType.SERVICE: AuthMethod.BASIC,
}
PRESET_OF: Final[dict[ClientType, Preset]] = {
    ClientType.SPA: Preset.PUBLIC,
    ClientType.NATIVE: Preset.PUBLIC,
    ClientType.WEB: Preset.CONFIDENTIAL,
    ClientType.SERVICE: Preset.CONFIDENTIAL,
}
GRANTS_OF: Final[dict[ClientType, tuple[str, ...]]] = {
    ClientType.SPA: (AUTHORIZATION_CODE, REFRESH_TOKEN),
    ClientType.NATIVE: (AUTHORIZATION_CODE, REFRESH_TOKEN),
    ClientType.WEB: (AUTHORIZATION_CODE, REFRESH_TOKEN),
    ClientType.SERVICE: (CLIENT_CREDENTIALS,),
}


def problems(client: Client) -> list[str]:
    """Everything wrong with a registration apart from its URIs, as sentences; empty when it is good."""
    found: list[str] = []
    if not client.name or len(client.name) > MAX_NAME or not client.name.isprintable():
        found.append(f"a client's name has 1 to {MAX_NAME} printable characters")
    if client.type in {ClientType.SPA, ClientType.NATIVE} and client.confidential:
        found.append(f"a {client.type} client cannot keep a secret (OAuth 2.1 section 8.1); its auth method is none")
    if not client.confidential and CLIENT_CREDENTIALS in client.grant_types:
        found.append("client_credentials needs a client that authenticates")
    if not client.confidential and TOKEN_EXCHANGE in client.grant_types:
        found.append("token exchange needs a client that authenticates")
    if (client.exchange_resources or client.exchange_providers) and TOKEN_EXCHANGE not in client.grant_types:
        found.append(f"what it may exchange tokens for means nothing without the grant {TOKEN_EXCHANGE}")
    if not client.confidential and client.preset in {Preset.CONFIDENTIAL, Preset.FAPI2}:
        found.append(f"the preset {client.preset} is for clients that authenticate; use public or mcp")
    found += _binding_problems(client)
    if AUTHORIZATION_CODE in client.grant_types and not client.redirect_uris:
        found.append("a client that signs people in needs at least one redirect URI")
    if REFRESH_TOKEN in client.grant_types and AUTHORIZATION_CODE not in client.grant_types:
        found.append("refresh_token needs authorization_code: there is nothing else to begin a family with")
    if len(client.redirect_uris) > MAX_URIS or len(client.post_logout_redirect_uris) > MAX_URIS:
        found.append(f"a client has at most {MAX_URIS} redirect URIs of a kind")
    if any(value is not None and value <= 0 for value in (client.idle_lifetime, client.absolute_lifetime,
                                                          client.access_lifetime)):  # fmt: skip
        found.append("a lifetime is longer than nothing")
    if client.overlap is not None and client.overlap < 0:
        found.append("an overlap is no less than nothing; 0 means none")
    return found


def _binding_problems(client: Client) -> list[str]:
    found: list[str] = []
    if client.preset is Preset.FAPI2 and not client.sender_bound:
        found.append("the preset fapi2 demands bound tokens (FAPI 2.0 section 5.3.2.1): by DPoP or by certificates")
    if client.dpop_bound and client.certificate_bound:
        found.append("tokens are bound to a DPoP key or to a certificate, not to both")
    return found
