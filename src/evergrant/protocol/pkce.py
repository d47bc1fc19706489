"""Proof Key for Code Exchange, S256 only (RFC 7636; `plain` is refused as RFC 9700 section 2.1.1 advises)."""

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from hmac import compare_digest
from typing import Final

METHODS: Final = ("S256",)
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")


def is_challenge(text: str) -> bool:
    """Whether *text* can be an S256 challenge."""
    return _CHALLENGE.match(text) is not None


def is_verifier(text: str) -> bool:
    """Whether *text* is a verifier by section 4.1: 43 to 128 unreserved characters."""
    return _VERIFIER.match(text) is not None


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    return urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def proves(verifier: str, challenge: str) -> bool:
    """Whether *verifier* belongs to *challenge*."""
    return is_verifier(verifier) and compare_digest(challenge_of(verifier), challenge)
