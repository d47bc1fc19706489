"""Which text is an address that can be asked: absolute, https, and clear about where it leads."""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

LONGEST_HOST: Final = 253
LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"


def check_address(address: str) -> None:
    """Raise `ValueError` with a clause unless *address* is plain ASCII, https, and has a host that can be reached.

    http is left to this very machine.
    """
    if not address.isascii() or re.search(r"[\s\\\"<>^`|{}]", address):
        raise ValueError("must be plain ASCII without spaces and backslashes; write an IDN in its xn-- form")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is not an address: {error}") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError("must begin with https://")
    if "@" in parts.netloc or "#" in address or port == 0:
        raise ValueError("must have no user name, no fragment and no port 0")
    if not is_host(parts.hostname or ""):
        raise ValueError("has no host name that can be reached")


def is_loopback(host: str) -> bool:
    """Whether *host* is this very machine by its name alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_plain(address: str) -> bool:
    """Whether *address* is http, which `check_address` leaves to loopback."""
    return address.lower().startswith("http:")


def is_host(host: str) -> bool:
    """Whether *host* is a name or a literal address that can be connected to."""
    if is_loopback(host):
        return True
    try:
        return not ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return len(host) <= LONGEST_HOST and re.fullmatch(rf"{LABEL}(?:\.{LABEL})*", host, re.ASCII) is not None
