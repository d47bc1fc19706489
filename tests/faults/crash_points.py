"""The numbered crash points of one rotation, put into a real server from outside; nothing in `src` knows of them.

A point kills when the file named by EVERGRANT_TEST_FAULTS says its name: `point count whom`, where *count* is how many
times it may be passed before and *whom* is `worker` (this process alone) or `all` (its whole process group). Whoever
fires takes the file away first, so of several workers one dies. The same file can make the disk fail instead; see
`DISK`.

What lives here: where the points are. What must not: what must hold afterwards (`test_crash_points`).
"""

import errno
import fcntl
import os
import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final

import apsw

from evergrant import trip
from evergrant.issuer.service import redeem, refresh, revoke
from evergrant.store.postgres import hot, line, settling
from evergrant.store.sqlite import writer

VARIABLE: Final = "EVERGRANT_TEST_FAULTS"
REAL: Final = apsw.vfs_names()[0]
CHECKPOINT_PAGES: Final = 4_000
SMALLEST_PAGE: Final = 512

# In the order in which one refresh passes them.
PARSED: Final = "request_parsed"
DECIDING: Final = "row_held"
WRITTEN: Final = "before_commit"
LOG_TORN: Final = "log_torn"
LOG_UNSYNCED: Final = "log_unsynced"
UNACKNOWLEDGED: Final = "commit_unacknowledged"
UNTOLD: Final = "committed_untold"
UNSIGNED: Final = "before_signing"
HALF_ANSWERED: Final = "half_answered"
ANSWERED: Final = "answered"

DISK: Final[dict[str, type[apsw.Error]]] = {
    "disk_full": apsw.FullError,
    "disk_error": apsw.IOError,
    "disk_read_only": apsw.ReadOnlyError,
    "sync_error": apsw.IOError,
}


_disks: list[apsw.VFS] = []  # SQLite knows a disk only for as long as somebody holds it


def said() -> tuple[str, int, str]:
    """What the file says: a point, how often it may still be passed, and who dies."""
    try:
        name, count, whom = Path(os.environ[VARIABLE]).read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        return "", 0, ""
    return name, int(count), whom


def reached(point: str) -> bool:
    """Whether this is the moment to die; says so to one process only."""
    if said()[0] != point:
        return False
    path = Path(os.environ[VARIABLE])
    with path.open("r+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        name, count, whom = said()
        if name != point:
            return False
        if count:
            path.write_text(f"{name} {count - 1} {whom}", encoding="ascii")
            return False
        path.rename(path.with_suffix(f".{whom}"))
        return True


def die_at(point: str) -> None:
    """Die here, without a word, if this is the moment."""
    if reached(point):
        die()


def die() -> None:
    everyone = Path(os.environ[VARIABLE]).with_suffix(".all").exists()
    if everyone:
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def install() -> None:
    """Put all points into the pieces of this process."""
    for owner, name in ((refresh.Refresher, "_settled"), (redeem.Redeemer, "redeem"), (revoke.Revoker, "revoke")):
        before(owner, name, PARSED)
    before(refresh, "decide", DECIDING)
    before(writer.Writer, "_tell", UNTOLD)
    before(settling.Settling, "_leave", UNTOLD)
    hot.write = _uncommitted(hot.write)  # type: ignore[assignment]
    line.Line.ask = _unheard(line.Line.ask)  # type: ignore[method-assign]
    before(refresh, "_handed_out", UNSIGNED)
    before(redeem, "tokens", UNSIGNED)
    trip.Trip._send = _written(trip.Trip._send)  # type: ignore[method-assign]
    writer.connect = _hooked(writer.connect)  # type: ignore[assignment]
    _disks.append(_Disk())
    apsw.set_default_vfs(_disks[0].name)


def before(owner: Any, name: str, point: str) -> None:
    """Die at *point* whenever *owner*'s *name* is about to be called."""
    called = getattr(owner, name)

    @wraps(called)
    def dying(*args: Any, **kwargs: Any) -> Any:
        die_at(point)
        return called(*args, **kwargs)

    setattr(owner, name, dying)


def _uncommitted(write: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """What a batch of PostgreSQL's writes: everything but its commit, if this is the moment, and then death."""

    def without_commit(*values: Any) -> list[Any]:
        asked = write(*values)
        if not reached(WRITTEN):
            return asked
        settling.Settling._finished = lambda *_: die()  # type: ignore[method-assign]
        return asked[:-1]

    return without_commit


def _unheard(ask: Callable[..., None]) -> Callable[..., None]:
    """Death as soon as a commit is on its way to PostgreSQL."""

    def sent(this: line.Line, asked: Any, answered: Any) -> None:
        ask(this, asked, answered)
        if asked[-1][0] is hot.COMMIT:
            die_at(UNACKNOWLEDGED)

    return sent


def _hooked(connect: Callable[..., apsw.Connection]) -> Callable[..., apsw.Connection]:
    """The writer's connection, which tells of the moment before a commit and of the moment it is in the log."""

    def connected(path: Path, **more: Any) -> apsw.Connection:
        connection = connect(path, **more)

        def about_to_commit() -> bool:
            die_at(WRITTEN)
            return False

        def logged(held: apsw.Connection, name: str, pages: int) -> int:
            die_at(UNACKNOWLEDGED)
            if pages >= CHECKPOINT_PAGES:  # a hook of ours takes the place of SQLite's own checkpoints
                try:
                    held.wal_checkpoint(name)
                except apsw.Error:
                    return apsw.SQLITE_OK  # as SQLite does: the next one makes up for it
            return apsw.SQLITE_OK

        connection.set_commit_hook(about_to_commit)
        connection.set_wal_hook(logged)
        return connection

    return connected


def _written(write: Callable[..., None]) -> Callable[..., None]:
    """The answer on its way: cut in half, or whole and nothing after it."""

    def cut(exchange: trip.Trip, head: bytes, body: bytes) -> None:
        for point, share in ((HALF_ANSWERED, 2), (ANSWERED, 1)):
            if reached(point):
                exchange._wire.transport = _LastWords(exchange._wire.transport, share)
        write(exchange, head, body)

    return cut


class _LastWords:
    """Takes the place of a connection whose next write is the last thing this process does."""

    def __init__(self, transport: Any, share: int) -> None:
        self._socket = transport.get_extra_info("socket").fileno()
        self._share = share

    def write(self, data: bytes) -> None:
        os.write(self._socket, data[: len(data) // self._share])
        die()


class _Disk(apsw.VFS):
    """The real disk, with the log's writes and syncs in our hands."""

    def __init__(self) -> None:
        self.name = "watched"
        super().__init__(self.name, base=REAL)

    def xOpen(self, name: Any, flags: list[int]) -> "_File":  # noqa: N802 - SQLite's names
        return _File(name, flags)


class _File(apsw.VFSFile):
    """One open file."""

    def __init__(self, name: Any, flags: list[int]) -> None:
        super().__init__(REAL, name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._is_log = str(path or "").endswith("-wal")
        self._pages = False  # written since the last sync; a new log's header is synced by itself

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._is_log:
            if reached(LOG_TORN):
                super().xWrite(bytes(data)[: len(data) // 2], offset)
                die()
            self._trouble()
            self._pages |= len(data) >= SMALLEST_PAGE
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._is_log:
            if self._pages:
                die_at(LOG_UNSYNCED)
            self._pages = False
            if said()[0] == "sync_error":
                raise apsw.IOError(os.strerror(errno.EIO))
        super().xSync(flags)

    def _trouble(self) -> None:
        trouble = said()[0]
        if trouble in DISK and trouble != "sync_error":
            raise DISK[trouble](trouble)
