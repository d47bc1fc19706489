"""What the run must never print, log or store: every secret the server issued, and where to look for them.

Tests' clients call `record_secrets_in(answer)` (or `record_secret(value)`) on what the server gave them; answers of
issuers in this process are recorded by themselves (`tests.secret_watch`). Everything below pytest's temporary directory
is searched when the run ends, and all that tests print and log. What lies elsewhere needs `watch_output(path)`, what a
process said into a pipe `watch_text(text)`. What a test keeps as a client would (a cookie jar) is left out by
`belongs_to_client(path)`. One hit fails the run.

What lives here: the registry on disk, shared by all workers and by processes the tests start. What must not: the search
(`tests.secret_grep`) and the pytest hooks (`tests/conftest.py`).
"""

import base64
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

REGISTRY: Final = "EVERGRANT_TEST_SECRETS"
"""Environment variable naming the directory in which each process appends to files of its own."""

SHAPES: Final = re.compile(
    r"\beg[a-z]_[A-Za-z0-9_-]{20,}"  # everything of ours: refresh, access, code, client secret, session, flow
    r"|\beyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{20,}"  # a signed JWT
)
SHORTEST: Final = 8
"""A shorter value occurs by chance, and a search for it would say nothing."""

_seen: set[str] = set()


def record_secret(value: str) -> None:
    """Remember one secret the server issued, or one a person chose; at least eight characters."""
    if len(value) < SHORTEST:
        message = f"a secret of {len(value)} characters cannot be searched for"
        raise ValueError(message)
    if value not in _seen:
        _seen.add(value)
        _append("secrets", base64.urlsafe_b64encode(value.encode()))


def record_secrets_in(answer: str | bytes) -> None:
    """Remember everything in *answer* (a body, a Location, a Set-Cookie) that has the shape of a secret."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    for found in SHAPES.finditer(text):
        record_secret(found.group())


def watch_output(path: str | os.PathLike[str]) -> None:
    """Search *path* (a file, or a directory with all below it) when the run ends; it must still be there then."""
    _append("watched", str(Path(path).absolute()).encode())


def watch_text(text: str | bytes) -> None:
    """Search *text*, which a process that a test started printed or logged, when the run ends."""
    raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
    _append("heard", raw)


def belongs_to_client(path: str | os.PathLike[str]) -> None:
    """Leave *path* (a file, or a directory with all below it) out of the search: a client may keep its own tokens."""
    _append("exempt", str(Path(path).absolute()).encode())


def recorded(registry: Path) -> Iterator[str]:
    """Every secret that any process of this run recorded."""
    for line in _lines(registry, "secrets"):
        yield base64.urlsafe_b64decode(line).decode()


def watched(registry: Path) -> Iterator[Path]:
    """Every place that any process of this run asked to be searched."""
    for line in _lines(registry, "watched"):
        yield Path(line)


def exempt(registry: Path) -> Iterator[Path]:
    """Every place that belongs to a client."""
    for line in _lines(registry, "exempt"):
        yield Path(line)


def _append(kind: str, line: bytes) -> None:
    registry = os.environ.get(REGISTRY)
    if registry is None:
        message = f"{REGISTRY} is not set: the registry exists only inside a test run"
        raise RuntimeError(message)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    file = os.open(Path(registry) / f"{os.getpid()}.{kind}", flags, 0o600)
    try:
        os.write(file, line + b"\n")
    finally:
        os.close(file)


def _lines(registry: Path, kind: str) -> list[str]:
    lines: set[str] = set()
    for file in registry.glob(f"*.{kind}"):
        lines.update(file.read_text().splitlines())
    return sorted(lines)
