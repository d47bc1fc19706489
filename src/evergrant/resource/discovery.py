"""What an issuer says of itself, for those who check its tokens (RFC 8414 section 3, OpenID Connect Discovery 4)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from evergrant.fetch.address import check_address, is_plain
from evergrant.fetch.fetched import Fetched, Unfetched
from evergrant.protocol.compact import Unreadable, json_object
from evergrant.protocol.ending import METADATA
from evergrant.resource.flight import Flight

_FOUND: Final = 200
_OAUTH: Final = "/.well-known/oauth-authorization-server"
_OPENID: Final = "/.well-known/openid-configuration"
_MEMBERS: Final = ("jwks_uri", "introspection_endpoint", METADATA)
Get = Callable[[str], Awaitable[Fetched]]


def openid_address(issuer: str) -> str:
    """Where OpenID Connect Discovery (section 4) has the document: what an OpenAPI document names."""
    return issuer.rstrip("/") + _OPENID


class Undiscovered(Exception):
    """The issuer has no document of its own at either of its two places; `str()` is for the operator."""


@dataclass(frozen=True, slots=True)
class Described:
    """The addresses that matter here; empty where the issuer offers none."""

    keys: str
    introspection: str = ""
    feed: str = ""
    """Of what has ended (`protocol.ending`)."""


class Directory:
    """The description of one issuer: fetched once for everybody who needs it, and again after it has misled."""

    def __init__(self, issuer: str, get: Get) -> None:
        self._issuer: Final = issuer
        self._get: Final = get
        self._known: Described | None = None
        self._flight: Final = Flight(self._fetch)

    async def look(self) -> Described:
        """What the issuer says of itself. Raises `Undiscovered`."""
        if self._known is None:
            self._known = await asyncio.shield(self._flight.start())
        return self._known

    def forget(self) -> None:
        """Ask again next time: an address that was there may have moved."""
        self._known = None

    async def stop(self) -> None:
        """End what is under way."""
        await self._flight.stop()

    async def _fetch(self) -> Described:
        return await described(self._issuer, self._get)


def places(issuer: str) -> tuple[str, str]:
    """Where the document may be: RFC 8414 inserts the well-known part after the host, OpenID Connect appends it."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    inserted = parts._replace(path=_OAUTH + path).geturl()
    return inserted, openid_address(issuer)


async def described(issuer: str, get: Get) -> Described:
    """The issuer's own description. Raises `Undiscovered`.

    The document must name exactly this issuer (RFC 8414 section 3.3), or the keys of one would vouch for another.
    """
    said = []
    for url in places(issuer):
        try:
            answer = await get(url)
        except Unfetched as error:
            said.append(str(error))
            continue
        if answer.status != _FOUND:
            said.append(f"{url} answers {answer.status}")
            continue
        try:
            return _read(json_object(answer.body), issuer)
        except (Unreadable, ValueError) as error:
            said.append(f"{url}: {error}")
    raise Undiscovered("; ".join(said))


def _read(document: Mapping[str, Any], issuer: str) -> Described:
    if document.get("issuer") != issuer:
        raise ValueError("it describes another issuer")
    keys, introspection, feed = (_address(document, member, issuer) for member in _MEMBERS)
    return Described(keys, introspection, feed)


def _address(document: Mapping[str, Any], member: str, issuer: str) -> str:
    address = document.get(member, "")
    if address == "":
        return ""
    if not isinstance(address, str):
        raise ValueError(f"its {member} is no text")  # noqa: TRY004 - a document's mistake, not a caller's
    try:
        check_address(address)
    except ValueError as error:
        raise ValueError(f"its {member} {error}") from error
    if is_plain(address) and not is_plain(issuer):
        raise ValueError(f"its {member} is not https")
    return address
