"""
Taking secrets out of text before anybody can read it.

Rooms hold secrets in `domain.secret.Secret`, which cannot be printed; this is the second lock, for what arrives from
elsewhere: a driver's message that quotes a value, a traceback that quotes a header, a request echoed by a library. What
is found is replaced by its fingerprint, so that two lines about one token can still be told to be about one token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from evergrant.domain.secret import Secret, fingerprint

_NAMED: Final = (
    "password|new_password|current_password|client_secret|code_verifier|client_assertion|assertion"
    "|refresh_token|access_token|id_token|id_token_hint|subject_token|actor_token"
)

_HEADERS: Final = "(?:proxy-)?authorization|(?:set-)?cookie"

# One pass; the first alternative that fits at a position wins. No word boundary stands before the shapes: in a query
# that is encoded twice, a token follows the D of %3D.
_SECRETS: Final = re.compile(
    r"""
      (?P<ours>eg[a-z]_[A-Za-z0-9_-]{6,})                                    # everything that Evergrant mints
    | (?P<jose>eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)*)    # a JWS or JWE, whole or cut short
    | (?P<quoted>\b(?:HEADERS)\\?['"]?\s*[:=,]\s*b?(?P<mark>\\?['"]))(?P<within>.+?)(?=(?P=mark)|$)
    | (?P<bare>\b(?:HEADERS)\s*[:=]\s*)(?P<line>[^\r\n]+)
    | (?P<scheme>\b(?:bearer|basic|dpop)\s+)(?P<credential>[A-Za-z0-9._~+/=-]{8,})
    | (?P<name>\b(?:NAMED)(?:=|\\?['"]\s*[:=,]\s*(?:b?\\?['"])?))(?P<value>[^\s&'",;}\])\\<]+)
    | (?P<query>[?&]code=)(?P<code>[^\s&'"<]+)
    """.replace("NAMED", _NAMED).replace("HEADERS", _HEADERS),
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)

# A prefix to keep, and the secret after it.
_PAIRS: Final = (
    ("quoted", "within"),
    ("bare", "line"),
    ("scheme", "credential"),
    ("name", "value"),
    ("query", "code"),
)

_SENSITIVE: Final = re.compile(rf"(?:{_NAMED}|{_HEADERS})", re.IGNORECASE)


def redact(text: str) -> str:
    """Return the text with every secret in it replaced by its fingerprint."""
    return _SECRETS.sub(_replacement, text)


def redact_field(name: str, value: Any) -> Any:
    """Return a value that may be logged under a name: whole when the name is harmless, a fingerprint when it is not."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): redact_field(str(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact_field(name, inner) for inner in value]
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return _mark(text) if _SENSITIVE.fullmatch(name) and text else redact(text)


def _replacement(found: re.Match[str]) -> str:
    for kept, secret in _PAIRS:
        if found[kept] is not None:
            return found[kept] + _mark(found[secret].strip())
    return _mark(found[0])


def _mark(secret: str) -> str:
    return secret if secret.startswith("<secret ") else f"<secret {fingerprint(secret)}>"
