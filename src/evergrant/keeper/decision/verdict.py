"""What an answer of a token endpoint may mean: one type per thing there is to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evergrant.domain.secret import Secret
from evergrant.keeper.connection import Origin


@dataclass(frozen=True, slots=True)
class Tokens:
    """One pair out of a reply. Ends are instants in seconds, counted from when the request was sent; 0: unknown.

    *refresh* is None when the reply has none. *unusable* says why the access token must not be handed out: a
    `token_type` that nobody asked for, or marks that no header can carry; the refresh token counts all the same.
    """

    access: Secret
    refresh: Secret | None
    expires_at: int
    origin: Origin
    token_type: str
    scope: tuple[str, ...]
    sent_at: int = 0
    idle_end: int = 0
    hard_end: int = 0
    hard_said: bool = False
    """Whether the reply itself named the hard end; if not, *hard_end* is the provider's fact."""
    unusable: str = ""


@dataclass(frozen=True, slots=True)
class Granted:
    """Tokens came, for each record by name. *id_claims*: of an ID token in the same reply, not verified.

    It came straight from the token endpoint over TLS (OpenID Connect Core 3.1.3.7 point 6); a caller still has to
    compare `iss`, `aud` and `nonce`.
    """

    tokens: Mapping[str, Tokens]
    subject: str = ""
    label: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    id_claims: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dead:
    """The provider says that the grant will never work again."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Interaction:
    """The user has to do something first; the refresh token was not spent."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ClientRefused:
    """Our client id, secret or assertion is refused; no user is to blame and nothing was spent."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ScopeRefused:
    """The scope that was asked for is refused; nothing was spent."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Busy:
    """Come back after *after* seconds (0: the provider did not say when); almost surely nothing was spent."""

    code: str
    after: int = 0
    detail: str = ""
    server_side: bool = False
    """A 5xx: the little doubt there is keeps a wait within the time in which a spent token may be sent again."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No table knows this answer. *spent*: whether the refresh token may have been spent all the same."""

    code: str
    detail: str = ""
    spent: bool = True


Verdict = Granted | Dead | Interaction | ClientRefused | ScopeRefused | Busy | Unknown
"""What `decision.answer.read` returns; *code* is the provider's error code or a word of ours, never a token."""
