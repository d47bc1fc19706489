"""Every fact that a provider's file may state: its name, its look, what it means, what is done while nobody knows it.

What lives here: the one table from which files are read, overrides are judged, the JSON Schema and the reference page
are written. What must not: how a value looks (`kinds`), what contradicts what (`rules`).
"""

from dataclasses import dataclass
from typing import Final

from evergrant.keeper.provider import model
from evergrant.keeper.provider.address import NAME
from evergrant.keeper.provider.kinds import (
    Address,
    Choice,
    Count,
    Day,
    Flag,
    Kind,
    Part,
    Scalar,
    Several,
    Table,
    Text,
)
from evergrant.keeper.provider.reserved import check_authorize_param, check_header, check_token_param

_PATH: Final = Text(200, pattern=r"[A-Za-z0-9_:/~-]+(\.[A-Za-z0-9_:/~-]+)*", expects="a dotted path such as a.b")
_WORD: Final = Text(100, empty=False)
_ERROR: Final = Text(100, empty=False, pattern=r"[\x21\x23-\x5b\x5d-\x7e]+", expects="an error code without spaces")
_SENTENCES: Final = Several(Text(600, empty=False))
_FILL: Final = Text(253)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a file. *unknown*: what the keeper does while the fact is missing; empty when nothing is lost."""

    name: str
    kind: Kind
    about: str
    unknown: str = ""
    needed: bool = False


_PARAMS: Final = Table(Text())
SHAPE: Final = (
    Fact("status", Count(100, 599), "HTTP status"),
    Fact("error", _ERROR, "the member `error`"),
    Fact("description_contains", Text(200, empty=False), "a part of `error_description`"),
    Fact("members", Table(Scalar()), "further members of the body that must be equal; names may be dotted paths"),
    Fact("meaning", Text(200), "what it means, for people"),
)
REPLY: Final = (
    Fact("access_token", _PATH, "path of the access token"),
    Fact("refresh_token", _PATH, "path of the refresh token"),
    Fact("expires_in", _PATH, "path of the access token's lifetime"),
    Fact("expires_in_unit", Choice(("s", "ms")), "unit of `expires_in`"),
    Fact("scope", _PATH, "path of the granted scope"),
    Fact("token_type", _PATH, "path of the token type"),
    Fact("refresh_idle", _PATH, "path of the seconds until an unused refresh token ends"),
    Fact("refresh_hard", _PATH, "path of the seconds until the refresh token ends whatever happens"),
    Fact("subject", Several(_PATH), "where the provider's account id may be; the first that is there wins"),
    Fact("label", Several(_PATH), "where a name of the account for people may be"),
    Fact("keep", Several(_PATH), "further members to keep with the connection"),
    Fact("ok", _PATH, "a member that is false in an error answered with 200"),
)
RECORD: Final = (
    *REPLY,
    Fact("flat_on_refresh", Flag(), "on refresh the pair may also come at the top level"),
)
REVOKE: Final = (
    Fact("verb", Choice(model.RevokeVerb), "how it is asked for", needed=True),
    Fact("method", Choice(("POST", "DELETE", "PUT", "PATCH")), "HTTP method"),
    Fact("url", Address(), "where"),
    Fact("token", Choice(("refresh_token", "access_token")), "which token is named"),
    Fact("auth", Choice(("client", "basic", "bearer", "none")), "how the request proves itself"),
    Fact("body", Table(Text(200)), "members of the body, with {token}, {client_id}, {client_secret}"),
    Fact("blast_radius", Text(300, empty=False), "what else ends, for people", needed=True),
    Fact(
        "ends_only_itself",
        Flag(),
        "whether another authorization of the same user and client outlives it",
        "an authorization that a reconnect has replaced is left alone",
    ),
)
LIMITS: Final = (
    Fact("refresh_tokens_per_user", Count(1), "live refresh tokens of one user and client"),
    Fact("overflow", Text(200), "what happens to the oldest when there is one more"),
    Fact("refreshes", Count(1), "refreshes of one refresh token in `per` seconds"),
    Fact("per", Count(1), "the window of `refreshes`, in seconds"),
    Fact("concurrent", Count(1, 10_000), "token requests at once for one client of ours"),
)
PLACEHOLDER: Final = (
    Fact("stands", Choice(model.Stands), "what it stands for", needed=True),
    Fact("values", Several(_FILL), "nothing else may fill it"),
    Fact(
        "hosts",
        Several(Text(253, empty=False, pattern=r"(\*\.)?[a-z0-9.-]+|\[::1\]|::1", expects="a host, or *. and a host")),
        "hosts that it may name",
    ),
    Fact("default", _FILL, "what fills it when nothing else does"),
    Fact("about", Text(300), "what it is, for people"),
)

FACTS: Final = (
    Fact("name", _WORD, "what people call the provider", needed=True),
    Fact("authorize_url", Address(), "the authorization endpoint (RFC 6749 section 3.1)",
         "nobody can connect in a browser; a deployment has to say the address"),
    Fact("token_url", Address(), "the token endpoint (RFC 6749 section 3.2)",
         "nothing can be connected or refreshed; a deployment has to say the address"),
    Fact("refresh_url", Address(), "where refreshes go, when it is not `token_url`"),
    Fact("device_url", Address(), "the device authorization endpoint (RFC 8628)",
         "connecting with a device code is not offered"),
    Fact("introspect_url", Address(), "introspection (RFC 7662)"),
    Fact("userinfo_url", Address(), "a GET that says who the account is, with the access token",
         "the account's name is not shown, and a wrong account is noticed only if a reply names it"),
    Fact("discovery_url", Address(), "the provider's metadata document"),
    Fact("issuer", Address(), "what `iss` must be in callbacks and ID tokens (RFC 9207)",
         "`iss` is not compared; each connection has its own redirect address and state"),
    Fact("iss_in_callback", Flag(), "whether callbacks carry `iss` (RFC 9207)"),
    Fact("jwks_url", Address(), "the provider's public keys"),
    Fact("probe_url", Address(), "a cheap GET that a live access token passes"),
    Fact("client_auth", Several(Choice(model.ClientAuth), 1), "how a client proves itself, the preferred way first",
         "the secret is sent in the form; it is never tried out with a live refresh token"),
    Fact("body", Choice(model.Body), "how parameters travel to the token endpoint"),
    Fact("accept", Text(100, pattern=r"[\w.+*-]+/[\w.+*-]+", expects="a media type"), "the `Accept` header sent"),
    Fact("headers", Table(Text(), check_header), "further headers of token requests"),
    Fact("scope_separator", Choice((" ", ",")), "between two scopes",
         "a space, as RFC 6749 section 3.3 has it"),
    Fact("scopes", Table(Text(200)), "what common scopes mean, for the connect page"),
    Fact("refresh_scope", _WORD, "must be asked for, or no refresh token comes"),
    Fact("authorize_params", Table(Text(), check_authorize_param), "further parameters of the authorization request"),
    Fact("reconsent_params", Table(Text(), check_authorize_param), "more of them when a refresh token must come"),
    Fact("token_params", Table(Text(), check_token_param), "further parameters of the code exchange"),
    Fact("refresh_params", Table(Text(), check_token_param), "further parameters of a refresh"),
    Fact("scope_on_refresh", Flag(), "whether `scope` is repeated on refresh"),
    Fact("client_id_on_refresh", Flag(), "whether `client_id` is sent on refresh"),
    Fact("pkce", Choice(model.Pkce), "RFC 7636", "a challenge is sent all the same: who does not know it ignores it"),
    Fact("dpop", Choice(model.Dpop), "RFC 9449: whether tokens are bound to a key; `supported` says that they can be",
         "tokens are bearer tokens"),
    Fact("callback_fields", Table(Text(60, pattern=NAME, expects="a name of letters, digits and _")),
         "callback parameter to the name under which it is kept"),
    Fact("bearer",
         Text(100, pattern=r"([A-Za-z0-9-]+: ?)?([A-Za-z0-9-]+ )?\{token\}", expects='"Bearer {token}" or alike'),
         "what API calls say; with a header's name and a colon if it is not Authorization"),
    Fact("access_lifetime", Count(), "seconds an access token lives; 0: does not end by age",
         "it is learned: from the reply, from the token itself, by introspection, or from the first 401"),
    Fact("expires_in_present", Flag(), "whether replies say how long the access token lives"),
    Fact("refresh_tokens", Flag(), "false where there are none at all"),
    Fact("refresh_idle", Count(), "seconds until an unused refresh token ends; 0: never",
         "there is no keep-alive: a connection that nobody uses may die unseen"),
    Fact("refresh_hard", Count(), "seconds until the grant ends whatever happens; 0: never",
         "no countdown is shown: the end comes as a dead grant"),
    Fact("hard_restarts_on_rotation", Flag(), "whether rotation begins the hard limit anew"),
    Fact("refresh_not_before", Count(0, 86_400), "seconds after a refresh in which another one is refused"),
    Fact("rotates", Choice(model.Rotates), "whether a refresh brings a new refresh token",
         "whatever comes is kept, and what does not come leaves the stored one"),
    Fact("refresh_token_on_refresh", Flag(), "whether a refresh reply carries a refresh token at all"),
    Fact("retry", Choice(model.Retry), "may the same refresh token be sent again after a lost reply",
         "a lost reply is asked for again once, at once: an unwritten window is likeliest to be open early"),
    Fact("grace", Count(0, 31_536_000), "seconds in which a spent refresh token may be sent again"),
    Fact("reuse_effect", Choice(model.ReuseEffect), "what sending a spent refresh token does",
         "it is taken to be refused and to harm nothing else"),
    Fact("kills_old_access_token", Flag(), "whether a refresh ends the access token before it"),
    Fact("reauth_errors", Several(_ERROR), "error codes that only the user can settle"),
    Fact("advisory", Part(), "refreshing begins when this part of the lifetime is left"),
    Fact("advisory_most", Count(1, 86_400), "and at most so many seconds before the end"),
    Fact("mandatory_most", Count(1, 86_400), "seconds before the end in which callers wait for the refresh"),
    Fact("quirks", _SENTENCES, "what else one should know"),
    Fact("sources", Several(Text(pattern=r"https://\S+", expects="an https address"), 1),
         "where the facts were read", needed=True),
    Fact("seen", Text(600), "what was read there"),
    Fact("checked_on", Day(), "when somebody last compared the facts with the sources", needed=True),
    Fact("unverified", Several(Text(120, empty=False)), "facts that rest on general knowledge, not on a source"),
    Fact("successor_of", Text(64, pattern=NAME, expects="a provider's id"), "the id that this one replaces"),
    Fact("notes", Table(Text(600)), "dates and figures to know that no part of the keeper acts on"),
    Fact("loopback_http", Flag(), "allow http addresses on this machine: for trying things out"),
)  # fmt: skip

OF_CONNECTION: Final = frozenset({
    "access_lifetime", "expires_in_present", "refresh_idle", "refresh_hard", "hard_restarts_on_rotation",
    "refresh_not_before", "rotates", "refresh_token_on_refresh", "retry", "grace", "reuse_effect",
    "kills_old_access_token", "advisory", "advisory_most", "mandatory_most", "scope_on_refresh", "limits",
})  # fmt: skip
"""What may be different for a single connection: how its tokens behave, never where a secret goes."""
SECTIONS: Final = {"reply": REPLY, "revoke": REVOKE, "limits": LIMITS}
"""One table each."""
NAMED: Final = {"records": RECORD, "placeholders": PLACEHOLDER}
"""Tables of tables, by a name."""
LISTED: Final = {"dead_grant": SHAPE, "client_errors": SHAPE}
"""Lists of tables."""
MEANINGS: Final = {
    "reply": "where things are in a token reply",
    "revoke": "how to tell the provider that it is over",
    "limits": "what the provider tolerates",
    "records": "one table per pair of tokens in a reply, when there are several",
    "placeholders": "what may fill the gaps in addresses: one table each",
    "dead_grant": "answers that mean: this refresh token will never work again",
    "client_errors": "answers that mean: our client is refused, not the user's grant",
}
UNKNOWN: Final = {
    "dead_grant": "only the RFC's `invalid_grant` is taken for the end, after the vault was read again",
    "limits": "a budget of our own bounds how many requests run at once",
}
"""What is done while a whole section is missing."""
BY_NAME: Final = {fact.name: fact for fact in FACTS}
TOP: Final = (*BY_NAME, *SECTIONS, *NAMED, *LISTED)
