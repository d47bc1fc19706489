"""What the driver must know of a running server, and the one profile that all of them are measured with.

What lives here: the shared profile and the `Target` value. What must not: how any one server is started.
Neighbours: `node_peer`, `django_peer`, `evergrant_server` and `ceiling` each yield a `Target`; `rounds` drives it.

The profile: a public client (no secret, `client_id` in the form), scope `openid offline_access api`, a rotating refresh
token, one hour of access token and ID token, thirty days of refresh token, ES256 wherever the server can sign with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

CONNECTIONS = 64
SCOPE = "openid offline_access api"
RESOURCE = "https://api.bench.example"
CLIENT_ID = "bench"
REDIRECT_URI = "https://app.bench.example/callback"
ACCESS_TOKEN_SECONDS = 3600
REFRESH_TOKEN_SECONDS = 30 * 86400


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is up, with one refresh token per connection."""

    name: str
    pid: int
    port: int
    token_path: str
    issuer_authority: str
    log: Path
    """What it printed: the end of it is told when an answer is wrong."""
    refresh_tokens: list[str]
    form: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    jwks_url: str | None = None
    """Where the last answers' signatures are checked against; None where nothing is signed."""
    signs_access_token: bool = True
    signs_id_token: bool = True
    setup: str = ""
    """Versions and settings, for the table."""
