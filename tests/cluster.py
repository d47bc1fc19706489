"""A real PostgreSQL on loopback for tests: started once per test process, an empty database for each test.

How to use it, from any test below tests/:

    @pytest.mark.needs("postgres")
    def test_something(database):          # the URL of an empty database of this test's own
        migrate(address(database))

    def test_other(postgres):              # the `Cluster`: several databases, roles, settings, its own process
        one, two = postgres.database(), postgres.database()

`postgres` lives for the whole session of one process (each xdist worker has its own) and does not sync to disk; tests
about durability, failover or kill -9 start a cluster of their own with `Cluster.start(durable=True, settings={…})` and
stop it. EVERGRANT_TEST_POSTGRES=postgresql://user@host:port/db names a server to use instead (one node, or the
coordinator of several): databases are then made and dropped there, and nothing is started.
"""

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from tests import tools

USER: Final = "evergrant"
VARIABLE: Final = "EVERGRANT_TEST_POSTGRES"
PATIENCE: Final = 60
# One machine's tests need no more; the kernel's shared memory is not theirs to fill.
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1", "shared_buffers": "32MB", "max_connections": "200", "max_wal_size": "256MB",
    "log_min_messages": "fatal", "lc_messages": "C", "autovacuum_naptime": "5s",
}  # fmt: skip
_CARELESS: Final = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def as_server(command: list[str]) -> list[str]:
    """The same command under a user that PostgreSQL accepts: it does not run as root."""
    if os.getuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", *command]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Cluster:
    """A server. *folder* is empty when it is somebody else's; *url* names its `postgres` database."""

    url: str
    folder: Path | None = None
    port: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    _count: Iterator[int] = field(default_factory=itertools.count)
    _made: list[str] = field(default_factory=list)
    _shared: str = ""

    @classmethod
    def start(cls, *, durable: bool = False, settings: Mapping[str, str] | None = None) -> "Cluster":
        """A new cluster of this test's own, listening on a free port. Stop it with `stop`."""
        folder = Path(tempfile.mkdtemp(prefix="evergrant-postgres-"))
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", pwd.getpwnam("postgres").pw_gid)
        initdb = [
            str(tools.postgres() / "initdb"), "--pgdata", str(folder / "data"), "--username", USER, "--auth", "trust",
            "--encoding", "UTF8", "--no-locale", "--no-sync", "--no-instructions",
        ]  # fmt: skip
        subprocess.run(as_server(initdb), check=True, capture_output=True, timeout=PATIENCE)
        port = free_port()
        chosen = {**_SETTINGS, **({} if durable else _CARELESS), **(settings or {})}
        cluster = cls(f"postgresql://{USER}@127.0.0.1:{port}/postgres", folder, port, chosen)
        cluster.run()
        return cluster

    def run(self) -> None:
        """Start the server's process on the data directory; also after `stop_process`. Waits until it answers."""
        assert self.folder is not None
        options = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        command = [
            str(tools.postgres() / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port),
            "-k", str(self.folder), *options,
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(as_server(command), stdout=log, stderr=log, start_new_session=True)
        self.wait()

    def wait(self) -> None:
        """Wait until the server answers."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.Error:
                dead = self.process is not None and self.process.poll() is not None
                if dead or time.monotonic() > end:
                    said = (self.folder / "log").read_text() if self.folder else ""
                    pytest.fail(f"PostgreSQL did not start: {said[-2000:]}")
                time.sleep(0.02)
            else:
                return

    def stop_process(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server's process: SIGINT ends its sessions, SIGQUIT crashes it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)

    def stop(self) -> None:
        """Stop the server and remove all it kept; on somebody else's server, drop what was made there."""
        if self.folder is not None:
            self.stop_process(signal.SIGQUIT)
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for name in self._made:
            self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str, database: str = "") -> list[Any]:
        """Run a statement as the server's owner; its rows."""
        with psycopg.connect(database or self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"evergrant_test_{os.getpid()}_{next(self._count)}"
        self.execute(f'CREATE DATABASE "{name}"')
        self._made.append(name)
        return self.url_of(name)

    def url_of(self, name: str) -> str:
        """The URL of the database *name*."""
        return f"{self.url.rpartition('/')[0]}/{name}"

    def emptied(self) -> str:
        """The URL of one database that every test gets in turn, emptied: ten times quicker than making a new one."""
        if not self._shared:
            self._shared = self.database()
        rows = self.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'",
            self._shared,
        )
        for (name,) in rows:
            self.execute(f'DROP SCHEMA "{name}" CASCADE', self._shared)
        self.execute("CREATE SCHEMA public", self._shared)
        return self._shared

    def sessions(self, url: str) -> list[bool]:
        """Of every session at a database: whether it has written something in the transaction that it is in."""
        name = url.rpartition("/")[2]
        statement = f"SELECT backend_xid IS NOT NULL FROM pg_stat_activity WHERE datname = '{name}'"
        return [wrote for (wrote,) in self.execute(statement)]

    def drop(self, url: str) -> None:
        """Drop a database, ending whatever is still connected to it."""
        self.execute(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The session's server: EVERGRANT_TEST_POSTGRES's, or one that is started."""
    named = os.environ.get(VARIABLE)
    cluster = Cluster(named) if named else Cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def database(postgres: Cluster) -> str:
    """The URL of an empty database for this test alone. What it leaves in it is gone before the next."""
    return postgres.emptied()
