"""A server that nobody here wrote, in a process of its own, behind a witness, on a clock that a test moves.

What lives here: starting and stopping it, its clock, and asking it about tokens. What must not: what it is (the scripts
beside this file and in `tests/interop/node`), and what the keeper does with it (`story`).
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests

from evergrant.keeper.provider.discovery import well_known
from tests.interop.keeper.visitor import NAME, PASSWORD, Visitor
from tests.interop.keeper.witness import Witness
from tests.meta.claims import ROOT
from tests.secrecy import belongs_to_client, record_secret

CALLBACK: Final = "https://app.example/callback"
CLIENT_ID: Final = "the-keeper"
CLIENT_SECRET: Final = "what-only-the-keeper-and-the-server-know-1147"
PATIENCE: Final = 60


@dataclass
class Foreign:
    """A running server. *issuer* is the address by which it is found; *clock* the file with its offset in seconds."""

    issuer: str
    witness: Witness
    clock: Path
    scopes: tuple[str, ...] = ("openid",)
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET
    redirect_uri: str = CALLBACK
    private_key: str = field(default="", repr=False)

    def advance(self, seconds: int) -> None:
        """Let time pass, at the server and at every keeper that reads the same file."""
        passed = int(self.clock.read_text(encoding="ascii")) if self.clock.exists() else 0
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(str(passed + seconds), encoding="ascii")
        fresh.replace(self.clock)  # at once: a half-written number would be another time

    def goes(self, url: str) -> str:
        """What a person with a new browser comes back with, who was sent to *url*."""
        return Visitor(self.witness.url).goes(url)

    def answers(self, access_token: str) -> int:
        """The status of its userinfo endpoint for an access token: 200 for one that works."""
        url = self._document()["userinfo_endpoint"]
        return requests.get(url, headers={"Authorization": f"Bearer {access_token}"}, timeout=30).status_code

    def active(self, token: str) -> bool:
        """What its introspection endpoint says of a token (RFC 7662)."""
        said = self._post("introspection_endpoint", token=token)
        return bool(said.json()["active"])

    def presented(self, refresh_token: str) -> requests.Response:
        """What anybody who holds the client's secret gets for a refresh token."""
        return self._post("token_endpoint", grant_type="refresh_token", refresh_token=refresh_token)

    def revoke(self, refresh_token: str) -> None:
        """End what a refresh token stands for, as an operator or a user of the server would."""
        assert self._post("revocation_endpoint", token=refresh_token).ok

    def _post(self, endpoint: str, **form: str) -> requests.Response:
        url = self._document()[endpoint]
        if not self.client_secret:
            return requests.post(url, data={"client_id": self.client_id, **form}, timeout=30)
        return requests.post(url, data=form, auth=(self.client_id, self.client_secret), timeout=30)

    def _document(self) -> Any:
        """Everything it says of itself, in both its documents."""
        found: dict[str, Any] = {}
        for url in well_known(self.issuer):
            answer = requests.get(url, timeout=30)
            found |= answer.json() if answer.ok else {}
        return found


@contextmanager
def foreign(
    command: Sequence[str], folder: Path, path: str = "", scopes: tuple[str, ...] = ("openid",), **more: Any
) -> Iterator[Foreign]:
    """The server that *command* starts. It reads what it is to be as JSON from its standard input, and says its port.

    *path*: of its issuer's address. What it keeps and logs is its own affair: other people's servers store tokens as
    they are.
    """
    home = folder / "server"
    home.mkdir(parents=True)
    belongs_to_client(home)
    for secret in (CLIENT_SECRET, PASSWORD):
        record_secret(secret)
    with Witness() as witness, (home / "log").open("wb") as log:
        server = Foreign(witness.url + path, witness, folder / "clock", scopes)
        server.advance(0)
        told = {
            "issuer": server.issuer, "clock": str(server.clock), "folder": str(home), "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET, "redirect_uri": CALLBACK, "name": NAME, "password": PASSWORD, **more,
        }  # fmt: skip
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        try:
            process.stdin.write(json.dumps(told).encode() + b"\n")
            process.stdin.flush()
            said = process.stdout.readline()
            assert said, (home / "log").read_text(encoding="utf-8")[-2000:]
            witness.port = json.loads(said)["port"]
            yield server
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)
