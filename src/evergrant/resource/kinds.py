"""What was sent instead of an access token: named for the operator, from prefix, type and claims alone.

Nothing here is believed; it only words a refusal that is certain already (attack RT-37, RFC 8725 section 3.12).
"""

from collections.abc import Mapping
from typing import Any, Final

from evergrant.domain.token import ACCESS, API_KEY, CLIENT_SECRET, CODE, FLOW, REFRESH, SESSION
from evergrant.resource.refused import Why

PREFIXES: Final[Mapping[str, Why]] = {
    REFRESH: Why.REFRESH_TOKEN,
    CODE: Why.CODE,
    CLIENT_SECRET: Why.CLIENT_SECRET,
    API_KEY: Why.API_KEY,
    SESSION: Why.COOKIE,
    FLOW: Why.COOKIE,
    ACCESS: Why.OPAQUE,
}
TYPES: Final[Mapping[str, Why]] = {
    "logout+jwt": Why.LOGOUT_TOKEN,
    "secevent+jwt": Why.SECURITY_EVENT,
    "dpop+jwt": Why.DPOP_PROOF,
    "token-introspection+jwt": Why.INTROSPECTION_ANSWER,
    "client-authentication+jwt": Why.CLIENT_ASSERTION,
    "oauth-authz-req+jwt": Why.REQUEST_OBJECT,
}
_LOGOUT: Final = "http://schemas.openid.net/event/backchannel-logout"
_HABITS: Final[Mapping[object, Why]] = {
    "ID": Why.ID_TOKEN,
    "Refresh": Why.REFRESH_TOKEN,
    "Offline": Why.REFRESH_TOKEN,
    "Logout": Why.LOGOUT_TOKEN,
}
"""Keycloak's claim `typ`."""
_USES: Final[Mapping[object, Why]] = {
    "refresh_token": Why.REFRESH_TOKEN,
    "refresh": Why.REFRESH_TOKEN,
    "id_token": Why.ID_TOKEN,
    "id": Why.ID_TOKEN,
}
"""The claim `token_use` of Ory Hydra's answers and of Amazon Cognito's tokens."""


def of_text(token: str) -> Why | None:
    """What a token that is no JWT is, by the prefix that our own kinds have."""
    return PREFIXES.get(token[:4])


def of_jwt(typ: str, claims: Mapping[str, Any]) -> Why:
    """What a JWT is whose type is not the one that is wanted. *typ* as in `Shape.types`."""
    if typ in TYPES:
        return TYPES[typ]
    if (habit := of_habit(claims)) is not None:
        return habit
    events = claims.get("events")
    if events is not None:
        return Why.LOGOUT_TOKEN if isinstance(events, dict) and _LOGOUT in events else Why.SECURITY_EVENT
    if "token_introspection" in claims:
        return Why.INTROSPECTION_ANSWER
    if "htm" in claims and "htu" in claims:
        return Why.DPOP_PROOF
    if "code_challenge" in claims or "response_type" in claims:
        return Why.REQUEST_OBJECT
    if not {"at_hash", "c_hash", "nonce", "auth_time"}.isdisjoint(claims):
        return Why.ID_TOKEN
    if claims.get("iss") is not None and claims.get("iss") == claims.get("sub"):
        return Why.CLIENT_ASSERTION
    return Why.TYPE


def of_habit(claims: Mapping[str, Any]) -> Why | None:
    """What a product says in a claim of its own; None for an access token, or where it says nothing."""
    habit, use = claims.get("typ"), claims.get("token_use")
    return _HABITS.get(habit if isinstance(habit, str) else "") or _USES.get(use if isinstance(use, str) else "")
