"""PgBouncer in front of a test's cluster, in transaction mode: each transaction may run on another server session."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests import tools
from tests.cluster import PATIENCE, USER, Cluster, as_server, free_port


@contextmanager
def pooled(cluster: Cluster, sessions: int = 6) -> Iterator[str]:
    """The URL, with no database, of a pooler that gives all clients together a few of the server's sessions."""
    folder, port, server = Path(tempfile.mkdtemp(prefix="evergrant-pooler-")), free_port(), urlsplit(cluster.url)
    (folder / "users").write_text(f'"{USER}" ""\n')
    (folder / "config").write_text(
        f"[databases]\n* = host={server.hostname} port={server.port} user={server.username or USER}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users\n"
        f"pool_mode = transaction\ndefault_pool_size = {sessions}\nmax_client_conn = 200\n"
    )
    if os.getuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "postgres")
    with (folder / "log").open("wb") as log:
        command = as_server([str(tools.pgbouncer()), str(folder / "config")])
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    url = f"postgresql://{USER}@127.0.0.1:{port}"
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(f"{url}/postgres", connect_timeout=5).close()
                break
            except psycopg.Error:
                if process.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"PgBouncer did not start: {(folder / 'log').read_text()[-2000:]}")
                time.sleep(0.02)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)
