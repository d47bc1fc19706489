"""Webhooks as the Standard Webhooks convention signs them, for both ends: what we send, and what a receiver checks.

`webhook-signature: v1,<base64 of HMAC-SHA256>` over `id.timestamp.body`; several, separated by spaces, while one secret
replaces another. A receiver calls `verify` with the headers and the body exactly as they came, and keeps the ids that
it has seen, because a letter may arrive more than once.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final

from evergrant.domain.secret import Secret

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
TOLERANCE: Final = 300
PREFIX: Final = "whsec_"
_VERSION: Final = "v1"
_MOST_SIGNATURES: Final = 10


class Forged(Exception):
    """The letter is not one that the holder of the secret has just sent; the sentence says why."""


def headers(secrets: Sequence[Secret], letter_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of a letter sent at *at* (seconds since the epoch), signed with each of *secrets*."""
    marks = [f"{_VERSION},{_mac(secret, letter_id, str(at), body)}" for secret in secrets]
    return {ID: letter_id, TIMESTAMP: str(at), SIGNATURE: " ".join(marks)}


def verify(
    secrets: Sequence[Secret | str],
    given: Mapping[str, str],
    body: bytes,
    *,
    now: int,
    tolerance: int = TOLERANCE,
    seen: Mapping[str, object] | None = None,
) -> str:
    """The id of an authentic letter. *given*: the request's headers; *body*: its bytes as they came.

    *now*: seconds since the epoch. *tolerance*: seconds that sender's and receiver's clocks and the way may differ by.
    *seen*: ids that were handled already, kept for at least as long as the tolerance. Raises `Forged`.
    """
    named = {name.lower(): value for name, value in given.items()}
    letter_id, at, marks = (named.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not letter_id or not at or not marks:
        msg = f"one of {ID}, {TIMESTAMP}, {SIGNATURE} is missing"
        raise Forged(msg)
    if not (at.isascii() and at.isdigit()) or len(at) > 12 or abs(now - int(at)) > tolerance:  # noqa: PLR2004 - digits
        msg = "it was sent too long ago, or the clocks differ"
        raise Forged(msg)
    keys = [secret if isinstance(secret, Secret) else Secret(secret) for secret in secrets]
    good = [_mac(key, letter_id, at, body) for key in keys]
    offered = [mark.partition(",")[2] for mark in marks.split(" ")[:_MOST_SIGNATURES] if mark.startswith("v1,")]
    if not any(compare_digest(one.encode(), mark.encode("utf-8", "replace")) for one in good for mark in offered):
        msg = "no signature fits"
        raise Forged(msg)
    if seen is not None and letter_id in seen:
        msg = "it was handled already"
        raise Forged(msg)
    return letter_id


def _mac(secret: Secret, letter_id: str, at: str, body: bytes) -> str:
    said = b"%b.%b.%b" % (letter_id.encode(), at.encode(), body)
    return b64encode(hmac_digest(_key(secret), said, "sha256")).decode("ascii")


def _key(secret: Secret) -> bytes:
    """The bytes behind a secret: base64 after `whsec_`, as the convention writes it, else the text itself."""
    text = secret.reveal()
    if text.startswith(PREFIX):
        try:
            return b64decode(text.removeprefix(PREFIX), validate=True)
        except (NotBase64, ValueError):
            pass
    return text.encode()
