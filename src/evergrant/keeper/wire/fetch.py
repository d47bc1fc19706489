"""Asking at an address that somebody else chose, without being led into our own network.

The host is resolved once, every address it has is judged, and the connection goes to an address that was judged: a name
that means something else a moment later changes nothing. No redirect is followed, no proxy asked, no body unpacked, and
time and bytes have a budget. Certificates are checked against the name, not against the pinned address.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx2

from evergrant.keeper.provider.address import check_address, is_loopback
from evergrant.keeper.provider.fetched import Fetched, Unfetched

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

AGENT: Final = "evergrant-keeper"
ADDRESSES_TRIED: Final = 3
_LONGEST: Final = 2_000
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_NEVER: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # a cloud's own services answer here, although the address is a public one
        "192.88.99.0/24",
        "192.0.0.0/24",
        "fec0::/10",
        "64:ff9b:1::/48",
    )
)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a fetch may go. *networks*: in CIDR, private ones that are allowed all the same."""

    loopback: bool = False
    """This machine, and http on it."""
    networks: tuple[str, ...] = ()
    seconds: float = 10.0
    most_bytes: int = 262_144


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    host: str
    port: int
    path: str

    @property
    def named(self) -> str:
        """What the Host header says."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == _PORTS[self.scheme] else f"{shown}:{self.port}"

    def at(self, address: str) -> str:
        shown = f"[{address}]" if ":" in address else address
        return f"{self.scheme}://{shown}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class _Said:
    """What is asked there. Headers and body are not in the `repr`: they may be signed."""

    method: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


_PORTS: Final = {"https": 443, "http": 80}


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of *host*, as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Fetcher:
    """Fetches single documents. *verify*: a file with certificate authorities, the system's when it is empty."""

    def __init__(self, reach: Reach | None = None, *, resolve: Resolve = resolve, verify: str = "") -> None:
        self._reach = reach or Reach()
        self._networks = tuple(ipaddress.ip_network(each) for each in self._reach.networks)
        self._resolve = resolve
        self._verify = verify

    async def get(self, url: str) -> Fetched:
        """GET *url*. Raises `Unfetched`."""
        return await self._within_time(url, "GET", {"Accept": "application/json"}, b"")

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Fetched:
        """POST *body* to *url*: for webhooks, which are held to the same rules. Raises `Unfetched`."""
        return await self._within_time(url, "POST", headers, body)

    async def _within_time(self, url: str, method: str, headers: Mapping[str, str], body: bytes) -> Fetched:
        target = self._target(url)
        said = _Said(method, headers, body)
        try:
            async with asyncio.timeout(self._reach.seconds):
                return await self._asked(target, said, await self._addresses(target))
        except TimeoutError as error:
            raise Unfetched(f"{target.host} did not answer within {self._reach.seconds:g} seconds") from error

    async def judge(self, url: str) -> None:
        """Raise `Unfetched` unless *url* may be asked."""
        target = self._target(url)
        try:
            async with asyncio.timeout(self._reach.seconds):
                await self._addresses(target)
        except TimeoutError as error:
            raise Unfetched(f"{target.host} could not be resolved in {self._reach.seconds:g} seconds") from error

    def _target(self, url: str) -> _Target:
        try:
            if len(url) > _LONGEST or "{" in url:
                raise Unfetched("that is no address that can be fetched", forbidden=True)
            check_address(url)
            parts = urlsplit(url)
        except ValueError as error:
            raise Unfetched(f"the address {error}", forbidden=True) from error
        host = parts.hostname or ""
        if parts.scheme == "http" and not self._reach.loopback:
            raise Unfetched("the address must begin with https://", forbidden=True)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _Target(parts.scheme, host, parts.port or _PORTS[parts.scheme], path)

    async def _addresses(self, target: _Target) -> list[str]:
        try:
            found = list(dict.fromkeys(await self._resolve(target.host, target.port)))
        except (OSError, UnicodeError) as error:
            raise Unfetched(f"{target.host} has no address: its name does not resolve") from error
        if not found:
            raise Unfetched(f"{target.host} has no address")
        for address in found:
            if problem := self._problem(address, plain=target.scheme == "http"):
                raise Unfetched(f"{target.host} {problem}; allow it by name if it is meant", forbidden=True)
        return found

    def _problem(self, address: str, *, plain: bool) -> str:
        """Why *address* may not be asked; empty when it may."""
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return "has an address that cannot be read"
        if plain and not ip.is_loopback:
            return "is not on this machine, and http is for this machine alone"
        for inner in _meant(ip):
            if inner.is_loopback:
                if not self._reach.loopback:
                    return "leads to this very machine"
            elif not any(inner in network for network in self._networks) and not _is_public(inner):
                return "leads into a private network"
        return ""

    async def _asked(self, target: _Target, said: _Said, addresses: Sequence[str]) -> Fetched:
        limits = httpx2.Limits(max_connections=1, max_keepalive_connections=0)
        async with httpx2.AsyncClient(
            verify=self._context(), trust_env=False, follow_redirects=False, limits=limits, timeout=self._reach.seconds
        ) as client:
            for address in addresses[:ADDRESSES_TRIED]:
                try:
                    return await self._exchange(client, target, said, address)
                except (httpx2.ConnectError, httpx2.ConnectTimeout):
                    continue
                except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
                    raise Unfetched(f"{target.host} gave no whole answer: {type(error).__name__}") from error
        raise Unfetched(f"no connection to {target.host}")

    def _context(self) -> ssl.SSLContext:
        if self._verify:
            return ssl.create_default_context(cafile=self._verify)
        return httpx2.create_ssl_context(trust_env=False)

    async def _exchange(self, client: httpx2.AsyncClient, target: _Target, said: _Said, address: str) -> Fetched:
        request = client.build_request(
            said.method,
            target.at(address),
            headers={
                **said.headers,
                "Host": target.named,
                "Accept-Encoding": "identity",
                "User-Agent": AGENT,
            },
            content=said.body or None,
        )
        if not _is_literal(target.host):
            request.extensions["sni_hostname"] = target.host
        answer = await client.send(request, stream=True, follow_redirects=False)
        try:
            if answer.is_redirect or answer.has_redirect_location:
                raise Unfetched(
                    f"{target.host} sends somewhere else (status {answer.status_code}); that is not followed"
                )
            if answer.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
                raise Unfetched(f"{target.host} answers with a packed body, which was not asked for")
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > self._reach.most_bytes:
                    raise Unfetched(f"{target.host} answers with more than {self._reach.most_bytes} bytes")
        finally:
            await answer.aclose()
        return Fetched(answer.status_code, bytes(body))


def _meant(ip: Ip) -> list[Ip]:
    """The address itself and those inside it: IPv4 can travel in IPv6 in several ways."""
    found: list[Ip] = [ip]
    if isinstance(ip, ipaddress.IPv6Address):
        found += [inner for inner in (ip.ipv4_mapped, ip.sixtofour) if inner is not None]
        if ip.teredo is not None:
            found += ip.teredo
        if ip in _NAT64:
            found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if ip in _NAT64 or ip.ipv4_mapped is not None:
            found.remove(ip)
    return found


def _is_public(ip: Ip) -> bool:
    outside = any(ip in network for network in _NEVER)
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or outside)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return is_loopback(host) and host != "localhost"
    return True
