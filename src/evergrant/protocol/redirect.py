"""Redirect URIs: a narrow grammar at registration, exact comparison at run time (RFC 9700 section 2.1, RFC 8252).

Nothing is ever normalised before comparing. The one exception is the port of a registered loopback literal.
"""

import re
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

MAX_LENGTH: Final = 2_000
# Unreserved, reserved and percent-encoded characters of RFC 3986, and nothing else: no spaces, quotes, backslashes.
_ALLOWED: Final = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+\Z")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")
_PRIVATE_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+\Z")
_LOOPBACK: Final = re.compile(r"http://(?P<host>127\.0\.0\.1|\[::1\])(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?].*)?\Z")
_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Kind(StrEnum):
    """What sort of address it is."""

    HTTPS = "https"
    LOOPBACK = "loopback"
    PRIVATE = "private"


def refuse_unregistrable(uri: str) -> None:
    """Raise `ValueError`, with a sentence, for a redirect URI that nobody may register."""
    kind_of(uri)
    # Legal in a URI, and compared like any character; whoever writes one expects it to match more than that.
    if "*" in uri:
        raise ValueError(_about(uri, "a redirect URI has no wildcard, each address is registered by itself"))


def kind_of(uri: str) -> Kind:
    """The sort of a redirect URI. Raises `ValueError` with a sentence saying what is wrong with it."""
    _check_characters(uri)
    parts = urlsplit(uri)
    if parts.fragment or "#" in uri:
        raise ValueError(_about(uri, "a redirect URI has no fragment"))
    if parts.scheme in {"https", "http"}:
        return _check_web(uri)
    if not _PRIVATE_SCHEME.match(uri.split(":", 1)[0]):
        raise ValueError(_about(uri, "a private-use scheme holds a dot, as in com.example.app:/callback"))
    return Kind.PRIVATE


def _check_characters(uri: str) -> None:
    if not uri or len(uri) > MAX_LENGTH or not _ALLOWED.match(uri) or _BAD_PERCENT.search(uri):
        raise ValueError(_about(uri[:80], "a redirect URI is an absolute URI of plain ASCII"))


def _check_web(uri: str) -> Kind:
    try:
        parts = urlsplit(uri)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise ValueError(_about(uri, "the host or port is not valid")) from error
    if "@" in parts.netloc:
        raise ValueError(_about(uri, "a redirect URI has no user information"))
    if port == 0:
        raise ValueError(_about(uri, "the port is not valid"))
    if not (_HOST.match(host) or host == "::1"):
        raise ValueError(_about(uri, "the host is not a plain ASCII name"))
    if any(segment.lower().replace("%2e", ".") in {".", ".."} for segment in parts.path.split("/")):
        raise ValueError(_about(uri, "the path has no dot segments"))
    if parts.scheme == "https":
        return Kind.HTTPS
    if host not in _LOCAL_HOSTS:
        raise ValueError(_about(uri, "http is for 127.0.0.1, [::1] and localhost only; use https"))
    return Kind.LOOPBACK


def _about(uri: str, sentence: str) -> str:
    return f"{sentence}: {uri!r}"


def matches(given: str, registered: tuple[str, ...], *, native: bool) -> bool:
    """Whether *given* is one of *registered*: the same characters, or a native app's loopback literal, any port."""
    if given in registered:
        return True
    if not native:
        return False
    asked = _LOOPBACK.match(given)
    if asked is None or not _good_port(asked["port"]):
        return False
    for uri in registered:
        known = _LOOPBACK.match(uri)
        if known and known["host"] == asked["host"] and (known["rest"] or "") == (asked["rest"] or ""):
            return True
    return False


def _good_port(port: str | None) -> bool:
    return port is None or 0 < int(port) < 65_536  # noqa: PLR2004 - TCP


def takes_post(uri: str) -> bool:
    """Whether a browser can send a form there; a private-use scheme opens an application and hands it an address."""
    return uri.startswith(("https://", "http://"))


def target_of(uri: str) -> str:
    """What a Content-Security-Policy names it by: its origin, or its private-use scheme and a colon."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} else f"{parts.scheme}:"


def host_of(uri: str) -> str:
    """What a person is shown: the host, or the private-use scheme."""
    parts = urlsplit(uri)
    return parts.hostname or parts.scheme


def place_of(uri: str) -> str:
    """The same, and on the person's own machine the port, which is all that tells its programs apart."""
    parts = urlsplit(uri)
    return parts.netloc if parts.hostname in _LOCAL_HOSTS else host_of(uri)
