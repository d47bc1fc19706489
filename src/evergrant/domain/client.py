"""The client: an application as it was registered (RFC 6749 section 2, RFC 7591 names).

What lives here: the registration as a value and what follows from it alone. Validation of what an operator typed is
`domain.registration`; authentication at an endpoint is `issuer.client_auth`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from evergrant.domain.policy import PRESETS, Limits, Policy, Preset, Rule, resolve

AUTHORIZATION_CODE: Final = "authorization_code"
REFRESH_TOKEN: Final = "refresh_token"
CLIENT_CREDENTIALS: Final = "client_credentials"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"


class ClientType(StrEnum):
    """Recorded at registration, never guessed (RFC 8252 section 8.4)."""

    SPA = "spa"
    NATIVE = "native"
    WEB = "web"
    SERVICE = "service"


class AuthMethod(StrEnum):
    """token_endpoint_auth_method (RFC 7591 section 2)."""

    NONE = "none"
    BASIC = "client_secret_basic"
    POST = "client_secret_post"


class Consent(StrEnum):
    """When a user is asked: each time, when something is new, or never (a first-party client the operator trusts)."""

    ALWAYS = "always"
    REMEMBER = "remember"
    TRUSTED = "trusted"


class SecretDigest(NamedTuple):
    """One client secret, as it is kept: a digest, and an end (0 for none) so that two overlap at a rotation."""

    digest: bytes
    created_at: int
    ends_at: int


@dataclass(frozen=True, slots=True)
class Client:
    """One registered application. Lifetimes in seconds, None for the server's default.

    *resources* empty means every registered resource. *scopes* is the most it may ever be given. What it may exchange a
    received token for, beyond that token's own audience: *exchange_resources*; for whose tokens: *exchange_providers*.
    *dpop_bound*, *certificate_bound*: each of its token requests proves a key (RFC 9449 section 5.2) or shows a
    certificate (RFC 8705 section 3.4). *backchannel_logout_uri*: where it is told that a session ended (OpenID Connect
    back-channel logout); every logout token names the session, whether or not that is required.
    """

    id: str
    name: str
    type: ClientType
    auth_method: AuthMethod
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    grant_types: tuple[str, ...]
    preset: Preset
    created_at: int
    post_logout_redirect_uris: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    secrets: tuple[SecretDigest, ...] = ()
    consent: Consent = Consent.REMEMBER
    uri: str = ""
    id_token_alg: str = "ES256"
    access_token_alg: str = "ES256"
    idle_lifetime: int | None = None
    absolute_lifetime: int | None = None
    access_lifetime: int | None = None
    overlap: int | None = None
    exchange_resources: tuple[str, ...] = ()
    exchange_providers: tuple[str, ...] = ()
    dpop_bound: bool = False
    certificate_bound: bool = False
    backchannel_logout_uri: str = ""
    backchannel_logout_session_required: bool = False

    @property
    def confidential(self) -> bool:
        """Whether it has credentials to authenticate with (OAuth 2.1 section 2.1)."""
        return self.auth_method is not AuthMethod.NONE

    @property
    def sender_bound(self) -> bool:
        """Whether all its tokens are bound to a key or a certificate."""
        return self.dpop_bound or self.certificate_bound

    @property
    def rule(self) -> Rule:
        """Its preset's rotation rule, with its own overlap where it has one."""
        rule = PRESETS[self.preset]
        return (
            rule
            if self.overlap is None
            else rule._replace(overlap=self.overlap, until_used=False, bound_until_used=False)
        )

    def policy(self, limits: Limits) -> Policy:
        """Its resolved policy under the server's limits."""
        return resolve(self.rule, self.idle_lifetime, limits)

    def may(self, grant_type: str) -> bool:
        """Whether it was given this grant type (ASVS 10.4.4)."""
        return grant_type in self.grant_types
