"""One real PostgreSQL on loopback: its data directory, its port, and every way in which it begins and ends.

What lives here: making, starting, stopping, killing and copying one postmaster. What must not: two of them and who
follows whom (`pair`), what lies between them and a node (`proxy`), what must hold afterwards (the tests).
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

from tests.secrecy import REGISTRY, watch_text

PATIENCE: Final = 60.0
SUPERUSER: Final = "postgres"
USER: Final = "evergrant"
"""Who the nodes are: the owner of their database, and nobody special."""
DATABASE: Final = "evergrant"
OWNER: Final = "postgres"  # postgres refuses to run as root; Debian's packages bring this user
GONE: Final = ("Z", "X")
# A killed process loses nothing that the kernel has: syncing would only be felt when the power fails, and for seconds.
SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "60", "fsync": "off",
    "full_page_writes": "off", "shared_buffers": "16MB", "synchronous_commit": "on", "wal_level": "replica",
    "max_wal_senders": "6", "wal_keep_size": "64MB", "min_wal_size": "8MB", "max_wal_size": "64MB", "jit": "off",
    "hot_standby": "on", "max_worker_processes": "4", "max_parallel_workers": "0", "logging_collector": "off",
    "log_line_prefix": "%m [%p] ", "synchronous_standby_names": "",
}  # fmt: skip


def binaries() -> Path:
    """The folder of PostgreSQL's programs: of the newest release that Debian's packages left, or wherever PATH says."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda found: int(found.parts[4]))
    if packaged:
        return packaged[-1].parent
    found = shutil.which("postgres")
    if found is None:
        raise FileNotFoundError("PostgreSQL's server is not installed; on Debian: apt-get install postgresql")
    return Path(found).parent


def as_owner() -> dict[str, Any]:
    """How a process is started that must not be root's."""
    if os.getuid() != 0:
        return {}
    entry = pwd.getpwnam(OWNER)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def owned(folder: Path) -> Path:
    """A folder that PostgreSQL may write in, made if it is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.getuid() == 0:
        shutil.chown(folder, OWNER)
    return folder


def run(*words: str | Path) -> None:
    """One of PostgreSQL's programs, to its end."""
    command = [str(binaries() / words[0]), *map(str, words[1:])]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=PATIENCE, check=False, **as_owner())
    if done.returncode:
        raise AssertionError(f"{words[0]} failed:\n{done.stdout[-1_000:]}{done.stderr[-2_000:]}")


@dataclass
class Postmaster:
    """A data directory, a port held for it, and the postmaster that runs there now, if any."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    host: str = "127.0.0.1"
    """Where the tests ask it."""
    _held: socket.socket = field(default_factory=socket.socket)

    def __post_init__(self) -> None:
        owned(self.folder)
        # Bound and never listened on: nobody else gets this port between two lives of the server.
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.log.touch()

    @property
    def port(self) -> int:
        return int(self._held.getsockname()[1])

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    def url(self, port: int = 0, database: str = DATABASE, **more: str) -> str:
        """Where it is, as a node is told; *port* is somebody's who stands between."""
        asked = "&".join(f"{name}={value}" for name, value in more.items())
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{database}" + (f"?{asked}" if asked else "")

    # ---- its life

    def make(self) -> None:
        """A new, empty data directory, not started."""
        run(
            "initdb", "--no-sync", "--wal-segsize=1", "--auth=trust", f"--username={SUPERUSER}", "--encoding=UTF8",
            "--locale=C", "--pgdata", self.data,
        )  # fmt: skip

    def set(self, **settings: str) -> None:
        """Change settings; where it runs, at once."""
        self.settings.update(settings)
        self._write()
        if self.process is not None:
            self.process.send_signal(signal.SIGHUP)

    def _write(self) -> None:
        said = {**SETTINGS, **self.settings, "port": str(self.port)}
        text = "".join(f"{name} = '{value}'\n" for name, value in said.items())
        (self.data / "postgresql.conf").write_text(text, encoding="utf-8")

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        assert wait_for(self.answers), f"PostgreSQL did not start:\n{self.log.read_text()[-4_000:]}"

    def launch(self) -> None:
        """Start it and wait for nothing."""
        assert self.process is None, "there is a postmaster here already"
        self._write()
        self.starts += 1
        command, how = self.started_as()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **how
            )

    def started_as(self) -> tuple[list[str], dict[str, Any]]:
        """The command that is its postmaster, and how it is started."""
        return [str(binaries() / "postgres"), "-D", str(self.data)], as_owner()

    def answers(self) -> bool:
        """Whether it takes connections; raises when it has left instead."""
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"PostgreSQL left:\n{self.log.read_text()[-4_000:]}")
        with contextlib.suppress(psycopg.OperationalError):
            self.ask("SELECT 1", database=SUPERUSER)
            return True
        return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it in order: at once (SIGINT), or when its clients have left (SIGTERM)."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None

    def kill(self) -> None:
        """kill -9: the postmaster and every process it has, as when the machine dies, and wait until all are gone."""
        if self.process is None:
            return
        leader = self.process.pid
        family = [leader, *children(leader)]
        for pid in family:  # its parent first, so that nothing is begun anew
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.process = None
        assert wait_for(lambda: not any(map(lives, family))), "still there after kill -9"

    def restart(self) -> None:
        self.kill()
        self.start()

    def close(self) -> None:
        self.kill()
        if REGISTRY in os.environ:
            watch_text(self.log.read_bytes())  # the folder is gone when the run ends
        self._held.close()

    # ---- beside its clients

    def ask(self, sql: str, *values: Any, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """The rows of one statement, on a connection of its own. Straight to it, past whoever stands between."""
        conninfo = make_conninfo(
            host=self.host, port=self.port, user=SUPERUSER, dbname=database, connect_timeout=5,
            application_name="tests",
        )  # fmt: skip
        with psycopg.connect(conninfo, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def create(self, database: str = DATABASE) -> None:
        """A new, empty database of the nodes' own."""
        if not self.ask("SELECT 1 FROM pg_roles WHERE rolname = %s", USER, database=SUPERUSER):
            self.ask(f"CREATE ROLE {USER} LOGIN", database=SUPERUSER)
        self.ask(f"CREATE DATABASE {database} OWNER {USER}", database=SUPERUSER)

    def backends(self, kind: str) -> list[int]:
        """Its processes of one kind, as their title says: `walreceiver`, `walsender`, `client backend`."""
        found = children(self.process.pid) if self.process else []
        return [pid for pid in found if kind in title(pid)]


def children(leader: int) -> list[int]:
    """The living processes that a process has started. A backend leads a group of its own; its parent tells."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                state = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(state[1]) == leader and state[0] not in GONE:
                    found.append(int(entry.name))
    return found


def lives(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in GONE
    return False


def title(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    return ""


def wait_for(condition: Callable[[], Any], patience: float = PATIENCE) -> bool:
    """Whether a condition came true in time."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter, which pytest's own may not be; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="evergrant-postgres-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(folder: Path, **settings: str) -> Iterator[Postmaster]:
    """A new server with an empty database, killed afterwards."""
    postmaster = Postmaster(folder, settings)
    try:
        postmaster.make()
        postmaster.start()
        postmaster.create()
        yield postmaster
    finally:
        postmaster.close()
