"""What a page tells its reader to type, and a terminal to type it in.

What lives here: reading a page's examples, and running one line as a shell does. What must not: what a page promises.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.secrecy import watch_text
from tests.tools import ROOT

PATIENCE: Final = 60


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language, in the order of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def lines(page: str, language: str = "sh") -> list[str]:
    """Every line that is to be typed, without the remark behind it."""
    typed = (re.sub(r"\s+# .*", "", line) for block in blocks(page, language) for line in block.splitlines())
    return [line for line in typed if line]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@dataclass
class Terminal:
    """A shell in *folder* that finds this checkout's command line; servers get a free port of loopback."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def types(self, line: str, code: int = 0) -> str:
        """Run one line; what it said on both streams. Anything but the exit code *code* is a failure."""
        named = re.fullmatch(r'export (\w+)="\$PWD/(.*)"', line)
        if named:
            self.environment[named[1]] = str(self.folder / named[2])
            return ""
        done = subprocess.run(
            ["/bin/sh", "-c", line], cwd=self.folder, env=self.all(), text=True, timeout=PATIENCE, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        watch_text(done.stdout)
        assert done.returncode == code, f"{line}: {done.stdout}"
        return done.stdout

    @contextlib.contextmanager
    def keeps(self, line: str) -> Iterator[list[str]]:
        """Start a line that runs until Ctrl-C, and press that in the end. What it says: a line, then more."""
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {line}"], cwd=self.folder, env=self.all(), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        said: list[str] = []
        listening = threading.Thread(target=lambda: said.extend(line.rstrip("\n") for line in process.stdout))
        try:
            said.append(process.stdout.readline().rstrip("\n"))
            listening.start()
            yield said
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=PATIENCE)
            listening.join(PATIENCE)
            process.stdout.close()
        watch_text("\n".join(said))
        assert process.returncode in {0, 130}, f"{line}: {process.returncode}"

    def all(self) -> dict[str, str]:
        """The environment of whatever is started here."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        free = {"EVERGRANT_SERVER_LISTEN": "127.0.0.1:0"}
        return {**os.environ, "PATH": path, **free, **self.environment}
