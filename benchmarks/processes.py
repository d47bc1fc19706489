"""Start a server pinned to one core, know when it answers, and read from /proc what it costs.

What lives here: processes as the operating system sees them. What must not: any knowledge of OAuth or of one server.
Neighbour: `load` samples the cost while it drives; the peers and `evergrant_server` start through here.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

SERVER_CORE = 0
LOAD_CORE = 1
_CORES = frozenset(os.sched_getaffinity(0))
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ServerFailed(RuntimeError):
    """A measured server ended or never answered; the message carries the end of its output."""


def pin(core: int) -> None:
    """Keep this process on *core*, or on the only core there is."""
    os.sched_setaffinity(0, {core if core in _CORES else min(_CORES)})


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Be on *core* until the block ends; a process started inside stays there from its first instruction."""
    before = os.sched_getaffinity(0)
    pin(core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def plain_environment() -> dict[str, str]:
    # A setting somebody exported for their own issuer would silently change what is measured.
    return {name: value for name, value in os.environ.items() if not name.startswith("EVERGRANT_")}


@contextlib.contextmanager
def running(
    command: Sequence[str],
    log: Path,
    *,
    cwd: Path,
    env: Mapping[str, str],
    core: int = SERVER_CORE,
    farewell: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run *command* on one core until the block ends; end the whole process group afterwards."""
    with log.open("wb") as out, on_core(core):
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**plain_environment(), **env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process, farewell)


def _end(process: subprocess.Popen[bytes], farewell: signal.Signals) -> None:
    for sign, patience in ((farewell, 10.0), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        try:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue


def wait_for_answer(
    process: subprocess.Popen[bytes], url: str, log: Path, *, seconds: float = 60.0, host: str = ""
) -> float:
    """Return the instant (`time.perf_counter`) of the first 200 from *url*."""
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            raise ServerFailed(f"ended with {process.returncode} before its first answer:\n{tail(log)}")
        status = _status_of(url, host)
        if status == 200:
            return time.perf_counter()
        time.sleep(0.002)
    raise ServerFailed(f"no 200 from {url} within {seconds:.0f} s:\n{tail(log)}")


def _status_of(url: str, host: str) -> int | None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=5)
    try:
        connection.request("GET", parts.path, headers={"Host": host} if host else {})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def tree(pid: int) -> list[int]:
    """*pid* and everything that descends from it."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{parent}/task").iterdir():
                children = (thread / "children").read_text().split()
                found.extend(int(child) for child in children)
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the tree under *pid*, with what its ended children used."""
    ticks = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS_PER_SECOND


def core_busy_seconds(core: int) -> float:
    """Everything that ran on *core* so far, whoever it was, hypervisor included."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, _, rest = line.partition(" ")
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in rest.split()[:8])
            return (user + nice + system + irq + softirq + steal) / _TICKS_PER_SECOND
    raise LookupError(f"/proc/stat has no cpu{core}")


def memory_mb(pid: int) -> tuple[float, float]:
    """RSS and PSS of the tree under *pid*, in MB of 10^6 bytes; RSS counts a shared page once per process."""
    resident = proportional = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Rss:"):
                    resident += int(line.split()[1])
                elif line.startswith("Pss:"):
                    proportional += int(line.split()[1])
    return resident * 1024 / 1e6, proportional * 1024 / 1e6
