"""A real server process on loopback, with one person and one client, for tests of the wire and of signals.

What lives here: starting `evergrant.serving` on a free port, talking to it in bytes, and stopping it. Run as a module
it is that server. What must not: assertions.
"""

import asyncio
import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evergrant.assembly import opened
from evergrant.config import Config, load
from evergrant.domain.client import Client, ClientType
from evergrant.domain.registration import GRANTS_OF, METHODS, PRESET_OF
from evergrant.serving import Sources, bound, serve
from tests.secrecy import watch_output

ROOT: Final = Path(__file__).resolve().parents[1]
NAME: Final = "ada@example.com"
PASSWORD: Final = "unlikely lantern orbit"
CALLBACK: Final = "http://127.0.0.1:9/callback"
PATIENCE: Final = 30
CHEAP: Final = {"password.memory_kib": 7168, "password.iterations": 1, "password.parallelism": 1}


@dataclass
class Served:
    """A server process. *log* is its standard error."""

    process: subprocess.Popen[bytes]
    port: int
    client_id: str
    log: Path

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def issuer(self) -> str:
        return f"http://{self.host}"

    def connect(self, patience: float = PATIENCE) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=patience)

    def exchange(self, raw: bytes, patience: float = PATIENCE) -> bytes:
        """Send bytes, and read until the server closes."""
        with self.connect(patience) as link:
            link.sendall(raw)
            return until_closed(link)

    def memory(self) -> int:
        """Resident bytes of the process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


def until_closed(link: socket.socket) -> bytes:
    """Everything that comes until the other side closes or resets."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := link.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def answer_on(link: socket.socket) -> bytes:
    """One whole answer on a connection that stays open."""
    got = b""
    while True:
        head, ended, body = got.partition(b"\r\n\r\n")
        if ended and len(body) >= _length(head):
            return got
        part = link.recv(65_536)
        if not part:
            return got
        got += part


def _length(head: bytes) -> int:
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return next((int(value) for name, _, value in lines if name == b"content-length"), 0)


def status(answer: bytes) -> int:
    """The status of the first answer in some bytes; 0 when there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


@contextlib.contextmanager
def served(
    folder: Path, patch: Mapping[str, Any] | None = None, config: Mapping[str, Any] | None = None
) -> Iterator[Served]:
    """A server for as long as the block runs. *patch* maps dotted names of constants to other values."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    told = json.dumps({"folder": str(folder), "patch": patch or {}, "config": config or {}})
    watch_output(log)
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.served", told], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors
        )
    try:
        ready = json.loads(_first_line(process, log))
        yield Served(process, ready["port"], ready["client_id"], log)
    finally:
        _stop(process)


def _first_line(process: subprocess.Popen[bytes], log: Path) -> bytes:
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        raise AssertionError(f"the server did not start:\n{log.read_text()}")
    return line


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()


def wait_for(condition: Any, patience: float = PATIENCE) -> bool:
    """Whether a condition came true in time."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


async def furnished(config: Config) -> str:
    """Make the person and the client where they are missing; the client's id."""
    async with opened(config) as house:
        if held := await house.clients.every():
            return held[0].id
        await house.accounts.add(NAME, PASSWORD)
        kind = ClientType.SPA
        client = Client(
            house.clients.new_id(), "App", kind, METHODS[kind], (CALLBACK,), ("openid", "profile", "offline_access"),
            GRANTS_OF[kind], PRESET_OF[kind], house.clock.now(),
        )  # fmt: skip
        await house.clients.add(client)
        return client.id


def main() -> None:
    """Serve as the first argument says."""
    told = json.loads(sys.argv[1])
    for name, value in told["patch"].items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(module), constant, value)
    asked = {"store.data": f"{told['folder']}/data", "server.listen": "127.0.0.1:0", **CHEAP, **told["config"]}
    sock, config = bound(load(None, {}, asked))
    client_id = asyncio.run(furnished(config))
    ready = json.dumps({"port": config.server.address[1], "client_id": client_id})
    serve(config, sock, Sources(None, asked), lambda: print(ready, flush=True))


if __name__ == "__main__":
    main()
