"""node-oidc-provider as the driver meets it: `peers/node/server.mjs` on the server core.

What lives here: starting it and reading the refresh tokens it minted. What must not: its configuration (see
`peers/node`). Neighbour: `django_peer` is the other peer.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks import processes
from benchmarks.servers import (
    ACCESS_TOKEN_SECONDS,
    CLIENT_ID,
    CONNECTIONS,
    REDIRECT_URI,
    REFRESH_TOKEN_SECONDS,
    RESOURCE,
    SCOPE,
    Target,
)

HOME = Path(__file__).parent / "peers" / "node"


def missing() -> str | None:
    """Why this peer cannot be measured here, or None."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not (HOME / "node_modules" / "oidc-provider").is_dir():
        return f"its packages are not installed: npm ci --prefix {HOME.relative_to(HOME.parents[2])}"
    return None


def prepare() -> None:
    """Install the locked packages if npm is here and they are not."""
    if shutil.which("npm") and not (HOME / "node_modules" / "oidc-provider").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HOME, check=True, stdout=subprocess.DEVNULL)


def version() -> str:
    package = json.loads((HOME / "node_modules" / "oidc-provider" / "package.json").read_text())
    node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    return f"oidc-provider {package['version']}, Node {node}"


@contextlib.contextmanager
def serving(workdir: Path, *, families: int = CONNECTIONS, adapter: str = "plain") -> Iterator[Target]:
    port = processes.free_port()
    log, minted = workdir / "node.log", workdir / "node-families.json"
    minted.unlink(missing_ok=True)
    profile = {
        "port": port,
        "families": families,
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "scope": SCOPE,
        "resource": RESOURCE,
        "access_token_seconds": ACCESS_TOKEN_SECONDS,
        "refresh_token_seconds": REFRESH_TOKEN_SECONDS,
    }
    env = {
        "NODE_ENV": "production",
        "BENCH_PROFILE": json.dumps(profile),
        "BENCH_FAMILIES": str(minted),
        "BENCH_ADAPTER": adapter,
    }
    with processes.running(["node", "server.mjs"], log, cwd=HOME, env=env) as process:
        discovery = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
        processes.wait_for_answer(process, discovery, log)
        yield Target(
            name="node-oidc-provider",
            pid=process.pid,
            port=port,
            token_path="/token",
            issuer_authority=f"127.0.0.1:{port}",
            log=log,
            refresh_tokens=json.loads(minted.read_text()),
            form={"client_id": CLIENT_ID},
            jwks_url=f"http://127.0.0.1:{port}/jwks",
            setup=f"{version()}; in-memory adapter ({adapter}), ES256 access token and ID token, not durable",
        )
