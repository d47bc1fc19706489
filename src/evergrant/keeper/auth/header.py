"""Where an access token may go, and what an API's answer says about it (RFC 6750)."""

import re
from collections.abc import Collection
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from evergrant.keeper.errors import BadRequest

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_CHALLENGE_MEMBER: Final = re.compile(r"""([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))""")
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403


class Meaning(StrEnum):
    """What an API's answer says about the token that was sent."""

    FINE = "fine"
    """Nothing: the answer is about something else."""
    STALE = "stale"
    """The token is not taken any more: renew it."""
    NONCE = "nonce"
    """The proof lacked the nonce that came with the answer (RFC 9449 section 9): send it again with that one."""
    SCOPE = "scope"
    """The token is good and does not allow this: only the user can allow more."""


class HostRefused(BadRequest):
    """The request goes where the token must not: another host than those allowed, or one without TLS."""


def meaning(status: int, challenge: str) -> tuple[Meaning, tuple[str, ...]]:
    """What status and WWW-Authenticate say, and the scopes that are missing, where the API names them.

    A 401 without a readable challenge is about the token too: most APIs send none.
    """
    members = {name.lower(): quoted or plain for name, quoted, plain in _CHALLENGE_MEMBER.findall(challenge)}
    error = members.get("error", "")
    if error == "insufficient_scope" and status in {_UNAUTHORIZED, _FORBIDDEN}:
        return Meaning.SCOPE, tuple(members.get("scope", "").split())
    if error == "use_dpop_nonce" and status == _UNAUTHORIZED:
        return Meaning.NONCE, ()
    if status == _UNAUTHORIZED and error in {"", "invalid_token"}:
        return Meaning.STALE, ()
    return Meaning.FINE, ()


def guard(url: str, hosts: Collection[str]) -> None:
    """Raise `HostRefused` unless the token may go to *url*: TLS or this machine, and one of *hosts* if any are given.

    A host that begins with a dot allows every host below it.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" and host not in _LOCAL:
        msg = f"a token is not sent to {host} without TLS"
        raise HostRefused(msg)
    if hosts and not any(_is_at(host, allowed.lower()) for allowed in hosts):
        msg = f"this token may go to {', '.join(sorted(hosts))}, not to {host}"
        raise HostRefused(msg)


def same_origin(one: str, other: str) -> bool:
    """Whether both addresses have scheme, host and port alike (RFC 6454)."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or default


def _is_at(host: str, allowed: str) -> bool:
    return host.endswith(allowed) if allowed.startswith(".") else host == allowed
