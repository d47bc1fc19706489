"""A real server that may die at any moment: its data directory, its port, and starting it again.

What lives here: processes (start, kill, look after) and what a command line beside them says. What must not: what
clients do (`client`, `storm`), what must hold (`judging`).
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from evergrant.clock import TEST_CLOCK_VARIABLE
from evergrant.store.sqlite import FILE_NAME
from tests.faults.crash_points import VARIABLE
from tests.secrecy import REGISTRY, watch_output

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE: Final = 60
PLAIN: Final = "evergrant"
ARMED: Final = "tests.faults.crashing_server"
GONE: Final = ("Z", "X")


@dataclass
class Place:
    """A data directory, a port held for it, and the server that runs there now, if any."""

    folder: Path
    workers: int = 1
    module: str = ARMED
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    store: str = ""
    """The URL of the database, where it is not a file of the data directory."""
    shared: Path | None = None
    """The data directory of several places."""
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    _held: socket.socket = field(default_factory=socket.socket)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Bound and never listened on: nobody else gets this port between two lives of the server.
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        return int(self._held.getsockname()[1])

    @property
    def issuer(self) -> str:
        """The issuer's URL."""
        if "--issuer" in self.options:
            return self.options[self.options.index("--issuer") + 1]
        return f"http://127.0.0.1:{self.port}"

    @property
    def now(self) -> int:
        """The time, as the server has it."""
        clock = self.folder / "clock"
        return int(time.time()) + (int(clock.read_text().split()[0]) if clock.exists() else 0)

    @property
    def data(self) -> Path:
        return self.shared or self.folder / "data"

    @property
    def database(self) -> Any:
        """Where what it remembers can be looked at: a path, or a URL."""
        return self.store or self.data / FILE_NAME

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    # ---- the server's life

    def start(self) -> None:
        """Start it and wait until it answers."""
        if not self.try_to_start():
            raise AssertionError(f"the server did not start:\n{self.log.read_text()[-4_000:]}")

    def try_to_start(self) -> bool:
        """Start it; whether it came to answering."""
        self.launch()
        assert self.process is not None
        if self.process.stdout and self.process.stdout.readline():
            return True
        self.kill()
        return False

    def launch(self, errors: IO[bytes] | None = None) -> None:
        """Start it and wait for nothing; *errors* takes what it logs, instead of the file."""
        assert self.process is None, "there is a server here already"
        self.starts += 1
        said = ("serve", "--json", "--listen", f"127.0.0.1:{self.port}", "--workers", str(self.workers), *self.options)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command(*said), cwd=ROOT, env=self._environment(), stdout=subprocess.PIPE, stderr=errors or log,
                start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """kill -9: the server with everything it started, and wait until it is gone."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._bury(self.process)
        self.process = None

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        process.wait(PATIENCE)
        if process.stdout:
            process.stdout.close()
        assert wait_for(lambda: not group(process.pid)), f"still there after kill -9: {group(process.pid)}"

    def terminate(self) -> int:
        """SIGTERM, as an operator stops it; the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.stopped()

    def stopped(self) -> int:
        """Wait until it has ended by itself; the exit code."""
        assert self.process is not None
        code = self.process.wait(PATIENCE)
        self._bury(self.process)
        self.process = None
        return code

    def left_alone(self) -> None:
        """Wait until the workers of a parent that was killed have left."""
        assert self.process is not None
        self._bury(self.process)
        self.process = None

    def restart(self) -> None:
        """kill -9 whatever is left, and start again."""
        self.kill()
        self.start()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def servants(self) -> list[int]:
        """The worker processes, by process id."""
        return [pid for pid in group(self.pid) if b"spawn_main" in _command_of(pid)]

    # ---- crash points

    @property
    def fault(self) -> Path:
        return self.folder / "fault"

    def arm(self, point: str, count: int = 0, whom: str = "all") -> None:
        """Let a crash point fire at its next passing but *count*, or let the disk be in trouble."""
        for old in self.folder.glob("fault.*"):
            old.unlink()
        scratch = self.fault.with_suffix(".new")
        scratch.write_text(f"{point} {count} {whom}", encoding="ascii")
        scratch.rename(self.fault)

    def disarm(self) -> None:
        self.fault.unlink(missing_ok=True)

    def fired(self) -> bool:
        """Whether the armed point was passed and somebody died of it."""
        return not self.fault.exists() and any(self.folder.glob("fault.*"))

    # ---- beside the server

    def command(self, *words: str, module: str = PLAIN, timeout: int = PATIENCE) -> subprocess.CompletedProcess[str]:
        """One command on this data directory."""
        return subprocess.run(
            self._command(*words, module=module), cwd=ROOT, env=self._environment(), capture_output=True, text=True,
            timeout=timeout, check=False, start_new_session=True,
        )  # fmt: skip

    def copy(self, into: Path) -> Any:
        """The database as it lies on the disk, log included, so that looking at it recovers nothing for the server.

        A database that has a server of its own is looked at where it is.
        """
        if self.store:
            return self.store
        into.mkdir(parents=True, exist_ok=True)
        for path in self.data.glob(f"{FILE_NAME}*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, into / path.name)
        return into / FILE_NAME

    def close(self) -> None:
        self.kill()
        self._held.close()

    def _command(self, *words: str, module: str = "") -> list[str]:
        return [sys.executable, "-m", module or self.module, *words, "--data", str(self.data)]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("EVERGRANT_")}
        ours = {TEST_CLOCK_VARIABLE: str(self.folder / "clock"), VARIABLE: str(self.fault)}
        if self.store:
            ours["EVERGRANT_STORE_URL"] = self.store
        return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **ours, **self.environment}


@contextlib.contextmanager
def placed(folder: Path, workers: int = 1, **more: Any) -> Iterator[Place]:
    """A place whose server, if any, is gone afterwards."""
    place = Place(folder, workers, **more)
    place.log.touch()
    if REGISTRY in os.environ:
        watch_output(place.log)
    try:
        yield place
    finally:
        place.close()


def group(leader: int) -> list[int]:
    """The processes of a process group that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(state[2]) == leader and state[0] not in GONE:
                    found.append(int(entry.name))
    return found


def _command_of(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def wait_for(condition: Any, patience: float = PATIENCE) -> bool:
    """Whether a condition came true in time."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def said_by(process: subprocess.CompletedProcess[str]) -> Any:
    """What a command printed with --json."""
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)
