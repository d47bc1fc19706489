"""Whether two addresses are one, after the normalisation of RFC 3986 section 6.2.2 and 6.2.3 (RFC 9449 section 4.3).

Query and fragment do not count. What lives here: comparing. What must not: redirect URIs, which are compared exactly
(`protocol.redirect`).
"""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

MAX_URL: Final = 4_096
_PORTS: Final = {"https": 443, "http": 80}
_PERCENT: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@lru_cache(maxsize=256)
def normal_url(text: str) -> str:
    """An http or https address in its normal form without query and fragment; empty when it is not one."""
    if len(text) > MAX_URL or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return ""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return ""
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if scheme not in _PORTS or not host or "@" in parts.netloc or _BAD_PERCENT.search(parts.path):
        return ""
    named = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS[scheme]:
        named = f"{named}:{port}"
    return f"{scheme}://{named}{_path(_PERCENT.sub(_shortest, parts.path))}"


def _shortest(match: re.Match[str]) -> str:
    letter = chr(int(match[1], 16))
    return letter if letter in _UNRESERVED else match[0].upper()


def _path(path: str) -> str:
    """Without dot segments (RFC 3986 section 5.2.4); the empty one is the root."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for place, segment in enumerate(segments):
        last = place == len(segments) - 1
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
            continue
        if last:
            kept.append("")
    return "/" + "/".join(kept)
