"""One provider, as everybody in the keeper sees it: facts, typed, with None for "nobody knows".

A fact that is unknown is None or empty, never "no". Lifetimes in seconds; 0 means "does not end by age".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class ClientAuth(StrEnum):
    """How a client proves itself at the token endpoint."""

    BASIC = "basic"
    POST = "post"
    SECRET_KEY_BASIC = "secret_key_basic"
    """The secret is the Basic user name, the password is empty, and no client_id is sent (Stripe Apps)."""
    PRIVATE_KEY_JWT = "private_key_jwt"
    NONE = "none"


class Rotates(StrEnum):
    ALWAYS = "always"
    OPTIONAL = "optional"
    PERIODIC = "periodic"
    NEVER = "never"


class Retry(StrEnum):
    """May the same refresh token be sent again after a lost reply?"""

    SAFE = "safe"
    WINDOW = "window"
    UNTIL_SUCCESSOR_USED = "until_successor_used"
    CONFIGURABLE = "configurable"
    NO = "no"
    UNKNOWN = "unknown"


class ReuseEffect(StrEnum):
    """What sending a spent refresh token does."""

    REJECTED = "rejected"
    FAMILY_REVOKED = "family_revoked"
    CLIENT_USER_REVOKED = "client_user_revoked"
    OLD_STILL_VALID = "old_still_valid"
    UNKNOWN = "unknown"


class Body(StrEnum):
    """How parameters travel to the token endpoint."""

    FORM = "form"
    JSON = "json"
    QUERY = "query"


class Pkce(StrEnum):
    REQUIRED = "required"
    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"
    """Sent all the same: a server that does not know it ignores it (RFC 7636 section 5)."""


class Dpop(StrEnum):
    """Whether tokens are bound to a key of the keeper's (RFC 9449)."""

    REQUIRED = "required"
    """They are: a bearer token is not handed out."""
    SUPPORTED = "supported"
    """They can be, where the operator says so: overrides of the client make this `required`."""


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """An error answer; a member that is None does not have to match.

    *members* are further members of the body that must be equal, such as `{"ok": False}`.
    """

    status: int | None = None
    error: str | None = None
    description_contains: str | None = None
    members: Mapping[str, object] = field(default_factory=dict)
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Where in a token reply things are. Paths are dotted: `authed_user.access_token`."""

    access_token: str = "access_token"
    refresh_token: str = "refresh_token"
    expires_in: str = "expires_in"
    expires_in_unit: str = "s"
    """`s` or `ms`."""
    scope: str = "scope"
    token_type: str = "token_type"
    refresh_idle: str = ""
    """Member with the seconds until the refresh token ends if unused."""
    refresh_hard: str = ""
    """Member with the seconds until it ends whatever happens."""
    subject: tuple[str, ...] = ()
    """Where the provider's account id may be, first match wins; the ID token's `sub` comes before all of them."""
    label: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    """Further members to keep with the connection: instance_url, api_domain, …"""
    ok: str = ""
    """A member that is false in an error answered with 200 (Slack: `ok`)."""


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """One pair of tokens in a reply. Most providers have one named `main`; Slack has `bot` and `user`."""

    name: str
    reply: Reply
    flat_on_refresh: bool = True
    """On refresh the pair may also come at the top level (Slack's user token)."""


class RevokeVerb(StrEnum):
    RFC7009 = "rfc7009"
    """POST token= with the client's authentication."""
    DELETE = "delete"
    JSON = "json"
    API_CALL = "api_call"
    """A call made with the access token as bearer."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Revoke:
    """How to tell the provider that it is over, and what else ends with it."""

    verb: RevokeVerb = RevokeVerb.NONE
    method: str = "POST"
    url: str = ""
    token: str = "refresh_token"
    """Which token is named: refresh_token or access_token."""
    auth: str = "client"
    """`client` (as at the token endpoint), `basic`, `bearer`, `none`."""
    body: Mapping[str, str] = field(default_factory=dict)
    """For JSON, DELETE and API_CALL: members, with {token}, {client_id}, {client_secret}."""
    blast_radius: str = ""
    """What else ends, for people: "every token of this authorization", "all tenants of that user"."""
    ends_only_itself: bool | None = None
    """Whether another authorization of the same user and client outlives it; only then is a replaced one revoked."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider tolerates; None where nothing is known."""

    refresh_tokens_per_user: int | None = None
    overflow: str = ""
    refreshes: int | None = None
    """At most this many refreshes of one refresh token in *per* seconds."""
    per: int | None = None
    concurrent: int | None = None
    """How many token requests may run at once for one client of ours; a budget, not a provider's fact."""


class Stands(StrEnum):
    """What a placeholder stands for, and so which characters may fill it."""

    LABEL = "label"
    """One label of a host name: `my-shop`; or one of `values`, which may have dots: `co.uk`."""
    HOST = "host"
    """A whole host name."""
    SEGMENT = "segment"
    """One segment of a path."""
    ORIGIN = "origin"
    """`https://` and a host, at the beginning of an address."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A gap in a provider's addresses and what may fill it: the client's secret goes wherever it leads."""

    stands: Stands
    values: tuple[str, ...] = ()
    """Nothing else may fill it, if there are any."""
    hosts: tuple[str, ...] = ()
    """For a host or an origin: `login.example.com`, or `*.example.com` for whatever is below it."""
    default: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Provider:
    """Everything known of one provider."""

    id: str
    name: str
    authorize_url: str = ""
    token_url: str = ""
    refresh_url: str = ""
    device_url: str = ""
    introspect_url: str = ""
    userinfo_url: str = ""
    discovery_url: str = ""
    issuer: str = ""
    """What `iss` in a callback must be (RFC 9207); empty when the provider sends none."""
    iss_in_callback: bool = False
    jwks_url: str = ""
    probe_url: str = ""
    """A cheap GET that a live access token passes."""
    placeholders: tuple[str, ...] = ()
    """What deployment, connection or callback must still fill into the addresses: tenant, shop, domain, …"""
    fills: Mapping[str, Placeholder] = field(default_factory=dict)
    """For each placeholder, what may fill it."""
    client_auth: tuple[ClientAuth, ...] = (ClientAuth.POST,)
    body: Body = Body.FORM
    accept: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    scope_separator: str = " "
    scopes: Mapping[str, str] = field(default_factory=dict)
    """What common scopes mean, for the connect page."""
    refresh_scope: str = ""
    """Must be asked for, or no refresh token comes."""
    authorize_params: Mapping[str, str] = field(default_factory=dict)
    reconsent_params: Mapping[str, str] = field(default_factory=dict)
    """Sent in addition only when a new refresh token is needed (Google spends a slot each time)."""
    token_params: Mapping[str, str] = field(default_factory=dict)
    refresh_params: Mapping[str, str] = field(default_factory=dict)
    """May contain {redirect_uri}."""
    scope_on_refresh: bool = False
    client_id_on_refresh: bool = True
    pkce: Pkce = Pkce.UNKNOWN
    dpop: Dpop | None = None
    callback_fields: Mapping[str, str] = field(default_factory=dict)
    """Callback parameter → name under which it is kept (Zoho: accounts-server → accounts_server)."""
    records: tuple[TokenRecord, ...] = (TokenRecord("main", Reply()),)
    bearer: str = "Bearer {token}"
    """What API calls say; header name before a colon if it is not Authorization: `X-Shopify-Access-Token: {token}`."""
    access_lifetime: int | None = None
    """0: does not end by age."""
    expires_in_present: bool = True
    refresh_tokens: bool = True
    """False where the provider has none at all (GitHub OAuth apps)."""
    refresh_idle: int | None = None
    refresh_hard: int | None = None
    hard_restarts_on_rotation: bool | None = None
    refresh_not_before: int = 0
    """A refresh earlier than this after the last one is refused (Exact Online)."""
    rotates: Rotates | None = None
    refresh_token_on_refresh: bool | None = None
    retry: Retry = Retry.UNKNOWN
    grace: int | None = None
    """Seconds in which a spent refresh token may be sent again."""
    reuse_effect: ReuseEffect = ReuseEffect.UNKNOWN
    kills_old_access_token: bool = False
    dead_grant: tuple[ErrorShape, ...] = ()
    client_errors: tuple[ErrorShape, ...] = ()
    """Beyond the RFC's `invalid_client`: answers that mean our client is refused, not the user's grant."""
    reauth_errors: tuple[str, ...] = ("interaction_required", "consent_required", "login_required")
    limits: Limits = field(default_factory=Limits)
    revoke: Revoke = field(default_factory=Revoke)
    advisory: float = 0.5
    """Begin to refresh when this part of the lifetime is left, at most *advisory_most* seconds before the end."""
    advisory_most: int = 900
    mandatory_most: int = 120
    quirks: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    seen: str = ""
    checked_on: str = ""
    unverified: tuple[str, ...] = ()
    successor_of: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Dates to know: `legacy_sunset = "2027-02-16"`."""


PLACEHOLDER_MARKS: Final = "{}"
