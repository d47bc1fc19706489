"""What programs send, as types: members that are not named here are refused, with a near name."""

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from evergrant.keeper.connection import Health

# Documented here, refused with a sentence of its own by the keeper, which knows what is printable.
_PRINTABLE: Final[dict[str, Any]] = {"pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"}
_HEALTH: Final[dict[str, Any]] = {"enum": ["", *Health]}
Name = Annotated[str, Meta(min_length=1, max_length=255, extra_json_schema=_PRINTABLE)]
Text = Annotated[str, Meta(max_length=255, extra_json_schema=_PRINTABLE)]
How = Annotated[str, Meta(max_length=32, extra_json_schema=_HEALTH)]
Method = Annotated[str, Meta(max_length=16, extra_json_schema={"pattern": "^[A-Za-z]*$"})]
Address = Annotated[str, Meta(max_length=2_000)]
Token = Annotated[str, Meta(min_length=1, max_length=16_384)]
Scopes = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=1_000)], ...], Meta(max_length=100)]
Tags = dict[Name, Text]
Count = Annotated[int, Meta(ge=1, le=1_000)]
Instant = Annotated[int, Meta(ge=0, le=1 << 40)]
Version = Annotated[int, Meta(ge=0, le=1 << 40)]


class Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The base of all that is read."""


class Nothing(Strict, frozen=True):
    """No members are needed; an empty body will do."""


class LeaseNamed(Strict, frozen=True):
    """Which account's token. *record* where a provider gives several (Slack: `bot`, `user`)."""

    client: Name
    account: Name
    record: Text = ""
    method: Method = ""
    """With *url*: the request that a token which is bound to a key is for; *header* then proves the key for it."""
    url: Address = ""


class LeaseWanted(Strict, frozen=True):
    """The same where the path names the connection."""

    record: Text = ""
    method: Method = ""
    url: Address = ""


class Unauthorized(Strict, frozen=True):
    """An API answered 401 to the token of this *version*."""

    version: Version
    record: Text = ""
    method: Method = ""
    url: Address = ""


class Changes(Strict, frozen=True):
    """What to change. A tag with null is removed, others stay (RFC 7396)."""

    label: Text | UnsetType = UNSET
    tags: dict[Name, Text | None] | UnsetType = UNSET


class Missing(Strict, frozen=True):
    """*scopes*: asked for in addition to those that were asked for before."""

    scopes: Scopes = ()
    return_to: Address = ""


class Begin(Strict, frozen=True):
    """Whom to send away, to which client's provider, for which account of theirs."""

    client: Name
    account: Name
    user: Text = ""
    """Whoever must finish it; the account's own name when it is empty."""
    scopes: Scopes = ()
    return_to: Address = ""
    tags: Tags = {}
    values: Tags = {}
    """What fills gaps in the provider's addresses: a shop, a tenant."""
    offline: bool | None = None
    hand_over: bool = False


class Finish(Strict, frozen=True):
    """The whole address that the browser came back to, and who is signed in in that browser."""

    callback_url: Annotated[str, Meta(min_length=1, max_length=16_384)]
    user: Name


class ConnectLink(Strict, frozen=True):
    """A link to the hosted pages for one user, who is signed in to the application now."""

    user: Name
    label: Text = ""
    """How the pages name the user; the user's own name when it is empty."""
    clients: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    """Which may be connected; all when it is empty."""
    account: Text = ""
    """The name under which the application will ask for tokens; the user's own when it is empty."""
    scopes: Scopes = ()
    return_to: Address = ""


class Device(Strict, frozen=True):
    """The same as `Begin` for a device without a browser (RFC 8628)."""

    client: Name
    account: Name
    user: Text = ""
    scopes: Scopes = ()
    tags: Tags = {}
    values: Tags = {}
    offline: bool | None = None


class Import(Strict, frozen=True):
    """Tokens of one account as somebody else kept them. *expires_at* in seconds since the epoch, 0: nobody knows."""

    client: Name
    account: Name
    user: Text = ""
    access_token: Token | None = None
    refresh_token: Token | None = None
    expires_at: Instant = 0
    scopes: Scopes = ()
    subject: Text = ""
    label: Text = ""
    record: Name = "main"
    tags: Tags = {}
    fields: Tags = {}
    shared: bool = False
    """That another connection holds the same refresh token is meant."""

    def __repr__(self) -> str:
        return f"<import of {self.account} at {self.client}>"


class Detail(Strict, frozen=True):
    """Why, for the audit trail."""

    detail: Text = ""


class NewKey(Strict, frozen=True):
    """A new API key of the same tenant."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    scopes: Annotated[tuple[str, ...], Meta(min_length=1, max_length=10)]


# ---- queries


class Listing(Strict, frozen=True):
    """What is empty does not narrow. *after*: the `next` of the page before."""

    client: Text = ""
    provider: Text = ""
    account: Text = ""
    user: Text = ""
    health: How = ""
    tag: Tags = {}
    after: Text = ""
    limit: Count = 100


class Trail(Strict, frozen=True):
    """*after*: the `next` of the page before; 0 begins with the oldest event that is kept."""

    connection: Text = ""
    after: Version = 0
    limit: Count = 100


class Farewell(Strict, frozen=True):
    """What becomes of connections that would end with this one: `refuse`, `spare`, `end`."""

    siblings: Annotated[str, Meta(pattern="^(refuse|spare|end)$")] = "refuse"
