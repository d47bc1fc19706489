"""Public identifiers: names for rows, safe to show, worth nothing to a thief.

A secret is never an identifier here; secrets are in `domain.secret` and `domain.token`.
Every identifier says what it names by its prefix, so that none can be passed for another.
"""

from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from enum import StrEnum

from evergrant.domain.base64url import encode

RAW_LENGTH = 16
TEXT_LENGTH = 22


class Kind(StrEnum):
    """What an identifier names, and the prefix that says so."""

    FAMILY = "fam_"
    SESSION = "ses_"
    ACCOUNT = "usr_"
    CLIENT = "cli_"
    GRANT = "gra_"


def text(kind: Kind, raw: bytes) -> str:
    """The public form of 16 random bytes: `fam_` and 22 characters of base64url."""
    return kind + encode(raw).decode("ascii")


def parse(kind: Kind, given: str) -> bytes | None:
    """The 16 bytes behind *given*, or None when it is not an identifier of this kind in its one canonical spelling."""
    body = given[len(kind.value) :]
    if not given.startswith(kind.value) or len(body) != TEXT_LENGTH:
        return None
    try:
        raw = urlsafe_b64decode(body + "==")
    except (NotBase64, ValueError):
        return None
    return raw if text(kind, raw) == given else None
