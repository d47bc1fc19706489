"""Small disks that really fill up, and disks that change under a running server.

What lives here: mounting, filling and emptying. Where mounting is not allowed the disk is made to fail from within the
server (`crash_points.DISK`), and that is printed. What must not: assertions.
"""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.place import Place

SIZE: Final = "2m"


@dataclass
class SmallDisk:
    """A file system of its own below a data directory."""

    folder: Path

    def fill(self, left: int = 0) -> None:
        """Leave no byte free, or *left* bytes."""
        with (self.folder / "ballast").open("ab", buffering=0) as ballast:
            for size in (65_536, 4_096, 512, 1):
                with contextlib.suppress(OSError):
                    while ballast.write(bytes(size)):
                        pass
            ballast.truncate(max(0, ballast.tell() - left))

    def empty(self) -> None:
        (self.folder / "ballast").unlink()


@dataclass
class FailingDisk:
    """Stands in where nothing may be mounted: the server's own disk says that it is full."""

    place: Place

    def fill(self, left: int = 0) -> None:
        self.place.arm("disk_full")

    def empty(self) -> None:
        self.place.disarm()


@contextlib.contextmanager
def small_disk(place: Place) -> Iterator[SmallDisk | FailingDisk]:
    """The data directory of *place* on a disk of two megabytes."""
    place.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    refused = _mount("-t", "tmpfs", "-o", f"size={SIZE},mode=700", "evergrant-faults", str(place.data))
    if refused:
        print(f"no disk of its own ({refused}): the server is told that its disk is full")
        yield FailingDisk(place)
        return
    try:
        yield SmallDisk(place.data)
    finally:
        place.kill()
        _unmount(place.data)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[str]:
    """*folder* mounted read-only over itself: what is open stays writable. Yields why not, where it is not allowed."""
    refused = _mount("--bind", str(folder), str(folder))
    if refused:
        yield refused
        return
    try:
        yield _mount("-o", "remount,ro,bind", str(folder))
    finally:
        _unmount(folder)


def largest_file(pid: int, size: int | None) -> None:
    """Let no file of a process grow beyond *size* bytes; None for no limit."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def _mount(*words: str) -> str:
    """Why it could not be mounted; empty when it was."""
    if os.getuid() != 0:
        return "only root may mount"
    done = subprocess.run(["mount", *words], capture_output=True, text=True, timeout=30, check=False)
    return done.stderr.strip().splitlines()[0] if done.returncode else ""


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, timeout=30, check=True)
