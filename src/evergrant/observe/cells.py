"""
Where counts are kept: one row of numbers per process, and a way to read the rows of all of them.

One worker keeps its numbers in memory. Several keep them in files of one directory, mapped into memory, so that
counting is an addition and any worker can tell the sum. A file is a slot: it is locked by the worker that uses it, and
the kernel gives the lock back when that worker dies, however it dies. The next worker takes the slot over and counts
on, so a counter never runs backwards and the directory never holds more files than there were workers at once.

What the numbers mean is said in `metrics`. Trouble with files is not trouble for the server: a worker that gets no slot
counts in memory.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import mmap
import os
import struct
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from evergrant.observe.log import fields

_LOG: Final = logging.getLogger("evergrant.metrics")
_PREFIX: Final = "slot-"
_LAYOUT_BYTES: Final = 32
_MOST_SLOTS: Final = 256


class Numbers(Protocol):
    """A row that can be counted in: an array, or a view of mapped memory."""

    def __getitem__(self, position: int, /) -> float: ...
    def __setitem__(self, position: int, value: float, /) -> None: ...
    def __iter__(self) -> Iterator[float]: ...


@dataclass(frozen=True, slots=True)
class Row:
    """The numbers of one process, and whether it is still running."""

    numbers: tuple[float, ...]
    alive: bool


class Cells:
    """The numbers of this process, by position; and the rows of all processes that share the directory."""

    def __init__(self, count: int, layout: bytes, directory: Path | None = None) -> None:
        """
        Take a row of `count` numbers.

        Args:
            count: How many numbers there are.
            layout: 32 bytes that name the meaning of each position; a slot with another layout is begun anew.
            directory: Where the workers' slots are; None keeps the numbers in memory.

        """
        self._count = count
        self._layout = layout
        self._directory = directory
        self._file: int | None = None
        self._path: Path | None = None
        self.numbers: Numbers = array("d", bytes(8 * count))
        if directory is not None:
            try:
                self._claim(directory)
            except OSError as error:
                _LOG.warning("this worker's metrics are not shared with the others", extra=fields(because=str(error)))

    def rows(self) -> Iterator[Row]:
        """Yield this process's row and those of the others, the dead included."""
        yield Row(tuple(self.numbers), alive=True)
        if self._directory is None:
            return
        for path in sorted(self._directory.glob(f"{_PREFIX}*")):
            row = self._read(path) if path != self._path else None
            if row is not None:
                yield row

    def forget(self, positions: range) -> None:
        """Set numbers back to 0: gauges say what is, and nothing is yet."""
        for position in positions:
            self.numbers[position] = 0.0

    def close(self) -> None:
        """Leave the slot to the next worker, with its counts; nothing may be counted here afterwards."""
        if self._file is not None:
            # Said outright: the mapping holds a second descriptor, and closing the first alone would keep the lock.
            fcntl.flock(self._file, fcntl.LOCK_UN)
            os.close(self._file)
            self._file = None

    def _claim(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for index in range(_MOST_SLOTS):
            path = directory / f"{_PREFIX}{index}"
            file = _lock(path)
            if file is not None:
                self._map(path, file)
                return
        raise OSError(f"all {_MOST_SLOTS} slots in {directory} are taken")

    def _map(self, path: Path, file: int) -> None:
        size = _LAYOUT_BYTES + 8 * self._count
        try:
            if os.pread(file, _LAYOUT_BYTES, 0) != self._layout or os.fstat(file).st_size != size:
                _begin(file, self._layout + bytes(8 * self._count))
            self.numbers = memoryview(mmap.mmap(file, size))[_LAYOUT_BYTES:].cast("d")
        except OSError:
            os.close(file)
            raise
        self._file, self._path = file, path

    def _read(self, path: Path) -> Row | None:
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            content = os.pread(file, _LAYOUT_BYTES + 8 * self._count, 0)
            if len(content) != _LAYOUT_BYTES + 8 * self._count or content[:_LAYOUT_BYTES] != self._layout:
                return None
            return Row(struct.unpack_from(f"{self._count}d", content, _LAYOUT_BYTES), alive=not _free(file))
        finally:
            os.close(file)


def clean(directory: Path) -> int:
    """Remove the slots of workers that no longer run, before new ones start; return how many were removed."""
    removed = 0
    for path in directory.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            file = _lock(path)
            if file is not None:
                path.unlink()
                os.close(file)
                removed += 1
    return removed


def _lock(path: Path) -> int | None:
    """Open and lock a slot; None when somebody else has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # The name is looked at again after locking: `clean` may have removed the file in between, and a slot without a name
    # would be counted by nobody.
    if _free(file, fcntl.LOCK_EX) and _is_at(file, path):
        return file
    os.close(file)
    return None


def _begin(file: int, content: bytes) -> None:
    """Write a whole slot: counting in a mapped page that a full disk cannot hold would kill the process with SIGBUS."""
    os.ftruncate(file, 0)
    if os.pwrite(file, content, 0) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _free(file: int, mode: int = fcntl.LOCK_SH) -> bool:
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False
