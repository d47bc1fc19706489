"""The server's description of itself (RFC 8414, OpenID Connect Discovery), built from what is switched on."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from evergrant.protocol import ending
from evergrant.protocol.authorization import PROMPTS, RESPONSE_MODES
from evergrant.protocol.claims import STANDARD
from evergrant.protocol.dpop import ALGORITHMS as DPOP_ALGORITHMS
from evergrant.protocol.pkce import METHODS

# RFC 8705 section 5: the endpoints at which a certificate says something.
ALIASED = {"token_endpoint": "token", "userinfo_endpoint": "userinfo"}
AUTH_METHODS = ("none", "client_secret_basic", "client_secret_post")


def metadata(
    issuer: str, grants: Iterable[str], scopes: Iterable[str], algs: Iterable[str], acr: str,
    *, certificates: bool = False, certificate_origin: str = "",
) -> dict[str, Any]:  # fmt: skip
    """The document both well-known addresses serve.

    *algs* are those that a client can be registered with; each gets its key with its first client. RS256 is among them
    as OpenID Connect Discovery section 3 demands, whatever most clients use. *certificates*: whether one can bind
    tokens, and at which origin it is asked for where that is another (RFC 8705 sections 3.3 and 5).
    """
    found: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "end_session_endpoint": f"{issuer}/end_session",
        ending.METADATA: f"{issuer}{ending.PATH}",
        "scopes_supported": sorted(scopes),
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": sorted(grants),
        "code_challenge_methods_supported": list(METHODS),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "introspection_endpoint_auth_methods_supported": [name for name in AUTH_METHODS if name != "none"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted(algs),
        "prompt_values_supported": list(PROMPTS),
        "acr_values_supported": [acr],
        "claim_types_supported": ["normal"],
        "claims_supported": sorted({"sub", "auth_time", "acr", "amr", *STANDARD}),
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
    }
    if certificates:
        found["tls_client_certificate_bound_access_tokens"] = True
    if certificates and certificate_origin:
        path = urlsplit(issuer).path
        found["mtls_endpoint_aliases"] = {name: f"{certificate_origin}{path}/{end}" for name, end in ALIASED.items()}
    return found
