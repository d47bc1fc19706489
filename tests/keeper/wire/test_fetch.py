"""An address that somebody else chose leads nowhere it must not (attack K-26). Real sockets, on loopback."""

import asyncio
import gzip
import ipaddress
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergrant.keeper.provider.fetched import Unfetched
from evergrant.keeper.wire.fetch import Fetcher, Reach
from tests.keeper.provider.issuing import Page, Site, certificate, site

NEAR = Reach(loopback=True, seconds=5.0)


@pytest.fixture
async def there() -> AsyncIterator[Site]:
    async with site() as served:
        yield served


class Names:
    """A name server: each question takes the next answer, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def refused(fetch: Fetcher, url: str, *, forbidden: bool) -> str:
    with pytest.raises(Unfetched) as caught:
        await fetch.get(url)
    assert caught.value.forbidden is forbidden
    return str(caught.value)


INSIDE = [
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "169.254.0.1",
    "100.100.100.200", "100.64.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255",
    "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "168.63.129.16",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2002:a00:1::1", "2001:0:5ef5:79fd:0:0:f5ff:fffe", "64:ff9b:1::1", "::7f00:1", "not an address",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
async def test_k_26_a_name_that_leads_inside_is_not_asked(address: str) -> None:
    names = Names([address])
    await refused(Fetcher(resolve=names), "https://issuer.example/", forbidden=True)
    with pytest.raises(Unfetched):
        await Fetcher(resolve=names).judge("https://issuer.example/")


@pytest.mark.parametrize("address", INSIDE)
async def test_k_26_one_address_inside_among_good_ones_is_enough(address: str) -> None:
    await refused(Fetcher(resolve=Names(["93.184.216.34", address])), "https://issuer.example/", forbidden=True)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "2a00:1450::1"])
async def test_k_26_a_name_that_leads_outside_may_be_asked(address: str) -> None:
    await Fetcher(resolve=Names([address])).judge("https://issuer.example/")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "0"],
)
async def test_k_26_no_spelling_of_this_machine_is_asked(host: str) -> None:
    await refused(Fetcher(), f"https://{host}/", forbidden=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/",
        "ftp://issuer.example/",
        "file:///etc/passwd",
        "gopher://issuer.example/",
        "//issuer.example/",
        "https://me:secret@issuer.example/",
        "https://issuer.example\\@127.0.0.1/",
        "https://issuer.example/\r\nHost: evil",
        "https://issuer.example/ x",
        "https://{x}.example/",
        "https://issuer.example:0/",
        "https://issuer.example/" + "x" * 3_000,
        "https://ıssuer.example/",
        "",
    ],
)
async def test_k_26_only_a_plain_https_address_is_asked(url: str) -> None:
    names = Names(["93.184.216.34"])
    await refused(Fetcher(resolve=names), url, forbidden=True)
    assert names.asked == []


async def test_k_26_http_reaches_this_machine_alone_even_where_it_is_allowed() -> None:
    await refused(Fetcher(NEAR, resolve=Names(["93.184.216.34"])), "http://localhost/", forbidden=True)


async def test_k_26_a_private_network_is_asked_when_it_is_allowed_by_name() -> None:
    reach = Reach(networks=("10.1.0.0/16", "fd00:1::/32"))
    for address in ("10.1.2.3", "fd00:1::5", "::ffff:10.1.2.3"):
        await Fetcher(reach, resolve=Names([address])).judge("https://issuer.example/")
    for address in ("10.2.0.1", "127.0.0.1", "169.254.169.254"):
        with pytest.raises(Unfetched):
            await Fetcher(reach, resolve=Names([address])).judge("https://issuer.example/")


async def test_a_document_comes_as_it_is(there: Site) -> None:
    there.put("/a?b=1", b"hello", status=418)
    found = await Fetcher(NEAR).get(f"{there.origin}/a?b=1")
    assert (found.status, found.body) == (418, b"hello")
    assert there.asked == [("/a?b=1", f"127.0.0.1:{there.port}")]


async def test_k_26_the_name_is_resolved_once_and_the_connection_goes_where_it_was_judged(
    there: Site, tmp_path: Path
) -> None:
    """A name that means something else the second time changes nothing; certificate and Host are the name's."""
    authority, context = certificate(tmp_path, "issuer.example")
    async with site(context) as named:
        named.put("/", b"here")
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        found = await Fetcher(NEAR, resolve=names, verify=authority).get(f"https://issuer.example:{named.port}/")
    assert found.body == b"here"
    assert names.asked == ["issuer.example"]
    assert named.asked == [("/", f"issuer.example:{named.port}")]


async def test_k_26_a_certificate_of_another_name_is_no_answer(tmp_path: Path) -> None:
    authority, context = certificate(tmp_path, "other.example")
    async with site(context) as named:
        fetch = Fetcher(NEAR, resolve=Names(["127.0.0.1"]), verify=authority)
        told = await refused(fetch, f"https://issuer.example:{named.port}/", forbidden=False)
    assert "no connection" in told
    assert named.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_k_26_no_redirect_is_followed(there: Site, status: int) -> None:
    there.pages["/"] = Page(status, b"", {"location": f"{there.origin}/secret"})
    await refused(Fetcher(NEAR), f"{there.origin}/", forbidden=False)
    assert [path for path, _ in there.asked] == ["/"]


async def test_k_26_a_body_has_a_budget_of_bytes(there: Site) -> None:
    reach = Reach(loopback=True, most_bytes=1_000)
    there.put("/most", b"x" * 1_000)
    there.put("/more", b"x" * 1_001)
    assert len((await Fetcher(reach).get(f"{there.origin}/most")).body) == 1_000
    assert "more than 1000 bytes" in await refused(Fetcher(reach), f"{there.origin}/more", forbidden=False)


async def test_k_26_a_packed_body_is_not_unpacked(there: Site) -> None:
    there.put("/", gzip.compress(b"x" * 10_000_000), **{"content-encoding": "gzip"})
    assert "packed" in await refused(Fetcher(NEAR), f"{there.origin}/", forbidden=False)


async def test_k_26_a_slow_body_has_a_budget_of_time(there: Site) -> None:
    there.pages["/"] = Page(200, b"x" * 200, dribble=200, pause=0.05)
    began = time.monotonic()
    told = await refused(Fetcher(Reach(loopback=True, seconds=0.3)), f"{there.origin}/", forbidden=False)
    assert "within 0.3 seconds" in told
    assert time.monotonic() - began < 5


async def test_k_26_a_slow_name_server_has_the_same_budget() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    await refused(Fetcher(Reach(seconds=0.05), resolve=never), "https://issuer.example/", forbidden=False)


async def test_no_proxy_of_the_environment_is_asked(there: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    there.put("/", b"direct")
    assert (await Fetcher(NEAR).get(f"{there.origin}/")).body == b"direct"


async def test_an_address_that_does_not_answer_gives_way_to_the_next(there: Site) -> None:
    there.put("/", b"second")
    names = Names(["127.0.0.2", "127.0.0.1"])  # nobody listens at the first
    found = await Fetcher(NEAR, resolve=names).get(f"http://localhost:{there.port}/")
    assert found.body == b"second"


async def test_a_name_without_address_and_a_closed_port_are_told(there: Site) -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    assert "does not resolve" in await refused(Fetcher(resolve=unknown), "https://issuer.example/", forbidden=False)
    assert "no address" in await refused(Fetcher(resolve=Names([])), "https://issuer.example/", forbidden=False)
    async with site() as gone:
        pass
    assert "no connection" in await refused(Fetcher(NEAR), f"{gone.origin}/", forbidden=False)


@pytest.mark.parametrize("garbage", [b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"])
async def test_an_answer_that_is_no_http_is_told(garbage: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(garbage)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert "no whole answer" in await refused(Fetcher(NEAR), url, forbidden=False)
    finally:
        server.close()
        await server.wait_closed()


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_k_26_no_private_address_is_ever_taken_for_a_public_one(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    try:
        asyncio.run(Fetcher(resolve=Names([str(address)])).judge("https://issuer.example/"))
    except Unfetched:
        return
    inner = getattr(address, "ipv4_mapped", None) or address
    assert not (inner.is_loopback)
    assert not (inner.is_link_local)
    assert not (inner.is_multicast)
    assert not (inner.is_unspecified)
    assert inner.is_global
