"""A chaos provider and the keeper's commands as processes of their own, as they are typed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests

from tests.secrecy import watch_text

PATIENCE: Final = 90
BROWSER: Final = """\
import sys, urllib.request
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=30).read()
"""
TOKEN: Final = re.compile(r"ch[ar]_[\w-]{20,}")


@dataclass
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Desk:
    """A folder to work in, with a browser that follows every redirect and agrees to everything."""

    folder: Path
    config: str = "chaos.toml"
    more: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        script = self.folder / "browser.py"
        script.write_text(BROWSER)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("EVERGRANT_KEEPER")},
            "EVERGRANT_CONFIG": str(self.folder / self.config),
            "EVERGRANT_STORE_DATA": str(self.folder / "data"),
            "BROWSER": f"{sys.executable} {script} %s",
            "COLUMNS": "120",
            **self.more,
        }

    def types(self, *words: str, stdin: str = "", **environment: str) -> Said:
        """Run one command of the keeper to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "evergrant", "keeper", *words], cwd=self.folder, capture_output=True, text=True,
            env={**self.environment, **environment}, input=stdin, timeout=PATIENCE, check=False,
        )  # fmt: skip
        watch_text(done.stderr)
        return Said(done.returncode, done.stdout, done.stderr)

    def good(self, *words: str, **more: Any) -> Said:
        """Run one command that must go well."""
        said = self.types(*words, **more)
        assert said.code == 0, said.err
        return said

    @contextmanager
    def keeps(self, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
        """Start a command that goes on until it is told to stop; the process and its first line."""
        process = subprocess.Popen(
            [sys.executable, "-m", "evergrant", *words, "--json"], cwd=self.folder, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            line = process.stdout.readline()
            yield process, json.loads(line) if line else {"error": process.communicate(timeout=PATIENCE)[1]}
        finally:
            if process.poll() is None:
                process.terminate()
            _, err = process.communicate(timeout=PATIENCE)
            watch_text(err)


@dataclass
class Provider:
    """A chaos provider that runs, asked over its control endpoint."""

    said: dict[str, Any]

    def ask(self, method: str, path: str, **more: Any) -> Any:
        mark = {"Authorization": f"Bearer {self.said['control_token']}"}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, self.said["control"] + path, headers=mark, timeout=30, **more)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    @property
    def ledger(self) -> dict[str, Any]:
        return self.ask("GET", "/ledger")

    def modes(self, *modes: str) -> None:
        self.ask("POST", "/modes", json={"modes": list(modes)})

    def accepts(self, token: str) -> bool:
        with requests.Session() as session:
            session.trust_env = False
            bearer = {"Authorization": f"Bearer {token}"}
            return session.get(self.said["api_url"], headers=bearer, timeout=30).status_code == 200


@contextmanager
def provided(desk: Desk, provider: str = "github_app", *words: str) -> Iterator[Provider]:
    """A chaos provider, and a configuration of the keeper for it."""
    asked = ("chaos", "--provider", provider, "--approve", "ada", "--keeper", desk.config, *words)
    with desk.keeps(*asked) as (_, said):
        yield Provider(said)
