"""One answer as a value, and the few shapes answers have."""

from collections.abc import AsyncGenerator
from typing import Any, Final, NamedTuple

from msgspec import json

from evergrant.protocol.error import Refused

Header = tuple[bytes, bytes]

JSON: Final[Header] = (b"content-type", b"application/json")
HTML: Final[Header] = (b"content-type", b"text/html; charset=utf-8")
TEXT: Final[Header] = (b"content-type", b"text/plain; charset=utf-8")
NO_STORE: Final[tuple[Header, ...]] = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))
NO_SNIFF: Final[Header] = (b"x-content-type-options", b"nosniff")
RETRY_SECONDS: Final = b"1"
_LATER: Final = frozenset({429, 503})
# An address with a code in it must not leak onwards (RFC 9700 section 4.2).
_NO_REFERRER: Final[Header] = (b"referrer-policy", b"no-referrer")


class Answer(NamedTuple):
    """Status, headers, body."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


class Stream(NamedTuple):
    """An answer without an end: parts are sent as they come, until whoever asked goes away or reads too slowly."""

    status: int
    headers: tuple[Header, ...]
    parts: AsyncGenerator[bytes, None]


_SECRET_JSON: Final = (JSON, *NO_STORE, NO_SNIFF)
# Every 401 says how to do better (RFC 9110 section 15.5.2); at these endpoints Basic is the one scheme there is.
_BASIC: Final[Header] = (b"www-authenticate", b'Basic realm="evergrant"')


def secret_json(members: Any, status: int = 200, nonce: str = "") -> Answer:
    """JSON that no cache may keep (RFC 6749 section 5.1), and the *nonce* for the next proof (RFC 9449 section 8.2)."""
    headers = (*_SECRET_JSON, (b"dpop-nonce", nonce.encode("ascii"))) if nonce else _SECRET_JSON
    return Answer(status, headers, json.encode(members))


def public_json(members: Any, max_age: int) -> Answer:
    """JSON for everybody, for *max_age* seconds, readable from any origin."""
    headers = (JSON, (b"cache-control", b"public, max-age=%d" % max_age), NO_SNIFF)
    return Answer(200, headers, json.encode(members))


def refusal(error: Refused, error_id: str, challenge: Header | None = None) -> Answer:
    """An OAuth error as JSON (RFC 6749 section 5.2), with the id of the operator's log line."""
    headers: tuple[Header, ...] = _SECRET_JSON
    if error.headers:
        headers = (*headers, *((name.encode("ascii"), value.encode("ascii")) for name, value in error.headers))
    if challenge is not None or error.status == 401:  # noqa: PLR2004 - HTTP
        headers = (*headers, challenge or _BASIC)
    if error.status in _LATER:
        headers = (*headers, (b"retry-after", RETRY_SECONDS))
    members = {"error": error.code, "error_description": error.description, "error_id": error_id}
    if error.uri:
        members["error_uri"] = error.uri
    return Answer(error.status, headers, json.encode(members))


def redirect(location: str, *headers: Header) -> Answer:
    """303, so that a credential POST is never repeated elsewhere (RFC 9700 section 4.12)."""
    return Answer(303, ((b"location", location.encode("ascii")), *NO_STORE, _NO_REFERRER, *headers), b"")


def retry_after(seconds: int) -> Header:
    """The header that says when to come back."""
    return (b"retry-after", b"%d" % seconds)


def plain(status: int, text: str, *headers: Header) -> Answer:
    """A line of text."""
    return Answer(status, (TEXT, *NO_STORE, NO_SNIFF, *headers), text.encode() + b"\n")
