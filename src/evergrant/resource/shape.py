"""How the access tokens of an issuer look: RFC 9068, or a documented habit of a product, chosen by name and as data.

What a product does otherwise than RFC 9068 is accepted only where its shape was chosen. What keeps its ID tokens out is
part of the shape: a type, or a claim that only its access tokens have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Shape:
    """One issuer's habits. Claims are looked for in the order given; the first that is there counts."""

    name: str
    types: frozenset[str]
    """The values of `typ`, lower case, without `application/`; the empty string is a header without one."""
    required: tuple[str, ...]
    """Claims that must be there, whatever they say."""
    any_of: tuple[str, ...] = ()
    """At least one of these must be there."""
    fixed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Claim → the values it may have."""
    absent: tuple[str, ...] = ()
    """Claims that no access token has; one that is there makes it another kind."""
    scopes: tuple[str, ...] = ("scope",)
    clients: tuple[str, ...] = ("client_id",)
    source: str = ""
    """Where the product documents it."""
    needed: frozenset[str] = field(init=False, repr=False)
    plain: bool = field(init=False, repr=False)
    """Whether the claims that must be there are all that it asks for."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "needed", frozenset(self.required))
        object.__setattr__(self, "plain", not (self.any_of or self.absent or self.fixed))


_ID_TOKEN_CLAIMS: Final = ("at_hash", "c_hash", "nonce", "events")

RFC9068: Final = Shape(
    name="rfc9068",
    types=frozenset({"at+jwt"}),
    required=("iss", "exp", "aud", "sub", "client_id", "iat", "jti"),
    source="RFC 9068 section 2",
)
"""Evergrant, and every issuer that follows the standard."""

KEYCLOAK: Final = Shape(
    name="keycloak",
    types=frozenset({"jwt", "at+jwt"}),
    required=("iss", "exp", "aud", "iat", "jti", "typ"),
    fixed={"typ": ("Bearer", "DPoP")},
    absent=("at_hash", "c_hash", "events"),
    clients=("client_id", "azp"),
    source="Keycloak: Server Administration, client scopes and mappers",
)
"""Keycloak: the kind of token stands in a claim, and `aud` is there only with an audience mapper."""

AUTH0: Final = Shape(
    name="auth0",
    types=frozenset({"jwt", "at+jwt"}),
    required=("iss", "exp", "aud", "sub", "iat"),
    any_of=("azp", "client_id"),
    absent=_ID_TOKEN_CLAIMS,
    clients=("client_id", "azp"),
    source="Auth0: Access Token Profiles",
)
"""Auth0, both of its profiles. Its issuer ends in a slash."""

OKTA: Final = Shape(
    name="okta",
    types=frozenset({"", "jwt", "at+jwt"}),
    required=("iss", "exp", "aud", "sub", "iat", "jti", "cid"),
    absent=_ID_TOKEN_CLAIMS,
    scopes=("scp",),
    clients=("cid",),
    source="Okta: Access token payload, custom authorization servers",
)
"""Okta's custom authorization servers. Tokens of its organization server are not for verification by others."""

ENTRA: Final = Shape(
    name="entra",
    types=frozenset({"jwt", "at+jwt"}),
    required=("iss", "exp", "aud", "sub", "iat", "ver"),
    any_of=("scp", "roles"),
    absent=_ID_TOKEN_CLAIMS,
    scopes=("scp",),
    clients=("azp", "appid"),
    source="Microsoft identity platform: access token claims reference",
)
"""Microsoft Entra ID, versions 1 and 2, one tenant. Application permissions are in the claim `roles`."""

SHAPES: Final[Mapping[str, Shape]] = {shape.name: shape for shape in (RFC9068, KEYCLOAK, AUTH0, OKTA, ENTRA)}
