"""One request, read whole and within limits, as a value."""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, Final

from evergrant.protocol.error import Code, Refused
from evergrant.protocol.form import MEDIA_TYPE, BadForm, Form, FormLimits, is_form, parse_form

MAX_AGENT: Final = 256
FORM: Final = MEDIA_TYPE.encode("ascii")
MAX_COOKIES: Final = 50
DPOP: Final = b"dpop"
CLIENT_CERT: Final = b"client-cert"
"""There only when a trusted proxy sent it and the configuration says that it does (RFC 9440)."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def never() -> bool:
    """The answer to whether somebody has hung up, where nobody can know."""
    return False


class Ask:
    """A request. Header names are lower-case bytes; *network* is the address of whoever asks, as far as it is known.

    *gone* says whether whoever asked has hung up.
    """

    __slots__ = ("_cookies", "_limits", "body", "gone", "headers", "method", "network", "path", "query")

    def __init__(
        self, method: str, path: str, query: bytes, headers: Mapping[bytes, bytes], body: bytes, network: str,
        limits: FormLimits, gone: Callable[[], bool] = never,
    ) -> None:  # fmt: skip
        self.method: Final = method
        self.path: Final = path
        self.query: Final = query
        self.headers: Final = headers
        self.body: Final = body
        self.network: Final = network
        self.gone: Final = gone
        self._limits: Final = limits
        self._cookies: dict[str, str] | None = None

    def header(self, name: bytes) -> str:
        """A header's value, empty when it is absent."""
        value = self.headers.get(name)
        return "" if value is None else value.decode("latin-1")

    @property
    def agent(self) -> str:
        """The User-Agent, cut to what is worth keeping, printable."""
        text = self.header(b"user-agent")[:MAX_AGENT]
        return text if text.isprintable() else "".join(letter for letter in text if letter.isprintable())

    def form(self) -> Form:
        """The body as a form. Raises `Refused` (attacks A-01 to A-04)."""
        kind = self.headers.get(b"content-type")
        if kind != FORM and not is_form(self.header(b"content-type")):
            raise Refused(Code.INVALID_REQUEST, "The body must be application/x-www-form-urlencoded in UTF-8.")
        return self._parsed(self.body)

    def parameters(self) -> Form:
        """The query as a form. Raises `Refused`."""
        return self._parsed(self.query)

    def _parsed(self, raw: bytes) -> Form:
        try:
            return parse_form(raw, self._limits)
        except BadForm as error:
            raise Refused(Code.INVALID_REQUEST, f"The request cannot be read: {error}.") from error

    def cookie(self, name: str) -> str:
        """A cookie's value, empty when it is absent or sent twice (a second one may be planted from a sub-domain)."""
        if self._cookies is None:
            self._cookies = _cookies(self.header(b"cookie"))
        return self._cookies.get(name, "")


def _cookies(header: str) -> dict[str, str]:
    found: dict[str, str] = {}
    twice: set[str] = set()
    for part in header.split(";")[:MAX_COOKIES]:
        name, _, value = part.strip().partition("=")
        if name in found:
            twice.add(name)
        found[name] = value
    return {name: value for name, value in found.items() if name not in twice}


def network_of(scope: Mapping[str, Any], headers: Mapping[bytes, bytes], trusted: tuple[Network, ...]) -> str:
    """Who asks: the peer, or what a trusted proxy says in X-Forwarded-For, read from the right (attack U-14)."""
    client = scope.get("client")
    peer = str(client[0]) if client else ""
    if not trusted or not _within(peer, trusted):
        return peer
    forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1")
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    for hop in reversed(hops):
        if not _is_address(hop):
            return peer
        if not _within(hop, trusted):
            return hop
    return hops[0] if hops else peer


def comes_from(scope: Mapping[str, Any], trusted: tuple[Network, ...]) -> bool:
    """Whether the connection is one of a trusted proxy."""
    client = scope.get("client")
    return client is not None and _within(str(client[0]), trusted)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _within(text: str, networks: tuple[Network, ...]) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks if network.version == address.version)
