"""Token exchange on the wire: what a request may say, and what the answer says beside the token (RFC 8693).

What lives here: the names of the RFC and reading a request. What must not: who may exchange what; that is
`domain.exchange`.
"""

from typing import Final, NamedTuple

from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import Form

ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
# Only a token that was handed over as proof of access may be exchanged: what else has a type stands for something else.
SUBJECT_TYPES: Final = frozenset({ACCESS_TOKEN, JWT})


class ExchangeAsk(NamedTuple):
    """One request (section 2.1). *scope* as sent, None when it was not; *audience* a resource, or a provider's name."""

    subject: str
    resources: tuple[str, ...]
    audience: str | None
    scope: str | None


def read_exchange(form: Form) -> ExchangeAsk:
    """The request in *form*. Raises `Refused`: what cannot be honoured is refused, never left out."""
    subject, kind = form.get("subject_token"), form.get("subject_token_type")
    if subject is None or kind is None:
        name = "subject_token" if subject is None else "subject_token_type"
        raise Refused(Code.INVALID_REQUEST, f"The parameter {name} is missing.")
    if kind not in SUBJECT_TYPES:
        raise Refused(Code.INVALID_REQUEST, "Only access tokens of this server can be exchanged.")
    if form.get("actor_token") is not None or form.get("actor_token_type") is not None:
        raise Refused(Code.INVALID_REQUEST, "The actor is the client that authenticates; an actor token is not taken.")
    if form.get("requested_token_type") not in {None, ACCESS_TOKEN}:
        raise Refused(Code.INVALID_REQUEST, "Only access tokens are issued by an exchange.")
    return ExchangeAsk(subject, form.resources, form.get("audience"), form.get("scope"))
