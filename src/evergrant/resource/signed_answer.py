"""A signed introspection answer (RFC 9701 section 5): whose it is, for whom, and what it says of a token.

Its type keeps it apart from an access token in both directions (section 8.1).
"""

from typing import Any, Final, NamedTuple

from evergrant.protocol.compact import Unreadable, json_object, raw, raw_exact
from evergrant.resource.keyset import KeySet, chosen, read_header
from evergrant.resource.refused import Refused
from evergrant.resource.rules import Rules

MEDIA_TYPE: Final = "application/token-introspection+jwt"
TYPE: Final = "token-introspection+jwt"


class Accept(NamedTuple):
    """What an answer must be: of this issuer, for this client, of now."""

    rules: Rules
    client_id: str
    now: int


def answer_of(body: bytes, keys: KeySet, accept: Accept) -> dict[str, Any] | None:
    """The members of `token_introspection`; None when its key is not among *keys*. Raises `Unreadable`."""
    parts = body.strip().split(b".")
    if len(parts) != 3:  # noqa: PLR2004 - RFC 7515 section 7.1
        raise Unreadable("no signed answer")
    try:
        kid, alg, typ = read_header(json_object(raw(parts[0])), accept.rules.algorithms)
    except Refused as error:
        raise Unreadable(f"a signed answer with a header that is not taken: {error.why}") from error
    check = chosen(keys, kid, alg)
    if typ != TYPE:
        raise Unreadable("an answer of another type")
    if check is None:
        return None
    if not check(parts[0] + b"." + parts[1], raw_exact(parts[2])):
        raise Unreadable("an answer that the issuer did not sign")
    claims = json_object(raw(parts[1]))
    audience, issued_at = claims.get("aud"), claims.get("iat")
    if claims.get("iss") != accept.rules.issuer or audience not in (accept.client_id, [accept.client_id]):
        raise Unreadable("an answer of another issuer, or for another client")
    if type(issued_at) is not int or abs(accept.now - issued_at) > max(accept.rules.leeway, 1):
        raise Unreadable("an answer of another time")
    found = claims.get("token_introspection")
    if not isinstance(found, dict):
        raise Unreadable("an answer that says nothing of a token")
    return found
