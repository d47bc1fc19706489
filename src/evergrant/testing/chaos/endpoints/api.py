"""What a token is for: a small protected API, userinfo, introspection (RFC 7662), and what OpenID clients read."""

import json
from collections.abc import Mapping
from typing import Any, Final

from evergrant.keeper.provider.model import ClientAuth, Pkce
from evergrant.testing.chaos.addresses import AUTHORIZE, INTROSPECT, JWKS, TOKEN, USERINFO, speaks_open_id
from evergrant.testing.chaos.replies import JSON, error
from evergrant.testing.chaos.state import State
from evergrant.testing.chaos.wire import Answer, Request

_METHODS: Final[Mapping[ClientAuth, str]] = {
    ClientAuth.BASIC: "client_secret_basic",
    ClientAuth.POST: "client_secret_post",
    ClientAuth.PRIVATE_KEY_JWT: "private_key_jwt",
    ClientAuth.NONE: "none",
}


def called(state: State, request: Request) -> Answer:
    """Any path below `/api`, and userinfo: who the token is for, or 401 (RFC 6750 section 3)."""
    found = state.book.passes(bearer(state, request))
    if found is None:
        refused = error("invalid_token", "The access token is unknown, expired or revoked.", status=401)
        challenge = ("www-authenticate", 'Bearer error="invalid_token"')
        return Answer(401, refused.body, (*refused.headers, challenge))
    grant, _ = found
    return _json({"sub": grant.user, "id": grant.user, "name": f"Account of {grant.user}", "scope": grant.scope})


def bearer(state: State, request: Request) -> str:
    """The access token, in the header and with the scheme this provider wants."""
    template = state.facts.bearer
    header, colon, text = template.partition(": ")
    name, text = (header.lower(), text) if colon else ("authorization", template)
    before, _, after = text.partition("{token}")
    given = request.headers.get(name, "")
    if not given.startswith(before) or not given.endswith(after):
        return ""
    return given[len(before) : len(given) - len(after)]


def introspect(state: State, request: Request) -> Answer:
    """Whether a token is good, told to the client alone."""
    params = state.params(request)
    why = state.unproven(request, params)
    if why:
        return error("invalid_client", why, status=401)
    value = params.get("token", "")
    found = state.book.passes(value)
    if found is not None:
        grant, access = found
        told = {"active": True, "scope": grant.scope, "sub": grant.user, "client_id": state.client.client_id}
        return _json({**told, **({"exp": access.ends_at} if access.ends_at else {})})
    grant_of = state.book.of_refresh(value)
    return _json({"active": grant_of is not None and not grant_of.ended})


def discovery(state: State) -> Answer:
    """OpenID Connect Discovery section 4."""
    if not speaks_open_id(state.facts):
        return error("not_found", status=404)
    provider, origin = state.provider, state.origin
    told: dict[str, Any] = {
        "issuer": origin,
        "authorization_endpoint": origin + AUTHORIZE,
        "token_endpoint": origin + TOKEN,
        "jwks_uri": origin + JWKS,
        "userinfo_endpoint": origin + USERINFO,
        "introspection_endpoint": origin + INTROSPECT if provider.introspect_url else None,
        "revocation_endpoint": provider.revoke.url or None,
        "device_authorization_endpoint": provider.device_url or None,
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": [_METHODS[way] for way in provider.client_auth if way in _METHODS],
        "code_challenge_methods_supported": None if provider.pkce is Pkce.UNSUPPORTED else ["S256"],
        "authorization_response_iss_parameter_supported": provider.iss_in_callback,
        "grant_types_supported": ["authorization_code", "refresh_token"],
    }
    return _json({name: value for name, value in told.items() if value is not None})


def jwks(state: State) -> Answer:
    """The key that signs ID tokens (RFC 7517)."""
    return _json({"keys": [state.signer.public]})


def _json(members: Mapping[str, Any]) -> Answer:
    return Answer(200, json.dumps(members).encode(), (JSON, ("cache-control", "no-store")))
