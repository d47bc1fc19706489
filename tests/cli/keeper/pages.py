"""Following a page of the keeper word by word: its console examples are typed in order, in one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.secrecy import watch_text
from tests.tools import ROOT
from tests.written import blocks

PATIENCE: Final = 120
STARTED: Final = "stop with Ctrl-C"
VARYING: Final = (
    (r"127\.0\.0\.1:\d+", "<address>"),
    (r"\b[0-9a-f]{48}\b", "<secret>"),
    (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<instant>"),
)
# The browser of whoever follows the page: agrees to everything, and signs in where the demo asks for it.
BROWSER: Final = """\
import re, sys
from pathlib import Path
sys.path.insert(0, {root!r})
import requests
from tests.interop import person
person.record_secrets_in = lambda text: None
said = Path("demo.said")
url, http = sys.argv[1], requests.Session()
if said.exists():
    found = dict(re.findall(r"^(Issuer|Sign in as|Password) +(\\S+)$", said.read_text(), re.MULTILINE))
    if url.startswith(found["Issuer"]):
        url = person.Person(found["Issuer"], found["Sign in as"], found["Password"]).goes(url)
http.get(url, timeout=30)
"""


def examples(text: str) -> list[tuple[str, list[str]]]:
    """Every command of the page in order, with the lines that it shows."""
    found: list[tuple[str, list[str]]] = []
    for block in blocks(text, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def same(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, name in VARYING:
        line = re.sub(pattern, name, line)
    return re.sub(r" {2,}", "  ", line.strip())


@dataclass
class Follower:
    """Somebody at a desk with a page; *real* maps what the page shows to what it is this time."""

    folder: Path
    servers: ExitStack
    real: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def types(self, command: str) -> list[str]:
        """Type one command; what it says on both streams."""
        for shown, now in self.real.items():
            command = command.replace(shown, now)
        named = re.fullmatch(r'export (\w+)="\$PWD/(.*)"', command)
        if named:
            self.environment[named[1]] = str(self.folder / named[2])
            return []
        if command.startswith(("evergrant chaos", "evergrant demo")):
            return self.servers.enter_context(self._started(command))
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.folder, env=self._all(), text=True, timeout=PATIENCE, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}"
        if "keeper token" not in command:
            watch_text(done.stdout)
        return done.stdout.splitlines()

    def finds(self, shown: str, pattern: str, said: list[str]) -> None:
        """Remember what stands this time for something that the page shows."""
        found = re.search(pattern, "\n".join(said))
        assert found, f"{pattern} in {said}"
        self.real[shown] = found[1]

    @contextmanager
    def _started(self, command: str) -> Iterator[list[str]]:
        free = " --listen 127.0.0.1:0 --app-listen 127.0.0.1:0" if command.startswith("evergrant demo") else ""
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}{free}"], cwd=self.folder, env=self._all(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        said: list[str] = []
        try:
            for line in process.stdout:
                said.append(line.rstrip("\n"))
                if STARTED in line:
                    break
            yield said
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE)

    def _all(self) -> dict[str, str]:
        script = self.folder / "browser.py"
        script.write_text(BROWSER.format(root=str(ROOT)))
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("EVERGRANT_CONFIG")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1",
            "BROWSER": f"{sys.executable} {script} %s", "NO_PROXY": "127.0.0.1", **self.environment,
        }  # fmt: skip
