"""
Rules that texts in the configuration have to satisfy: what an issuer, an address, a scope or a resource may look like.

Each rule is silent when satisfied and raises `ValueError` with a clause that completes "server.issuer …". How a value
is read at all is said in `kinds`; rules that look at several keys at once live in `judge`.
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

HIGHEST_PORT: Final = 65535

_HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\]", re.ASCII)


def is_loopback(host: str) -> bool:
    """Say whether a host name or address can only mean this machine."""
    bare = host.strip("[]")
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def split_listen(listen: str) -> tuple[str, int]:
    """Split HOST:PORT; an IPv6 host stands in brackets."""
    host, colon, port = listen.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    well_formed = colon and bare and port.isascii() and port.isdigit() and int(port) <= HIGHEST_PORT
    if not well_formed or (":" in bare and bare == host):
        raise ValueError(f'must be HOST:PORT such as "127.0.0.1:8000" or "[::1]:8000", not {json.dumps(listen)}')
    return bare, int(port)


def require_listen(text: str) -> None:
    """Refuse what is not HOST:PORT."""
    split_listen(text)


def require_host(text: str) -> None:
    """Refuse what is not a lower-case host name, with or without a port."""
    name = text.rpartition(":")[0] if re.search(r":[0-9]{1,5}$", text) and not text.endswith("]") else text
    if _HOST.fullmatch(name) is None:
        raise ValueError(f"must be a host name in lower case, with or without a port, not {json.dumps(text)}")


def require_issuer(text: str) -> None:
    """Refuse an issuer that clients could not compare byte by byte, or that would send tokens in the clear."""
    parts = _split_url(text)
    host = parts.hostname or ""
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(
            f"must begin with https://, because {json.dumps(host)} is not this machine "
            "and tokens would cross the network in the clear"
        )
    # RFC 8414 section 2: no query, no fragment. The slash: it is joined with /.well-known/… and compared exactly.
    if "?" in text or "#" in text:
        raise ValueError("must have no query and no fragment")
    if text.endswith("/"):
        raise ValueError(f"must not end with a slash: write {json.dumps(text.rstrip('/'))}")
    if parts.path and not {"", ".", ".."}.isdisjoint(parts.path.split("/")[1:]):
        raise ValueError("must have no empty segments and no dot segments in its path")
    if re.fullmatch(r"[!-~]+", text) is None or parts.netloc != parts.netloc.lower():
        raise ValueError("must be ASCII with its host in lower case, because clients compare it byte by byte")


def require_web_address(text: str) -> None:
    """Refuse what a page could not safely link to."""
    _split_url(text)


def require_origin(text: str) -> None:
    """Refuse what is not scheme, host and port alone."""
    parts = _split_url(text)
    if parts.path or "?" in text or "#" in text:
        raise ValueError(f"must be an origin, without a path, not {json.dumps(text)}")


def require_client_name(text: str) -> None:
    """Refuse what could not be a table's name, a variable's part and a word on the command line alike."""
    if re.fullmatch(r"[a-z0-9][a-z0-9_]{0,63}", text) is None:
        raise ValueError(f"must be named with lower-case letters, digits and _, not {json.dumps(text)}")


def require_resource(text: str) -> None:
    """RFC 8707 section 2: an absolute URI without a fragment."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", text) is None or "#" in text:
        raise ValueError(f"must be an absolute URI without a fragment, not {json.dumps(text)}")


def require_scope(text: str) -> None:
    """RFC 6749 section 3.3: printable ASCII without space, quote and backslash."""
    if re.fullmatch(r"[!#-\[\]-~]{1,128}", text) is None:
        raise ValueError(f"must be a scope (ASCII without spaces and quotes), not {json.dumps(text)}")


def require_cookie_name(text: str) -> None:
    """RFC 6265 section 4.1.1: a token."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) is None:
        raise ValueError(f"must hold only letters, digits, - and _, not {json.dumps(text)}")


def _split_url(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  reading it is what validates it
    except ValueError as error:
        raise ValueError(f"must be an https:// address, not {json.dumps(text)}") from error
    if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
        raise ValueError(f"must be an https:// address without a user name, not {json.dumps(text)}")
    return parts
