"""A real HTTP server on loopback that answers with whatever a test puts at an address."""

import asyncio
import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Page:
    """One answer. *dribble*: the body comes in so many pieces with a pause of *pause* seconds between them."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    dribble: int = 1
    pause: float = 0.0


@dataclass
class Site:
    """*asked*: each request's path and Host header."""

    port: int
    scheme: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def put(self, path: str, found: object, status: int = 200, **headers: str) -> None:
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.pages[path] = Page(status, body, {"content-type": "application/json", **headers})

    def describe(self, issuer: str = "", path: str = "/.well-known/openid-configuration", **changes: Any) -> None:
        """Put a document about *issuer* at *path*; a change to None takes a member away."""
        home = issuer or self.origin
        document = {
            "issuer": home,
            "authorization_endpoint": f"{home}/authorize",
            "token_endpoint": f"{home}/token",
            "jwks_uri": f"{home}/jwks",
            **changes,
        }
        self.put(path, {name: value for name, value in document.items() if value is not None})


@asynccontextmanager
async def site(context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Site]:
    served: Site | None = None

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            assert served is not None
            path = head[0].split(" ")[1]
            names = [line.partition(":")[2].strip() for line in head if line.lower().startswith("host:")]
            served.asked.append((path, names[0]))
            await _write(writer, served.pages.get(path, Page(404, b"{}")))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the fetcher hung up, which is what some tests are about
        finally:
            writer.close()

    server = await asyncio.start_server(answer, host, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    served = Site(port, "https" if context else "http")
    try:
        yield served
    finally:
        server.close()
        await server.wait_closed()


async def _write(writer: asyncio.StreamWriter, page: Page) -> None:
    headers = {"content-length": str(len(page.body)), "connection": "close", **page.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {page.status} OK\r\n{lines}\r\n".encode("latin-1"))
    size = max(1, -(-len(page.body) // page.dribble))
    for start in range(0, len(page.body), size):
        writer.write(page.body[start : start + size])
        await writer.drain()
        if page.pause:
            await asyncio.sleep(page.pause)
    await writer.drain()


def certificate(folder: Path, host: str) -> tuple[str, ssl.SSLContext]:
    """A certificate for *host* that vouches for itself: the file with it, and a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{host}.pem", folder / f"{host}.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return str(public), context
