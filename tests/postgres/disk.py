"""A small disk of its own for a PostgreSQL server, which can be filled and emptied.

What lives here: mounting below the server's folder, owned by its user. What must not: filling (`tests.faults.disks`).
"""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.disks import SmallDisk
from tests.postgres.postmaster import owned


@contextlib.contextmanager
def disk_of(folder: Path, size: str) -> Iterator[SmallDisk]:
    """*folder* on a disk of *size*; only root may do this (`needs("mount")`)."""
    owned(folder)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "evergrant-faults", str(folder)]
    subprocess.run(mount, check=True, capture_output=True, timeout=30)
    try:
        owned(folder)
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True, timeout=30)
