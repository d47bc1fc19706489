"""A PostgreSQL whose disk takes as long over a sync as it is told: a real server, real syncs, and a wait before each.

What lives here: building what is loaded into the server (`slow_disk.c`, `needs("cc")`), and telling it how long. What
must not: what must hold on such a disk (the tests).
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.postgres.postmaster import Postmaster

SOURCE: Final = Path(__file__).with_suffix(".c")


@dataclass
class SlowDisk(Postmaster):
    """A postmaster that syncs, and waits for it."""

    def started_as(self) -> tuple[list[str], dict[str, Any]]:
        command, how = super().started_as()
        return command, {
            **how,
            "env": {**os.environ, "LD_PRELOAD": str(self.preload), "EVERGRANT_SLOW_DISK": self.said},
        }

    @property
    def preload(self) -> Path:
        return self.folder / "slow_disk.so"

    @property
    def said(self) -> str:
        """The path of the file that says how long a sync takes."""
        return str(self.folder / "milliseconds")

    def take(self, seconds: float) -> None:
        """From the next sync on, each takes so long."""
        scratch = Path(f"{self.said}.new")
        scratch.write_text(str(int(seconds * 1000)), encoding="ascii")
        scratch.rename(self.said)

    @property
    def syncs(self) -> int:
        """How many there were."""
        beside = Path(f"{self.said}.syncs")
        return beside.stat().st_size if beside.exists() else 0


@contextlib.contextmanager
def slow_disk(folder: Path) -> Iterator[SlowDisk]:
    """A new server with an empty database, on a disk that is as fast as any; killed afterwards."""
    server = SlowDisk(folder, {"fsync": "on", "wal_sync_method": "fdatasync"})
    compiler = shutil.which("cc")
    assert compiler is not None
    build = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(server.preload), str(SOURCE)]
    subprocess.run(build, check=True, capture_output=True, timeout=60)
    try:
        server.make()
        server.start()
        server.create()
        yield server
    finally:
        server.take(0)
        server.close()
