"""django-oauth-toolkit as the driver meets it: `peers/django` under gunicorn on the server core.

What lives here: its key, its database, starting it. What must not: its settings (in `peers/django`).
Neighbour: `node_peer` is the other peer.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks import processes
from benchmarks.servers import (
    ACCESS_TOKEN_SECONDS,
    CLIENT_ID,
    CONNECTIONS,
    REDIRECT_URI,
    REFRESH_TOKEN_SECONDS,
    SCOPE,
    Target,
)

HOME = Path(__file__).parent / "peers" / "django"


def missing() -> str | None:
    """Why this peer cannot be measured here, or None."""
    absent = [name for name in ("django", "oauth2_provider", "gunicorn") if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(absent)} (requirements/bench.txt)" if absent else None


def version() -> str:
    names = {"django-oauth-toolkit": "django-oauth-toolkit", "Django": "Django", "gunicorn": "gunicorn"}
    return ", ".join(f"{shown} {metadata.version(name)}" for name, shown in names.items())


@contextlib.contextmanager
def serving(workdir: Path, *, families: int = CONNECTIONS, store_url: str = "") -> Iterator[Target]:
    """On SQLite, or on the PostgreSQL database that *store_url* names."""
    port = processes.free_port()
    log = workdir / "django.log"
    for old in workdir.glob("django.sqlite3*"):
        old.unlink()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (workdir / "django-rsa.pem").write_bytes(pem)
    profile: dict[str, object] = {
        "workdir": str(workdir),
        "port": port,
        "families": families,
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "scope": SCOPE,
        "access_token_seconds": ACCESS_TOKEN_SECONDS,
        "refresh_token_seconds": REFRESH_TOKEN_SECONDS,
    }
    if store_url:
        profile["postgres"] = _database(store_url)
    env = {"BENCH_PROFILE": json.dumps(profile), "PYTHONDONTWRITEBYTECODE": "1"}
    minted = subprocess.run(
        [sys.executable, "mint.py"], cwd=HOME, env={**os.environ, **env}, check=True, capture_output=True, text=True
    )
    with processes.running(_command(port), log, cwd=HOME, env=env) as process:
        issuer = f"http://127.0.0.1:{port}/o"
        processes.wait_for_answer(process, f"{issuer}/.well-known/openid-configuration", log)
        yield Target(
            name="django-oauth-toolkit",
            pid=process.pid,
            port=port,
            token_path="/o/token/",
            issuer_authority=f"127.0.0.1:{port}",
            log=log,
            refresh_tokens=json.loads(minted.stdout),
            form={"client_id": CLIENT_ID},
            jwks_url=f"{issuer}/.well-known/jwks.json",
            signs_access_token=False,
            setup=f"{version()} (gthread, 1 process, 1 thread); "
            f"{'PostgreSQL' if store_url else 'SQLite WAL synchronous=FULL'}, opaque access token, RS256 ID token",
        )


def _database(url: str) -> dict[str, str | int]:
    parts = urlsplit(url)
    return {
        "HOST": parts.hostname or "",
        "PORT": parts.port or 5432,
        "USER": parts.username or "",
        "NAME": parts.path[1:],
    }


def _command(port: int) -> list[str]:
    # One thread with keep-alive was the fastest of gunicorn sync, gthread (1 and 4 threads) and uvicorn: README.
    return [sys.executable, "-m", "gunicorn", "wsgi:application", "--bind", f"127.0.0.1:{port}", "--workers", "1",
            "--worker-class", "gthread", "--threads", "1", "--keep-alive", "75", "--log-level", "warning"]  # fmt: skip
