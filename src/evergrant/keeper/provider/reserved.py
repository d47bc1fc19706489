"""Names that a provider's file may not use: what the keeper itself says in a request is never data."""

import re
from typing import Final

from evergrant.keeper.provider.problem import Unfit

_AUTHORIZE: Final = frozenset({
    "response_type", "client_id", "redirect_uri", "state", "nonce", "code_challenge", "code_challenge_method", "scope",
    "request", "request_uri",
})  # fmt: skip
_TOKEN: Final = frozenset({
    "grant_type", "code", "refresh_token", "client_id", "client_secret", "code_verifier", "client_assertion",
    "client_assertion_type", "device_code", "token", "assertion",
})  # fmt: skip
_HEADERS: Final = frozenset({
    "authorization", "proxy-authorization", "host", "content-length", "content-type", "content-encoding",
    "transfer-encoding", "connection", "cookie", "accept", "accept-encoding", "te", "upgrade", "trailer", "expect",
})  # fmt: skip
_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def check_authorize_param(name: str) -> None:
    """Raise `Unfit` for a parameter that would let data decide where a code goes, or switch a check off."""
    _refuse(name, _AUTHORIZE)


def check_token_param(name: str) -> None:
    """Raise `Unfit` for a parameter that the keeper sets itself."""
    _refuse(name, _TOKEN)


def check_header(name: str) -> None:
    """Raise `Unfit` for what is no header name (RFC 9110 section 5.1), or is set by the keeper."""
    if not _FIELD_NAME.fullmatch(name):
        raise Unfit("is not the name of a header")
    _refuse(name.lower(), _HEADERS)


def _refuse(name: str, taken: frozenset[str]) -> None:
    if name in taken:
        raise Unfit("is set by the keeper itself; remove it")
