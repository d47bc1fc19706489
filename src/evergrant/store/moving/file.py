"""The backup's file: one line that says what it is, then frames; the last one says what all of them add up to.

A frame is the length of what follows (four bytes, big-endian) and a message in MessagePack: a head, pages of rows,
the sums of every table, an end. The end has SHA-256 over every byte before it, so that a file that was cut, or
changed, is known before anything is done with it. Nothing in a backup can be used as a token: it holds what the store
holds, digests and sealed keys, and no key-encryption key.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp
from typing import IO, Any, Final, NamedTuple

from msgspec import DecodeError, ValidationError, msgpack

from evergrant.store.bulk import Layout, Row, Table
from evergrant.store.layout import ISSUER
from evergrant.store.moving.rows import Sum

LONGEST_LINE: Final = 64
LARGEST_FRAME: Final = 256 * 1024 * 1024
_OTHER: Final = re.compile(rb"(evergrant[a-z ]* backup) 1\n")
_HEAD, _PAGE, _SUMS, _END = range(4)


class BadBackup(Exception):
    """A file that is no backup, or not a whole one: one sentence."""


class Head(NamedTuple):
    """What a backup says of itself. *columns* of each table; *numbers* as in `store.bulk.Bulk`."""

    made_at: int
    release: str
    source: str
    epoch: int
    numbers: dict[str, int]
    columns: dict[str, list[str]]


class Backup(NamedTuple):
    """A file that was found whole."""

    path: Path
    head: Head
    sums: dict[str, Sum]
    size: int
    checksum: str


def first_line(layout: Layout) -> bytes:
    """What a backup of this kind of store begins with."""
    return f"{layout.kind} 1\n".encode()


def columns(layout: Layout) -> dict[str, list[str]]:
    """The columns of each table."""
    return {table.name: list(table.columns) for table in layout.tables}


class Writing:
    """A backup being written."""

    def __init__(self, file: IO[bytes], layout: Layout = ISSUER) -> None:
        self._file, self._hash, self.size = file, sha256(), 0
        self._write(first_line(layout))

    def head(self, head: Head) -> None:
        self._frame((_HEAD, head))

    def page(self, table: Table, rows: list[Row]) -> None:
        self._frame((_PAGE, table.name, rows))

    def end(self, sums: dict[str, Sum]) -> str:
        """Close the file's content; the checksum over what came before."""
        self._frame((_SUMS, sums))
        checksum = self._hash.hexdigest()
        self._frame((_END, checksum))
        return checksum

    def _frame(self, message: Any) -> None:
        body = msgpack.encode(message)
        self._write(len(body).to_bytes(4, "big") + body)

    def _write(self, text: bytes) -> None:
        self._file.write(text)
        self._hash.update(text)
        self.size += len(text)


@contextmanager
def written(path: Path, *, replace: bool) -> Iterator[IO[bytes]]:
    """A new file for its owner alone, that has its name only when it is whole and on the disk.

    Raises `FileExistsError` when there is one already and it is not to be replaced.
    """
    if path.exists() and not replace:
        raise FileExistsError(17, "there is such a file already", str(path))
    partial = None
    try:
        # Not named by the process: in containers all are number 1, and one that was killed would stay in the way.
        descriptor, name = mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        partial = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            partial.replace(path)
        else:
            # Linked and not renamed: a file that came to be in the meantime is not overwritten.
            path.hardlink_to(partial)
    except OSError as error:
        if error.filename != str(path):  # writing names nothing, and nobody knows the other name
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def checked(path: Path, layout: Layout = ISSUER) -> Backup:
    """Read a whole file and believe none of it before its end. Raises `BadBackup`."""
    said: list[Any] = [None, None]
    hashed, size = sha256(), 0
    for message, raw in _frames(path, layout):
        if message[0] in {_HEAD, _SUMS}:
            said[message[0] == _SUMS] = message[1]
        elif message[0] == _END:
            if message[1:] != [hashed.hexdigest()] or None in said:
                raise BadBackup(f"{path}: damaged: its content is not what its end says")
            sums = {name: Sum(*one) for name, one in said[1].items()}
            return Backup(path, _head(path, said[0], layout), sums, size + len(raw), message[1])
        hashed.update(raw)
        size += len(raw)
    raise BadBackup(f"{path}: cut short: its end is missing")


def read(backup: Backup, layout: Layout = ISSUER) -> Iterator[tuple[Table, list[Row]]]:
    """The pages of a file that was found whole. Raises `BadBackup` when it has changed since."""
    tables = {table.name: table for table in layout.tables}
    for message, _ in _frames(backup.path, layout):
        if message[0] == _PAGE:
            yield tables[message[1]], [tuple(row) for row in message[2]]


def _head(path: Path, said: Any, layout: Layout) -> Head:
    try:
        head = Head._make(said)
    except TypeError as error:
        raise BadBackup(f"{path}: made by a release that says more of its backups; restore it with that one") from error
    if head.columns != columns(layout):
        raise BadBackup(f"{path}: made by release {head.release}, whose tables differ; restore it with that release")
    return head


def _frames(path: Path, layout: Layout) -> Iterator[tuple[list[Any], bytes]]:
    """Every frame decoded and as it is; the first line comes as raw bytes with an empty message."""
    with path.open("rb") as file:
        first = file.readline(LONGEST_LINE)
        if first != first_line(layout):
            other = _OTHER.fullmatch(first)
            made = f"; it was made by {other[1].decode()}" if other else ""
            raise BadBackup(f"{path}: this is not a backup made by {layout.kind}{made}")
        yield [None], first
        while length := file.read(4):
            size = int.from_bytes(length, "big")
            body = file.read(size) if size <= LARGEST_FRAME else b""
            if len(length) < 4 or len(body) < size:  # noqa: PLR2004 - the length of a length
                raise BadBackup(f"{path}: cut short or damaged: a frame is not whole")
            try:
                message = msgpack.decode(body, type=list[Any])
            except (DecodeError, ValidationError, UnicodeDecodeError) as error:
                raise BadBackup(f"{path}: damaged: a frame cannot be read") from error
            if not message:
                raise BadBackup(f"{path}: damaged: a frame is empty")
            yield message, length + body
