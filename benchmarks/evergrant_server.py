"""Evergrant as the driver meets it: its own command line, a fresh data directory, families obtained through its pages.

What lives here: starting it, adding a client and a user, what it costs while idle, how soon it answers. What must not:
an import of the product. Neighbour: `browser` signs in and allows; `node_peer` and `django_peer` are the others.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import processes
from benchmarks.browser import Browser
from benchmarks.servers import (
    ACCESS_TOKEN_SECONDS,
    CONNECTIONS,
    REDIRECT_URI,
    REFRESH_TOKEN_SECONDS,
    RESOURCE,
    SCOPE,
    Target,
)

ROOT = Path(__file__).parents[1]
EMAIL = "bench@example.com"
PASSWORD = "correct horse battery staple 7"
PRESET = {"spa": "public", "web": "confidential"}
_CONFIGURATION = f"""
[tokens]
access_lifetime = {ACCESS_TOKEN_SECONDS}
id_token_lifetime = {ACCESS_TOKEN_SECONDS}
idle_lifetime = {REFRESH_TOKEN_SECONDS}

[[resource]]
identifier = "{RESOURCE}"
scopes = ["api"]

[scopes]
openid = "Know who you are"
offline_access = "Stay connected when you are not there"
api = "Use the benchmark's API"
"""
"""The profile of `servers`, and nothing that would make it faster: everything else stays at its default."""


@dataclass(frozen=True, slots=True)
class Idle:
    """What a server with nothing to do costs, and how soon it had something to say."""

    rss_mb: float
    pss_mb: float
    first_start_s: float
    """With an empty data directory: keys and database are made."""
    restart_s: float
    """Median of the starts on a directory that exists."""
    restart_best_s: float
    starts: int


def command() -> list[str]:
    return [str(Path(sys.executable).parent / "evergrant")]


def missing() -> str | None:
    """Why it cannot be measured here, or None."""
    if not Path(command()[0]).exists():
        return "evergrant is not installed in this environment"
    run = subprocess.run([*command(), "serve", "--help"], capture_output=True, text=True, check=False, cwd=ROOT)
    return None if run.returncode == 0 else f"evergrant serve does not run: {run.stderr.strip()[-300:]}"


def version() -> str:
    run = subprocess.run([*command(), "--version"], capture_output=True, text=True, check=False, cwd=ROOT)
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    return f"{run.stdout.strip() or 'evergrant'} ({git.stdout.strip() or 'no git'}), Python {sys.version.split()[0]}"


def configured(directory: Path, store_url: str = "") -> dict[str, str]:
    """The environment that names the configuration; its file lies beside the data directory."""
    file = directory.with_suffix(".toml")
    file.write_text(_CONFIGURATION)
    store = {"EVERGRANT_STORE_URL": store_url} if store_url else {}
    return {"EVERGRANT_CONFIG": str(file), **store}


def ask(directory: Path, *arguments: str, given: str | None = None, store_url: str = "") -> dict[str, Any]:
    """What a command of its own answers as JSON."""
    run = subprocess.run(
        [*command(), *arguments, "--data", str(directory), "--json"],
        input=given, capture_output=True, text=True, check=False, cwd=ROOT,
        env={**processes.plain_environment(), **configured(directory, store_url)},
    )  # fmt: skip
    if run.returncode != 0:
        raise processes.ServerFailed(f"evergrant {' '.join(arguments[:2])}: {run.stderr.strip()[-1500:]}")
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


@contextlib.contextmanager
def started(
    directory: Path, log: Path, *, store_url: str = "", issuer: str = "", core: int = processes.SERVER_CORE
) -> Iterator[tuple[subprocess.Popen[bytes], str, float]]:
    """The process, its issuer, and the seconds from exec to the first 200 of its discovery document.

    A further node is told the first one's *issuer*; its own port is what its process listens on.
    """
    port = processes.free_port()
    issuer = issuer or f"http://127.0.0.1:{port}"
    serve = [*command(), "serve", "--data", str(directory), "--listen", f"127.0.0.1:{port}", "--issuer", issuer]
    start = time.perf_counter()
    with processes.running(serve, log, cwd=ROOT, env=configured(directory, store_url), core=core) as process:
        answered = processes.wait_for_answer(
            process, f"http://127.0.0.1:{port}/.well-known/openid-configuration", log, host=urlsplit(issuer).netloc
        )
        yield process, f"http://127.0.0.1:{port}", answered - start


def idle(workdir: Path, *, starts: int) -> Idle:
    """Start it *starts* times on one directory; weigh it in the last of them, two seconds after its first answer."""
    directory, log = workdir / "evergrant-idle", workdir / "evergrant-idle.log"
    shutil.rmtree(directory, ignore_errors=True)
    took: list[float] = []
    rss = pss = 0.0
    for number in range(starts + 1):
        with started(directory, log) as (process, _, seconds):
            took.append(seconds)
            if number == starts:
                time.sleep(2)
                rss, pss = processes.memory_mb(process.pid)
    return Idle(rss, pss, took[0], statistics.median(took[1:]), min(took[1:]), starts)


@contextlib.contextmanager
def serving(workdir: Path, *, families: int = CONNECTIONS, kind: str = "spa", store_url: str = "") -> Iterator[Target]:
    """On SQLite in a fresh directory, or on the empty PostgreSQL database that *store_url* names."""
    directory, log = workdir / "evergrant", workdir / "evergrant.log"
    shutil.rmtree(directory, ignore_errors=True)
    scopes = [part for scope in SCOPE.split() for part in ("--scope", scope)]
    with started(directory, log, store_url=store_url) as (process, issuer, _):
        added = ask(
            directory, "client", "add", "bench", "--type", kind, "--redirect-uri", REDIRECT_URI,
            *scopes, "--preset", PRESET[kind], store_url=store_url,
        )  # fmt: skip
        ask(directory, "user", "add", EMAIL, "--password-stdin", given=PASSWORD + "\n", store_url=store_url)
        client_id, secret = str(added["id"]), added.get("secret")
        with Browser(issuer, EMAIL, PASSWORD) as person:
            tokens = [person.refresh_token(client_id, secret, REDIRECT_URI, SCOPE) for _ in range(families)]
            token_url, jwks_url = person.token_url, person.jwks_url
        basic = b64encode(f"{client_id}:{secret}".encode()).decode()
        store = "PostgreSQL synchronous_commit=on" if store_url else "SQLite WAL synchronous=FULL"
        yield Target(
            name=f"evergrant ({PRESET[kind]})",
            pid=process.pid,
            port=urlsplit(issuer).port or 0,
            token_path=urlsplit(token_url).path,
            issuer_authority=urlsplit(issuer).netloc,
            log=log,
            refresh_tokens=tokens,
            form={} if secret else {"client_id": client_id},
            headers={"Authorization": f"Basic {basic}"} if secret else {},
            jwks_url=jwks_url,
            setup=f"{version()}; {store}, audited, ES256 access token and ID token",
        )


def stored_bytes(workdir: Path) -> int:
    """What the data directory weighs after a run, everything included."""
    return sum(f.stat().st_size for f in (workdir / "evergrant").rglob("*") if f.is_file())
