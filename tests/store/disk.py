"""A disk that fails on command: one write or sync refused, every one from some moment on, or the power gone.

What lives here: a SQLite VFS that passes everything through to the real one, counts, and fails where it was told to;
and what a real disk may hold after a power cut, where writes not yet synced may be there, missing or torn.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import apsw

SECTOR: Final = 512
REAL: Final = apsw.vfs_names()[0]


@dataclass
class Plan:
    """Which operation fails (counted from 1, 0 for none), with what, and whether all later ones fail too."""

    fail_at: int = 0
    error: type[apsw.Error] = apsw.IOError
    kinds: tuple[str, ...] = ("write", "sync", "truncate")
    for_good: bool = False
    torn: bool = False
    count: int = 0
    failures: int = 0
    seen: list[str] = field(default_factory=list)

    def arm(self, fail_at: int) -> None:
        self.count, self.failures, self.seen = 0, 0, []
        self.fail_at = fail_at

    def fails(self, kind: str) -> bool:
        if kind not in self.kinds:
            return False
        self.count += 1
        self.seen.append(kind)
        due = self.fail_at and (self.count == self.fail_at or (self.for_good and self.count > self.fail_at))
        self.failures += bool(due)
        return bool(due)


@dataclass
class Held:
    """What a file surely holds, and what was written since, in order."""

    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)


class Disk(apsw.VFS):
    """The VFS. Files are the real ones; `held` remembers what a power cut could leave of them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.held: dict[str, Held] = {}
        self.name = f"broken-{id(self)}"
        super().__init__(self.name, base=REAL)

    def xOpen(self, name: Any, flags: list[int]) -> "File":  # noqa: N802 - SQLite's names
        return File(self, name, flags)

    def after_power_cut(self, into: Path, chance: random.Random) -> None:
        """Write what the disk may hold: everything synced, and any part of the rest."""
        for path, held in self.held.items():
            if not Path(path).exists():
                continue
            image = bytearray(held.durable)
            for offset, data in held.pending:
                _land(image, offset, data, chance)
            (into / Path(path).name).write_bytes(image)


def _land(image: bytearray, offset: int, data: bytes | None, chance: random.Random) -> None:
    """Apply one unsynced write wholly, in part, or not at all."""
    luck = chance.random()
    if luck < 0.4:
        return
    if data is None:
        del image[offset:]
        return
    if luck < 0.6:
        data = data[: chance.randrange(0, len(data) + 1, SECTOR) if len(data) > SECTOR else 0]
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data


class File(apsw.VFSFile):
    """One open file of the disk."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__(REAL, name, flags)
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._held: Held | None = None
        if path and not path.endswith("-shm"):
            self._path = path
            content = Path(path).read_bytes() if Path(path).exists() else b""
            self._held = disk.held.setdefault(path, Held(content))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.plan.fails("write"):
            if self._disk.plan.torn:
                part = bytes(data[: len(data) // 2])
                super().xWrite(part, offset)
                self._remember(offset, part)
            raise self._disk.plan.error("on purpose")
        super().xWrite(data, offset)
        self._remember(offset, bytes(data))

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._disk.plan.fails("sync"):
            raise self._disk.plan.error("on purpose")
        super().xSync(flags)
        if self._held is not None:
            self._held.durable = Path(self._path).read_bytes()
            self._held.pending.clear()

    def xTruncate(self, size: int) -> None:  # noqa: N802
        if self._disk.plan.fails("truncate"):
            raise self._disk.plan.error("on purpose")
        super().xTruncate(size)
        self._remember(size, None)

    def _remember(self, offset: int, data: bytes | None) -> None:
        if self._held is not None:
            self._held.pending.append((offset, data))


@contextmanager
def broken_disk(plan: Plan) -> Iterator[Disk]:
    """Every database opened inside lies on a disk that follows *plan*."""
    disk = Disk(plan)
    apsw.set_default_vfs(disk.name)
    try:
        yield disk
    finally:
        apsw.set_default_vfs(REAL)
        disk.unregister()


@contextmanager
def real_disk() -> Iterator[None]:
    """Inside `broken_disk`: what is opened here lies on the real disk."""
    before = apsw.vfs_names()[0]
    apsw.set_default_vfs(REAL)
    try:
        yield
    finally:
        apsw.set_default_vfs(before)
