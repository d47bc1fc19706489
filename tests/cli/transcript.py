"""Transcripts: what somebody typed and what they saw, as plain text files that are run.

    # A line for the reader.
    given a family that was stolen           a scene of `tests.cli.scenes` is played on the data directory
    file evergrant.toml                      a file is written; its lines follow, each behind `+ `
    $ evergrant client list                  a command; words are split as a shell does
    < correct horse                          what it reads on standard input
    | client  name                           what it says on standard output, line by line
    ! evergrant: no clients yet              what it says on standard error
    exit 3                                   its exit code, when it is not 0

Everything a command says is in the transcript, or the test fails. Whatever differs from run to run is written as a
placeholder, such as `<client>`, `<instant>` or `<folder>`; in a command a placeholder stands for the last one seen.
Runs of spaces within a line count as two, because the width of a table follows from what differs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_VARYING: Final = (
    ("secret", r"\begs_[\w-]{43}"),
    ("stream", r"\bcli_[\w-]{22}\.[\w-]{8}"),
    ("client", r"\bcli_[\w-]{22}"),
    ("user", r"\busr_[\w-]{22}"),
    ("family", r"\bfam_[\w-]{22}"),
    ("connection", r"\bcon_[\w-]{22}"),
    ("session", r"\bses_[\w-]{22}"),
    ("token key", r"\bmac-[\w-]{12}"),
    ("key", r"(?<![\w-])[\w-]{43}(?![\w-])"),
    ("moment", r"\b\d+\.\d s\b"),
    ("checksum", r"\b[0-9a-f]{64}\b"),
    ("fingerprint", r"\b[0-9a-f]{16}\b"),
    ("password", r"\b[a-z2-9]{5}(?:-[a-z2-9]{5}){3,}\b"),
    ("instant", r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    ("seconds", r"\b[12]\d{9}\b"),
    ("size", r"\b[\d,.]+ [MG]iB\b"),
    ("version", r"(?<=SQLite )\d+\.\d+\.\d+"),
    ("age", r"(?<=signing for )\d+[dhms](?: \d+[dhms])?"),
    ("cores", r"\d+ cores?\b"),
)


@dataclass
class Step:
    """One line that does something: `what` is given, file or $; its words, and what belongs to it."""

    what: str
    words: str
    line: int
    stdin: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    code: int = 0


@dataclass
class Said:
    """What a command said and how it ended."""

    code: int
    stdout: str
    stderr: str


class Names:
    """What was seen so far under each placeholder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last: dict[str, str] = {}

    def hidden(self, text: str) -> list[str]:
        """Lines with placeholders instead of what differs from run to run."""
        text = text.replace(str(self.folder), "<folder>")
        for name, pattern in _VARYING:
            text = re.sub(f"({pattern})(  )?", lambda found, name=name: self._seen(name, *found.groups()), text)
        return text.splitlines()

    def shown(self, words: str) -> list[str]:
        """The words of a command, with what the placeholders stand for."""
        for name, value in {**self.last, "folder": str(self.folder)}.items():
            words = words.replace(f"<{name}>", value)
        return shlex.split(words)

    def _seen(self, name: str, value: str, gap: str | None) -> str:
        self.last[name] = value
        # In a table the placeholder is as wide as what it stands for, so that the columns of a transcript are straight.
        return f"<{name}>".ljust(len(value)) + gap if gap else f"<{name}>"


def squeezed(line: str) -> str:
    """A line whose runs of spaces, after its indentation, are two."""
    return re.sub(r"(?<=\S) {2,}", "  ", line.rstrip())


def read(path: Path) -> Iterator[Step]:
    """The steps of a transcript. Raises `ValueError` for a line that means nothing."""
    step: Step | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        mark, _, rest = line.partition(" ")
        if not line or mark == "#":
            continue
        if mark in {"$", "given", "file"}:
            if step is not None:
                yield step
            step = Step(mark, rest, number)
        elif step is None:
            raise ValueError(f"{path.name}, line {number}: nothing was done yet")
        elif mark == "exit":
            step.code = int(rest)
        elif mark in _PARTS:
            getattr(step, _PARTS[mark]).append(rest)
        else:
            raise ValueError(f"{path.name}, line {number}: {mark!r} is no mark of a transcript")
    if step is not None:
        yield step


_PARTS: Final = {"<": "stdin", "+": "content", "|": "stdout", "!": "stderr"}


def written(step: Step, said: Said, names: Names) -> str:
    """What was said, in a transcript's own form."""
    return _spelled(step, names.hidden(said.stdout), names.hidden(said.stderr), said.code)


def expected(step: Step) -> str:
    """What should be said, in the same form."""
    return _spelled(step, step.stdout, step.stderr, step.code)


def _spelled(step: Step, stdout: list[str], stderr: list[str], code: int) -> str:
    lines = [f"$ {step.words}", *(f"< {line}" for line in step.stdin)]
    lines += [f"| {squeezed(line)}".rstrip() for line in stdout]
    lines += [f"! {squeezed(line)}".rstrip() for line in stderr]
    return "\n".join([*lines, *([f"exit {code}"] if code else [])])
