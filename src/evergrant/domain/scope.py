"""Scopes and resources as the sets they are (RFC 6749 section 3.3, RFC 8707 section 2).

Stored and compared in one normal form: sorted, single spaces, no duplicates. Case is meaning and is kept.
"""

import re

OPENID = "openid"
OFFLINE = "offline_access"

_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+\Z")


class ScopeSyntaxError(ValueError):
    """A scope holds a character that RFC 6749 section 3.3 does not allow."""


def parse_scope(given: str) -> frozenset[str]:
    """The set behind a space-separated string. Raises `ScopeSyntaxError`."""
    scopes = frozenset(given.split(" ")) - {""}
    for scope in scopes:
        if not _TOKEN.match(scope):
            raise ScopeSyntaxError(repr(scope))
    return scopes


def join(items: "frozenset[str] | set[str] | tuple[str, ...] | list[str]") -> str:
    """The normal form of a set of scopes or resources."""
    return " ".join(sorted(set(items)))


def split(joined: str) -> tuple[str, ...]:
    """The members of a normal form."""
    return tuple(joined.split(" ")) if joined else ()


def as_asked(given: str, among: str) -> tuple[str, ...]:
    """The members of the normal form *among* in the order of the string *given*: openid first, the unasked last."""
    wanted = given.split(" ")
    place = {scope: number for number, scope in reversed(list(enumerate(wanted)))}
    return tuple(sorted(split(among), key=lambda scope: (scope != OPENID, place.get(scope, len(wanted)))))


def within(asked: str, granted: str) -> bool:
    """Whether everything in *asked* is in *granted* (both normal forms)."""
    return not asked or asked == granted or set(split(asked)) <= set(split(granted))
