"""The search: does any of many secrets, in any spelling a careless line could give it, occur in any of many files?

A secret is searched for as text and, where it is base64url of random bytes, as those bytes and as their hexadecimal.
Of a refresh token only the secret part counts: its family id and generation may be shown to anybody.

Each spelling becomes eight overlapping pieces of sixteen bytes, one for each place at which it can stand relative to a
grid of eight bytes; so the files are only looked at on that grid, and at first only for the first eight bytes of a
piece, read as numbers, which is twice as quick.
What must not live here: what is a secret and where to look (`tests.secrecy`).
"""

import contextlib
import re
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

PIECE: Final = 16
GRID: Final = 8
LONG_ENOUGH: Final = PIECE + GRID - 1
_BLOCK: Final = 1 << 24  # 16 MiB of a file at a time
_BATCH: Final = 50_000  # secrets per pass: about 200 MB of pieces
_OURS: Final = re.compile(r"eg[a-z]_[A-Za-z0-9_-]+=*")
_REFRESH_SECRET: Final = slice(21, 53)  # version (1), family id (16), generation (4), then the secret (32)


class Hit(NamedTuple):
    """A secret that was found where none may be. Shows no more of it than its first characters."""

    path: Path
    offset: int
    spelling: str
    secret: str

    def __str__(self) -> str:
        return f"{self.path} at byte {self.offset}: {self.secret[:8]}… as {self.spelling}"


def spellings(secret: str) -> Iterator[tuple[str, bytes]]:
    """The ways *secret* could stand in a file, each with its name."""
    if secret.startswith("eyJ"):
        signature = secret.rpartition(".")[2]  # header and claims may be public; the signature makes it a token
        yield "text", signature.encode()
        yield from _bytes_and_hex(_decoded(signature))
        return
    if not _OURS.fullmatch(secret):
        yield "text", secret.encode()
        return
    raw = _decoded(secret[4:])
    if secret.startswith("egr_") and len(raw) >= _REFRESH_SECRET.stop:
        raw = raw[_REFRESH_SECRET]
        yield "text", urlsafe_b64encode(raw[:30])
    else:
        yield "text", secret[4:].encode()
    yield from _bytes_and_hex(raw)


def grep(places: Iterable[Path], secrets: Iterable[str], exempt: Iterable[Path] = ()) -> list[Hit]:
    """Every secret of *secrets* that occurs in a file at or below *places*; each once per file and spelling."""
    files = files_below(places, exempt)
    waiting = list(secrets)
    hits: list[Hit] = []
    for start in range(0, len(waiting), _BATCH):
        pieces, short = _index(waiting[start : start + _BATCH])
        heads = frozenset(int.from_bytes(piece[:GRID], sys.byteorder) for piece in pieces)
        for file in files:
            hits += _search(file, pieces, heads, short)
    return sorted(set(hits))


def files_below(places: Iterable[Path], exempt: Iterable[Path] = ()) -> list[Path]:
    """Every file at or below *places*, but none at or below *exempt*."""
    spared = tuple(exempt)
    files = {file for place in places for file in _files(place)}
    return sorted(file for file in files if not any(file.is_relative_to(place) for place in spared))


def _search(
    file: Path, pieces: dict[bytes, tuple[str, str]], heads: frozenset[int], short: dict[bytes, tuple[str, str]]
) -> Iterator[Hit]:
    found: set[tuple[str, str]] = set()
    for start, block in _blocks(file):
        numbers = memoryview(block)[: len(block) // GRID * GRID].cast("Q")
        here = () if heads.isdisjoint(numbers) else range(0, len(block) - PIECE + 1, GRID)
        for at in here:
            owner = pieces.get(block[at : at + PIECE])
            if owner is not None and owner not in found:
                found.add(owner)
                yield Hit(file, start + at, *owner)
        for needle, owner in short.items():
            at = block.find(needle)
            if at >= 0 and owner not in found:
                found.add(owner)
                yield Hit(file, start + at, *owner)


def _index(secrets: list[str]) -> tuple[dict[bytes, tuple[str, str]], dict[bytes, tuple[str, str]]]:
    pieces: dict[bytes, tuple[str, str]] = {}
    short: dict[bytes, tuple[str, str]] = {}
    for secret in secrets:
        for name, spelled in spellings(secret):
            if len(spelled) < LONG_ENOUGH:
                short[spelled] = (name, secret)
                continue
            for at in range(GRID):
                pieces[spelled[at : at + PIECE]] = (name, secret)
    return pieces, short


def _blocks(file: Path) -> Iterator[tuple[int, bytes]]:
    """The file in blocks that overlap by enough that nothing hides on a border; each starts on the grid."""
    overlap = 256
    start = 0
    with contextlib.suppress(FileNotFoundError), file.open("rb") as stream:  # a journal may go while we look
        kept = b""
        while fresh := stream.read(_BLOCK):
            block = kept + fresh
            yield start, block
            keep_from = max(0, len(block) - overlap) // GRID * GRID
            kept = block[keep_from:]
            start += keep_from


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (file for file in place.rglob("*") if file.is_file() and not file.is_symlink())
    elif place.is_file():
        yield place


def _bytes_and_hex(raw: bytes) -> Iterator[tuple[str, bytes]]:
    if len(raw) >= PIECE:
        yield "bytes", raw
        yield "hexadecimal", raw.hex().encode()


def _decoded(text: str) -> bytes:
    body = text.rstrip("=")
    try:
        return urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (NotBase64, ValueError):
        return b""
