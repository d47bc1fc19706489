"""Where the demo keeps things: a data directory of its own, and in it the file that moves the demo's clock.

A directory that was not asked for is removed at the end. One that was asked for must be new, empty or a demo's: an
account with a printed password must never find its way into somebody's real issuer.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from evergrant.assembly import DATABASE
from evergrant.clock import FileClock

CLOCK_FILE: Final = "demo-clock"


class NotADemo(Exception):
    """The directory holds something that no demo made."""


class DemoClock(FileClock):
    """The machine's clock plus an offset that only grows; kept with the data, so that a second start is not earlier."""

    __slots__ = ("_file",)

    def __init__(self, folder: Path) -> None:
        self._file = folder / CLOCK_FILE
        super().__init__(self._file)

    @property
    def ahead(self) -> int:
        """How many seconds it has been moved forward."""
        return int(self._file.read_text(encoding="ascii")) if self._file.exists() else 0

    def let_pass(self, seconds: int) -> None:
        """Move it forward. Time does not pass backwards."""
        if seconds < 0:
            raise ValueError("time does not pass backwards")
        # Renamed into place: a reader sees the old number or the new one, never half of one.
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self.ahead + seconds}\n", encoding="ascii")
        fresh.replace(self._file)


@contextlib.contextmanager
def place(asked: Path | None) -> Iterator[Path]:
    """A data directory for as long as the block runs. Raises `NotADemo`, `OSError`."""
    if asked is not None:
        yield _kept(asked)
        return
    folder = Path(tempfile.mkdtemp(prefix="evergrant-demo-"))
    try:
        DemoClock(folder).let_pass(0)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _kept(folder: Path) -> Path:
    if (folder / DATABASE).exists() and not (folder / CLOCK_FILE).exists():
        msg = f"{folder} holds an issuer that is not a demo's"
        raise NotADemo(msg)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    DemoClock(folder).let_pass(0)
    return folder
