"""PostgreSQL as it is measured: a new cluster on loopback, durable, on the load's core.

What lives here: making, starting, stopping it, and asking it. What must not: a table of anybody's.
Neighbour: `counters` reads what it counted.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import processes

USER = "bench"
OWNER = "postgres"  # the server refuses to run as root
PATIENCE = 60.0
# Durable as by default, said aloud; large enough to hold all of what is asked for, and nothing tuned for one statement.
SETTINGS = {
    "listen_addresses": "127.0.0.1", "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
    "wal_compression": "on", "shared_buffers": "2GB", "effective_cache_size": "6GB", "maintenance_work_mem": "1GB",
    "max_wal_size": "8GB", "checkpoint_timeout": "15min", "max_connections": "100", "jit": "off",
    "max_parallel_maintenance_workers": "2", "autovacuum_naptime": "5s", "log_min_messages": "fatal",
    "shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "top", "lc_messages": "C",
}  # fmt: skip


def programs() -> Path | None:
    """The folder of the newest server that the distribution's packages left, or of the one on PATH."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda found: int(found.parts[4]))
    if packaged:
        return packaged[-1].parent
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found else None


def missing() -> str | None:
    """Why there is no database to measure, or None."""
    return None if programs() else "PostgreSQL's server is not installed (apt-get install postgresql)"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server that runs. *pid* is its postmaster's."""

    port: int
    pid: int
    folder: Path
    log: Path

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def ask(self, statement: str, parameters: Sequence[Any] = (), name: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement in the database *name*; its rows."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def database(self, name: str) -> str:
        """The URL of a new, empty database with its statements counted."""
        self.ask(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.ask(f'CREATE DATABASE "{name}"')
        self.ask("CREATE EXTENSION pg_stat_statements", name=name)
        return self.url(name)

    def version(self) -> str:
        return str(self.ask("SHOW server_version")[0][0])


def _as_owner(command: Sequence[str]) -> list[str]:
    drop = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups", "--"]
    return [*(drop if os.getuid() == 0 else []), *command]


@contextlib.contextmanager
def running(core: int = processes.LOAD_CORE) -> Iterator[Cluster]:
    """A new cluster until the block ends; nothing of it stays."""
    folder = Path(tempfile.mkdtemp(prefix="evergrant-bench-postgres-"))
    home = programs()
    assert home is not None, missing()
    try:
        if os.getuid() == 0:
            shutil.chown(folder, OWNER, pwd.getpwnam(OWNER).pw_gid)
        made = [
            str(home / "initdb"), "--pgdata", str(folder / "data"), "--username", USER, "--auth", "trust",
            "--encoding", "UTF8", "--no-locale", "--no-instructions", "--data-checksums",
        ]  # fmt: skip
        subprocess.run(_as_owner(made), check=True, capture_output=True, timeout=PATIENCE, cwd="/")
        with _started(home, folder, core) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _started(home: Path, folder: Path, core: int) -> Iterator[Cluster]:
    port, log = processes.free_port(), Path(tempfile.mkstemp(prefix="evergrant-bench-postgres-", suffix=".log")[1])
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = [str(home / "postgres"), "-D", str(folder / "data"), "-p", str(port), "-k", str(folder), *options]
    try:
        # SIGINT ends sessions and leaves at once; SIGTERM would wait for whoever is still connected.
        with processes.running(
            _as_owner(command), log, cwd=Path("/"), env={}, core=core, farewell=signal.SIGINT
        ) as process:
            cluster = Cluster(port, process.pid, folder, log)
            _wait(cluster, process)
            yield cluster
    finally:
        log.unlink(missing_ok=True)


def _wait(cluster: Cluster, process: subprocess.Popen[bytes]) -> None:
    deadline = time.perf_counter() + PATIENCE
    while True:
        with contextlib.suppress(psycopg.OperationalError):
            cluster.ask("SELECT 1")
            return
        if process.poll() is not None or time.perf_counter() > deadline:
            raise processes.ServerFailed(f"PostgreSQL did not start:\n{processes.tail(cluster.log)}")
        time.sleep(0.05)
