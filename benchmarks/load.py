"""Drive the refresh grant: N keep-alive connections, each renewing one family again and again.

What lives here: the wire as the driver needs it, and the counting. It runs as a process of its own on the load core, so
that its own cost never lands on the server's. What must not: how families are obtained, or which server this is.
Neighbours: `servers` says what a server offers, `rounds` starts this and reads the JSON it prints.

Every answer is checked while the clock runs: 200, a refresh token that differs from the one presented, an ID token and
(where the server issues them) an access token in the shape of a JWT. Signatures are checked afterwards, on the last
answers, by `rounds`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import time
from array import array
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import uvloop

from benchmarks import processes


@dataclass(frozen=True, slots=True)
class Spec:
    """One measurement: where to, with which families, for how long."""

    port: int
    path: str
    host: str
    """The Host header: the issuer's authority, which need not be the address."""
    headers: dict[str, str]
    form: dict[str, str]
    """What is sent beside `grant_type` and `refresh_token`; already percent-encoded."""
    refresh_tokens: list[str]
    jwt_access_token: bool
    id_token: bool
    warmup: float
    duration: float
    server_pid: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What one measurement found; times in milliseconds unless the name says otherwise."""

    refreshes: int
    seconds: float
    per_second: float
    p50: float
    p90: float
    p99: float
    longest: float
    statuses: dict[str, int]
    faults: dict[str, int]
    server_cpu_us: float
    """CPU microseconds of the server per refresh."""
    server_cpu_share: float
    driver_cpu_share: float
    foreign_share: float
    """How much of the server's core somebody else used meanwhile."""
    last_answers: list[dict[str, Any]]


_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+").fullmatch
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Tally:
    """What all chains write into; counts only while the measuring window is open."""

    def __init__(self) -> None:
        self.open = False
        self.latencies = array("d")
        self.statuses: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()


class Chain(asyncio.Protocol):
    """One family on one connection: present, check, present what came back."""

    def __init__(self, spec: Spec, token: str, tally: Tally) -> None:
        headers = "".join(f"{name}: {value}\r\n" for name, value in spec.headers.items())
        self._head = (
            f"POST {spec.path} HTTP/1.1\r\nHost: {spec.host}\r\n{headers}"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
        ).encode()
        fixed = "".join(f"{name}={value}&" for name, value in spec.form.items())
        self._form = f"{fixed}grant_type=refresh_token&refresh_token=".encode()
        self._spec = spec
        self._tally = tally
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.token = token
        self.last: dict[str, Any] = {}
        self.stopping = False
        self.stopped = asyncio.Event()

    async def connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._spec.port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not registered as asyncio.Transport, so a cast it is and no isinstance.
        self._transport = cast("asyncio.Transport", transport)
        self._buffer = b""
        self._present()

    def _present(self) -> None:
        body = self._form + self.token.encode()
        self._sent_at = time.perf_counter()
        assert self._transport is not None
        self._transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))

    def data_received(self, received: bytes) -> None:
        answer = self._buffer + received if self._buffer else received
        end = answer.find(b"\r\n\r\n")
        length = _LENGTH.search(answer, 0, end + 2) if end >= 0 else None
        if length is None or len(answer) < end + 4 + int(length[1]):
            self._buffer = answer
            if end >= 0 and length is None:
                self._break("answer without a content-length")
            return
        self._buffer = b""
        self._judge(answer[9:12].decode(), answer[end + 4 :], time.perf_counter() - self._sent_at)
        self._go_on(closing=_CLOSE.search(answer, 0, end + 2) is not None)

    def _judge(self, status: str, body: bytes, took: float) -> None:
        tally = self._tally
        if tally.open:
            tally.statuses[status] += 1
            tally.latencies.append(took)
        if status != "200":
            self._break(f"{status}: {body[:200].decode(errors='replace')}")
            return
        answer = json.loads(body)
        refresh_token = answer.get("refresh_token", "")
        if refresh_token == self.token or not _UNRESERVED(refresh_token):
            self._break("no new refresh token")
        elif self._spec.jwt_access_token and answer.get("access_token", "").count(".") != 2:
            self._break("access token is not a JWT")
        elif self._spec.id_token and answer.get("id_token", "").count(".") != 2:
            self._break("no ID token")
        else:
            self.token = refresh_token
            self.last = answer

    def _break(self, fault: str) -> None:
        self._tally.faults[fault] += 1
        self.stopping = True

    def _go_on(self, *, closing: bool) -> None:
        if self.stopping:
            self.stopped.set()
        elif not closing:
            self._present()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.stopping:
            self.stopped.set()
            return
        if exc is not None or self._buffer:
            self._break("connection lost")
            self.stopped.set()
            return
        # A server without keep-alive (gunicorn's sync worker) is measured with its reconnects: they are its real cost.
        self._reconnecting = asyncio.get_running_loop().create_task(self.connect())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def drive(spec: Spec) -> Measured:
    """Warm up, measure for the fixed time, let every request in flight come home, then stop."""
    tally = Tally()
    chains = [Chain(spec, token, tally) for token in spec.refresh_tokens]
    await asyncio.gather(*(chain.connect() for chain in chains))
    await asyncio.sleep(spec.warmup)
    server, driver, core, start = _clocks(spec)
    tally.open = True
    await asyncio.sleep(spec.duration)
    tally.open = False
    server_end, driver_end, core_end, end = _clocks(spec)
    for chain in chains:
        chain.stopping = True
    await asyncio.wait_for(asyncio.gather(*(chain.stopped.wait() for chain in chains)), 30)
    for chain in chains:
        chain.close()
    seconds = end - start
    good = tally.statuses["200"]
    ranked = sorted(tally.latencies)
    return Measured(
        refreshes=good,
        seconds=seconds,
        per_second=good / seconds,
        p50=_at(ranked, 0.50),
        p90=_at(ranked, 0.90),
        p99=_at(ranked, 0.99),
        longest=_at(ranked, 1.0),
        statuses=dict(tally.statuses),
        faults=dict(tally.faults.most_common(5)),
        server_cpu_us=(server_end - server) / max(good, 1) * 1e6,
        server_cpu_share=(server_end - server) / seconds,
        driver_cpu_share=(driver_end - driver) / seconds,
        foreign_share=max(0.0, (core_end - core) - (server_end - server)) / seconds,
        last_answers=[chain.last for chain in chains[:4] if chain.last],
    )


def _clocks(spec: Spec) -> tuple[float, float, float, float]:
    server = processes.cpu_seconds(spec.server_pid)
    core = processes.core_busy_seconds(processes.SERVER_CORE)
    return server, time.process_time(), core, time.perf_counter()


def _at(ranked: list[float], share: float) -> float:
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] * 1e3 if ranked else 0.0


def main(spec_file: str) -> None:
    spec = Spec(**json.loads(Path(spec_file).read_bytes()))
    processes.pin(processes.LOAD_CORE)
    gc.freeze()
    gc.disable()
    measured = uvloop.run(drive(spec))
    json.dump(asdict(measured), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
