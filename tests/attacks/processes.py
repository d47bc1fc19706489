"""Real `evergrant serve` processes on one data directory, and many presenters of refresh tokens.

What lives here: making the directory, starting and stopping the servers, sending in the same moment. What must not: an
assertion of one row.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from evergrant.assembly import DATABASE, open_kek
from evergrant.clock import FixedClock
from evergrant.config import Config
from evergrant.domain.event import What
from evergrant.domain.family import Family
from evergrant.entropy import SystemEntropy
from evergrant.store.port import EventQuery
from evergrant.store.sqlite import SqliteStore
from evergrant.testing.in_process import ISSUER, running
from tests.issuing import Held, again, family_of, hold
from tests.secrecy import record_secrets_in, watch_output

PATIENCE = 60


@dataclass(frozen=True)
class Presented:
    status: int
    members: dict[str, str]
    head: bytes = b""


async def signed_in(data: Path, families: int) -> list[Held]:
    """A data directory as a server makes it, with that many sign-ins of one client."""
    open_kek(Config().replace(store__data=data), SystemEntropy())
    clock = FixedClock(int(time.time()))
    async with running(data, SqliteStore.open(data / DATABASE), clock=clock) as issuer:
        await issuer.person()
        held, browser = await hold(issuer), issuer.browser()
        return [held, *[await again(held, browser) for _ in range(families - 1)]]


@contextlib.contextmanager
def server(data: Path, workers: int) -> Iterator[int]:
    """`evergrant serve` on a free port, for as long as the block runs; the port."""
    log = data / f"server-{time.monotonic_ns()}.log"
    command = [sys.executable, "-m", "evergrant", "serve", "--data", str(data), "--listen", "127.0.0.1:0"]
    command += ["--issuer", ISSUER, "--workers", str(workers), "--json"]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
    watch_output(log)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        yield int(json.loads(line)["listening"].rpartition(":")[2])
    finally:
        process.terminate()
        process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()


def request(held: Held) -> bytes:
    form = {"grant_type": "refresh_token", "refresh_token": held.refresh, "client_id": held.client.id}
    body = urlencode(form).encode()
    head = (
        f"POST /token HTTP/1.1\r\nHost: {ISSUER.removeprefix('http://')}\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def present(port: int, raw: bytes, start: asyncio.Barrier) -> Presented:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await start.wait()
        writer.write(raw)
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
    finally:
        writer.close()
    record_secrets_in(answer)
    head, _, body = answer.partition(b"\r\n\r\n")
    return Presented(int(head.split(b" ", 2)[1]), json.loads(body), head.lower())


async def storm(ports: list[int], everyone: list[Held]) -> list[Presented]:
    """Every presenter connects first, then all send in the same moment, each to one of the servers in turn."""
    start = asyncio.Barrier(len(everyone))
    turns = (present(ports[at % len(ports)], request(held), start) for at, held in enumerate(everyone))
    return await asyncio.gather(*turns)


async def families_of(data: Path, everyone: list[Held]) -> tuple[list[Family], Counter[What]]:
    async with running(data, SqliteStore.open(data / DATABASE)) as issuer:
        found = [await family_of(issuer, held.access) for held in everyone]
        trail = await issuer.house.store.read(lambda tx: tx.events.find(EventQuery(limit=10_000)))
        return found, Counter(event.what for _, event in trail)
