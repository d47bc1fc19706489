"""Asking at an address that somebody else chose, without being led into our own network.

The host is resolved once, every address it has is judged, and the connection goes to an address that was judged: a name
that means something else a moment later changes nothing. No redirect is followed, no proxy asked, no body unpacked, and
time and bytes have a budget. Certificates are checked against the name, not against the pinned address.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Final
from urllib.parse import urlsplit

import httpx2

from evergrant.fetch.address import check_address, is_loopback
from evergrant.fetch.fetched import Fetched, Listened, Unfetched

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

JSON: Final = "application/json"
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

    agent: ClassVar[str] = "evergrant"
    unfetched: ClassVar[type[Unfetched]] = Unfetched
    """What is raised; a side that has errors of its own names one that is both."""

    def __init__(self, reach: Reach | None = None, *, resolve: Resolve = resolve, verify: str = "") -> None:
        self._reach = reach or Reach()
        self._networks = tuple(ipaddress.ip_network(each) for each in self._reach.networks)
        self._resolve = resolve
        self._verify = verify
        self._tls: ssl.SSLContext | None = None

    async def get(self, url: str) -> Fetched:
        """GET *url*. Raises `Unfetched`."""
        return await self._within_time(url, "GET", {"Accept": JSON}, b"")

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Fetched:
        """POST *body* to *url*: webhooks and introspection are held to the same rules. Raises `Unfetched`."""
        return await self._within_time(url, "POST", headers, body)

    @asynccontextmanager
    async def listen(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[Listened]:
        """GET *url* and read its body as it comes, for as long as it comes.

        The budget of time is for the answer to begin; how long it may be silent is for the reader to say, and no part
        is longer than the budget of bytes. Raises `Unfetched`.
        """
        target = self._target(url)
        async with AsyncExitStack() as open_:
            try:
                async with asyncio.timeout(self._reach.seconds):
                    client = await open_.enter_async_context(self._client(target, None))
                    answer = await self._sent(client, target, _Said("GET", headers, b""), await self._addresses(target))
                    open_.push_async_callback(answer.aclose)
                    self._judge_head(target, answer)
            except TimeoutError as error:
                raise self._late(target) from error
            yield Listened(answer.status_code, _media_type(answer), self._parts(target, answer))

    async def _parts(self, target: "_Target", answer: httpx2.Response) -> AsyncIterator[bytes]:
        try:
            async for part in answer.aiter_raw():
                yield part
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise self.unfetched(f"{target.host} stopped speaking: {type(error).__name__}") from error

    async def _within_time(self, url: str, method: str, headers: Mapping[str, str], body: bytes) -> Fetched:
        target = self._target(url)
        said = _Said(method, headers, body)
        try:
            async with asyncio.timeout(self._reach.seconds):
                return await self._asked(target, said, await self._addresses(target))
        except TimeoutError as error:
            raise self._late(target) from error

    async def judge(self, url: str) -> None:
        """Raise `Unfetched` unless *url* may be asked."""
        target = self._target(url)
        try:
            async with asyncio.timeout(self._reach.seconds):
                await self._addresses(target)
        except TimeoutError as error:
            raise self.unfetched(f"{target.host} could not be resolved in {self._reach.seconds:g} seconds") from error

    def _target(self, url: str) -> _Target:
        if len(url) > _LONGEST:
            raise self.unfetched("the address is longer than any that is fetched", forbidden=True)
        try:
            check_address(url)
            parts = urlsplit(url)
        except ValueError as error:
            raise self.unfetched(f"the address {error}", forbidden=True) from error
        host = parts.hostname or ""
        if parts.scheme == "http" and not self._reach.loopback:
            raise self.unfetched("the address must begin with https://", forbidden=True)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _Target(parts.scheme, host, parts.port or _PORTS[parts.scheme], path)

    async def _addresses(self, target: _Target) -> list[str]:
        try:
            found = list(dict.fromkeys(await self._resolve(target.host, target.port)))
        except (OSError, UnicodeError) as error:
            raise self.unfetched(f"{target.host} has no address: its name does not resolve") from error
        if not found:
            raise self.unfetched(f"{target.host} has no address")
        for address in found:
            if problem := self._problem(address, plain=target.scheme == "http"):
                raise self.unfetched(f"{target.host} {problem}; allow it by name if it is meant", forbidden=True)
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
        async with self._client(target, self._reach.seconds) as client:
            answer = await self._sent(client, target, said, addresses)
            try:
                self._judge_head(target, answer)
                return Fetched(answer.status_code, await self._body(target, answer), _media_type(answer))
            finally:
                await answer.aclose()

    def _client(self, target: _Target, seconds: float | None) -> httpx2.AsyncClient:
        limits = httpx2.Limits(max_connections=1, max_keepalive_connections=0)
        # Reading the system's authorities takes longer than all the rest: not for http, which is for loopback alone.
        tls = self._context() if target.scheme == "https" else False
        return httpx2.AsyncClient(verify=tls, trust_env=False, follow_redirects=False, limits=limits, timeout=seconds)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            if self._verify:
                self._tls = ssl.create_default_context(cafile=self._verify)
            else:
                self._tls = httpx2.create_ssl_context(trust_env=False)
        return self._tls

    async def _sent(
        self, client: httpx2.AsyncClient, target: _Target, said: _Said, addresses: Sequence[str]
    ) -> httpx2.Response:
        for address in addresses[:ADDRESSES_TRIED]:
            try:
                return await client.send(self._request(client, target, said, address), stream=True)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
            except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
                raise self._torn(target, error) from error
        raise self.unfetched(f"no connection to {target.host}")

    def _request(self, client: httpx2.AsyncClient, target: _Target, said: _Said, address: str) -> httpx2.Request:
        request = client.build_request(
            said.method,
            target.at(address),
            headers={
                **said.headers,
                "Host": target.named,
                "Accept-Encoding": "identity",
                "User-Agent": self.agent,
            },
            content=said.body or None,
        )
        if not _is_literal(target.host):
            request.extensions["sni_hostname"] = target.host
        return request

    def _judge_head(self, target: _Target, answer: httpx2.Response) -> None:
        if answer.is_redirect or answer.has_redirect_location:
            raise self.unfetched(
                f"{target.host} sends somewhere else (status {answer.status_code}); that is not followed"
            )
        if answer.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
            raise self.unfetched(f"{target.host} answers with a packed body, which was not asked for")

    async def _body(self, target: _Target, answer: httpx2.Response) -> bytes:
        body = bytearray()
        try:
            async for part in answer.aiter_raw():
                body += part
                if len(body) > self._reach.most_bytes:
                    raise self.unfetched(f"{target.host} answers with more than {self._reach.most_bytes} bytes")
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise self._torn(target, error) from error
        return bytes(body)

    def _torn(self, target: _Target, error: Exception) -> Unfetched:
        return self.unfetched(f"{target.host} gave no whole answer: {type(error).__name__}")

    def _late(self, target: _Target) -> Unfetched:
        return self.unfetched(f"{target.host} did not answer within {self._reach.seconds:g} seconds")


def _media_type(answer: httpx2.Response) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()


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
