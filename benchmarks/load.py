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
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import uvloop

from benchmarks import processes
from benchmarks.replays import replay


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
    more_ports: list[int] = field(default_factory=list)
    """Of further nodes; the connections take turns."""
    watched: dict[str, int] = field(default_factory=dict)
    """Other processes whose CPU is told, by name: the database, a second node."""
    connections: int = 0
    """How many share the families; 0: one for each family."""
    most: int = 0
    """End the window after so many refreshes; 0: after its time."""
    replays: list[str] = field(default_factory=list)
    """Refresh tokens of ended families, presented beside the load."""
    replays_per_second: float = 0.0
    until: str = ""
    """End the window when this file is there; "": after its time."""
    keep: str = ""
    """Where the families' last refresh tokens are written, for whoever drives them next."""


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
    answered: int = 0
    """Every refresh of this run, warm-up included: what counters of the database are divided by."""
    watched_cpu_us: dict[str, float] = field(default_factory=dict)
    """CPU microseconds of each watched process per refresh."""
    replayed: dict[str, int] = field(default_factory=dict)
    """Statuses of the replays."""


_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+").fullmatch
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Tally:
    """What all chains write into; counts only while the measuring window is open."""

    def __init__(self) -> None:
        self.open = False
        self.answered = 0
        self.latencies = array("d")
        self.statuses: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()


class Chain(asyncio.Protocol):
    """One connection with its families: present, check, keep what came back, go on with the next family."""

    def __init__(self, spec: Spec, port: int, tokens: Sequence[str], tally: Tally) -> None:
        headers = "".join(f"{name}: {value}\r\n" for name, value in spec.headers.items())
        self._head = (
            f"POST {spec.path} HTTP/1.1\r\nHost: {spec.host}\r\n{headers}"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
        ).encode()
        fixed = "".join(f"{name}={value}&" for name, value in spec.form.items())
        self._form = f"{fixed}grant_type=refresh_token&refresh_token=".encode()
        self._spec, self._port = spec, port
        self._tally = tally
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.tokens = deque(tokens)
        self.last: dict[str, Any] = {}
        self.stopping = False
        self.stopped = asyncio.Event()

    async def connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not registered as asyncio.Transport, so a cast it is and no isinstance.
        self._transport = cast("asyncio.Transport", transport)
        self._buffer = b""
        self._present()

    def _present(self) -> None:
        body = self._form + self.tokens[0].encode()
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
        tally.answered += 1
        if tally.open:
            tally.statuses[status] += 1
            tally.latencies.append(took)
        if status != "200":
            self._break(f"{status}: {body[:200].decode(errors='replace')}")
            return
        answer = json.loads(body)
        refresh_token = answer.get("refresh_token", "")
        if refresh_token == self.tokens[0] or not _UNRESERVED(refresh_token):
            self._break("no new refresh token")
        elif self._spec.jwt_access_token and answer.get("access_token", "").count(".") != 2:
            self._break("access token is not a JWT")
        elif self._spec.id_token and answer.get("id_token", "").count(".") != 2:
            self._break("no ID token")
        else:
            self.tokens[0] = refresh_token
            self.tokens.rotate(-1)
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
    chains = _chains(spec, tally)
    await asyncio.gather(*(chain.connect() for chain in chains))
    replaying = asyncio.create_task(replay(spec.port, spec.path, spec.host, _beside(spec), spec.replays_per_second))
    await asyncio.sleep(spec.warmup)
    before = _clocks(spec)
    tally.open = True
    await _window(spec, tally)
    tally.open = False
    after = _clocks(spec)
    for chain in chains:
        chain.stopping = True
    await asyncio.wait_for(asyncio.gather(*(chain.stopped.wait() for chain in chains)), 30)
    for chain in chains:
        chain.close()
    _keep(spec, chains)
    replaying.cancel()
    replayed = (await asyncio.gather(replaying, return_exceptions=True))[0]
    if isinstance(replayed, Exception):
        raise replayed
    told = _measured(tally, before, after, chains)
    return replace(told, replayed=dict(replayed) if isinstance(replayed, dict) else {})


def _keep(spec: Spec, chains: list[Chain]) -> None:
    if spec.keep:
        Path(spec.keep).write_text(json.dumps([token for chain in chains for token in chain.tokens]))


def _chains(spec: Spec, tally: Tally) -> list[Chain]:
    ports = [spec.port, *spec.more_ports]
    count = spec.connections or len(spec.refresh_tokens)
    return [Chain(spec, ports[n % len(ports)], spec.refresh_tokens[n::count], tally) for n in range(count)]


def _beside(spec: Spec) -> list[bytes]:
    """The bodies of the replays."""
    fixed = "".join(f"{name}={value}&" for name, value in spec.form.items())
    return [f"{fixed}grant_type=refresh_token&refresh_token={token}".encode() for token in spec.replays]


async def _window(spec: Spec, tally: Tally) -> None:
    """As long as it was told; what ends it before its time is looked for now and then, at no request's cost."""
    end = time.perf_counter() + spec.duration
    until = Path(spec.until) if spec.until else None
    while (left := end - time.perf_counter()) > 0:
        await asyncio.sleep(min(0.05, left))
        counted = spec.most and len(tally.latencies) >= spec.most
        if counted or tally.faults or (until is not None and until.exists()):
            return


def _measured(tally: Tally, before: Clocks, after: Clocks, chains: list[Chain]) -> Measured:
    seconds = after.at - before.at
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
        server_cpu_us=(after.server - before.server) / max(good, 1) * 1e6,
        server_cpu_share=(after.server - before.server) / seconds,
        driver_cpu_share=(after.driver - before.driver) / seconds,
        foreign_share=max(0.0, (after.core - before.core) - (after.server - before.server)) / seconds,
        last_answers=[chain.last for chain in chains[:4] if chain.last],
        answered=tally.answered,
        watched_cpu_us={
            name: (after.watched[name] - used) / max(good, 1) * 1e6 for name, used in before.watched.items()
        },
    )


class Clocks(NamedTuple):
    """Seconds of CPU and of time, at one moment."""

    server: float
    driver: float
    core: float
    at: float
    watched: dict[str, float]


def _clocks(spec: Spec) -> Clocks:
    watched = {name: processes.cpu_seconds(pid) for name, pid in spec.watched.items()}
    server = processes.cpu_seconds(spec.server_pid)
    core = processes.core_busy_seconds(processes.SERVER_CORE)
    return Clocks(server, time.process_time(), core, time.perf_counter(), watched)


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
