"""What an ordinary user meets: root may read and write everything, and tests often run as root."""

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def as_nobody(early: Callable[[], Any], sentence: Callable[[Path], str], path: Path) -> str:
    """What *sentence* says of *path* in a process of an ordinary user.

    *early* is called before root is given up: what an interpreter in root's own folder imports late, nobody cannot.
    """
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    process = context.Process(target=_told, args=(early, sentence, path, told))
    process.start()
    process.join(240)
    assert process.exitcode == 0
    return told.get()


def _told(early: Callable[[], Any], sentence: Callable[[Path], str], path: Path, told: Any) -> None:
    early()
    if os.getuid() == 0:
        os.setgid(65_534)
        os.setuid(65_534)
    told.put(sentence(path))


@contextmanager
def reachable(name: str) -> Iterator[Path]:
    """A path in a folder that an ordinary user may reach and write; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="evergrant-public-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder) / name
        Path(folder).chmod(0o777)
