"""What a token is bound to: a key or a certificate that has to be proved whenever the token is used (RFC 7800).

A binding is one word, `jkt:` or `x5t#S256:` and a thumbprint, empty for none; so it lies in a family's row and is
compared by `domain.rotation` alone. What must not live here: how a proof is judged (`evergrant.proof`).
"""

from collections.abc import Mapping
from typing import Any, Final

KEY: Final = "jkt"
"""RFC 9449 section 6.1: the RFC 7638 thumbprint of a DPoP key."""
CERTIFICATE: Final = "x5t#S256"
"""RFC 8705 section 3.1: the SHA-256 of a certificate."""


def to_key(thumbprint: str) -> str:
    """The binding to a DPoP key."""
    return f"{KEY}:{thumbprint}"


def to_certificate(thumbprint: str) -> str:
    """The binding to a certificate."""
    return f"{CERTIFICATE}:{thumbprint}"


def confirmation(binding: str) -> dict[str, str]:
    """The `cnf` claim of a binding; empty for none."""
    kind, _, thumbprint = binding.partition(":")
    return {kind: thumbprint} if thumbprint else {}


def bound_to(claims: Mapping[str, Any]) -> str:
    """The binding that a token's claims tell, empty for none. Claims of our own tokens alone."""
    for kind, thumbprint in claims.get("cnf", {}).items():
        return f"{kind}:{thumbprint}"
    return ""


def token_type(binding: str) -> str:
    """How a token is presented (RFC 9449 section 5, RFC 8705 section 3)."""
    return "DPoP" if binding.startswith(KEY) else "Bearer"
