"""What an ID token must say before anybody believes whom it names (OpenID Connect Core 1.0 section 3.1.3.7)."""

from collections.abc import Mapping
from typing import Any, Final

LEEWAY: Final = 300
"""How many seconds another host's clock may be behind ours."""


def id_token_problem(claims: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, now: int) -> str:
    """What is wrong with the claims, as a code for programs; empty when nothing is.

    *issuer* is empty when nobody knows it, *nonce* when none was sent. Codes: iss, aud, azp, exp, nonce, sub.
    """
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    ends = claims.get("exp")
    problems = {
        "iss": bool(issuer) and claims.get("iss") != issuer,
        "aud": not isinstance(audiences, list) or client_id not in audiences,
        "azp": "azp" in claims and claims["azp"] != client_id,
        "exp": isinstance(ends, bool) or not isinstance(ends, int | float) or ends <= now - LEEWAY,
        "nonce": bool(nonce) and claims.get("nonce") != nonce,
        "sub": not isinstance(claims.get("sub"), str) or not claims["sub"],
    }
    return next((code for code, wrong in problems.items() if wrong), "")
