"""The issuer as people run it: `evergrant serve` in a process of its own, on SQLite and an ephemeral port of loopback.

What lives here: starting and stopping it, its command line, its clock file, and looking into its store. What must not:
what clients, browsers or people do with it; they live in the files beside this one and in `tests/browser`.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeVar

from evergrant.clock import TEST_CLOCK_VARIABLE
from evergrant.domain.event import Event, What
from evergrant.domain.family import Family
from evergrant.store.port import EventQuery, Tx, Which
from evergrant.store.sqlite import FILE_NAME, SqliteStore
from tests.secrecy import record_secret, watch_output

T = TypeVar("T")

PERSON: Final = "ada@example.com"
PASSWORD: Final = "three unrelated words 4711"
API: Final = "https://api.example.com/v1"
OPAQUE_API: Final = "https://opaque.example.com/v1"
# Passwords are hashed cheaply, since nobody here guesses any; every request is logged, for the grep to have something.
SETTINGS: Final = f"""
[password]
memory_kib = 7168
iterations = 1
parallelism = 1

[log]
level = "debug"
format = "json"
sample = 1

[scopes]
"notes:read" = "Read your notes"
"notes:write" = "Write your notes"

[[resource]]
identifier = "{API}"
scopes = ["notes:read", "notes:write"]

[[resource]]
identifier = "{OPAQUE_API}"
scopes = ["notes:read"]
access_token = "opaque"
"""


class Registered(NamedTuple):
    """A client as the command line registered it; *secret* is empty for a public one."""

    id: str
    name: str
    secret: str
    auth_method: str
    redirect_uri: str
    alg: str


class Server:
    """One issuer on one data directory. Enter it to start it; what it printed and stored is searched for secrets."""

    def __init__(self, folder: Path, settings: str = SETTINGS) -> None:
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.clock_file = folder / "clock"
        self.config = folder / "evergrant.toml"
        self.offset = 0
        self.issuer = self.listening = ""
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(settings, encoding="utf-8")
        self.advance(0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, listen: str = "127.0.0.1:0") -> None:
        """Start, and return once requests are answered."""
        command = self._command("serve", "--listen", listen, "--json")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=self._environment())
        ready = self._process.stdout.readline()
        if not ready:
            self._process.wait(timeout=30)
            raise AssertionError(f"the server did not start: {self.log.read_text(encoding='utf-8')[-2000:]}")
        said = json.loads(ready)
        self.issuer, self.listening, self.pid = said["issuer"], said["listening"], said["pid"]
        watch_output(self.log)
        watch_output(self.data)

    def stop(self) -> None:
        """Ask it to stop, and see that it does so in order."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        assert process.returncode == 0, self.log.read_text(encoding="utf-8")[-2000:]

    def advance(self, seconds: int) -> None:
        """Let time pass at the server."""
        self.offset += seconds
        fresh = self.clock_file.with_suffix(".new")
        fresh.write_text(str(self.offset), encoding="ascii")
        fresh.replace(self.clock_file)  # at once: a half-written number would be another time

    @property
    def now(self) -> int:
        """What time it is at the server."""
        return int(time.time()) + self.offset

    # ---- its command line

    def command(self, *words: str, stdin: str = "") -> Any:
        """Run `evergrant …  --json` on the same data directory while the server runs; what it printed."""
        done = subprocess.run(
            self._command(*words, "--json"), input=stdin, capture_output=True, text=True, timeout=60, check=False,
            env=self._environment(),
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stderr)
        return json.loads(done.stdout)

    def add_person(self, name: str = PERSON, password: str = PASSWORD, full_name: str = "Ada Lovelace") -> str:
        """Add somebody who can sign in; the account's id."""
        record_secret(password)
        words = ("user", "add", name, "--name", full_name, "--email-verified", "--password-stdin")
        return str(self.command(*words, stdin=password)["id"])

    def add_client(self, name: str, type_: str, *options: str, redirect_uri: str = "") -> Registered:
        """Register a client."""
        back = ("--redirect-uri", redirect_uri) if redirect_uri else ()
        said = self.command("client", "add", name, "--type", type_, *back, *options)
        if said["secret"]:
            record_secret(said["secret"])
        return Registered(
            said["id"], name, said["secret"] or "", said["auth_method"], redirect_uri, said["id_token_alg"]
        )

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "evergrant", *words, "--config", str(self.config), "--data", str(self.data)]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, TEST_CLOCK_VARIABLE: str(self.clock_file)}

    # ---- its store

    def families(self, *, live: bool = True, **which: str) -> list[Family]:
        """The families that match, oldest first."""
        wanted = Which(live=live, **which)
        return sorted(self._read(lambda tx: tx.families.find(wanted)), key=lambda family: family.started_at)

    def events(self, **query: Any) -> list[Event]:
        """The audit trail, oldest first."""
        wanted = EventQuery(limit=100_000, **query)
        return [event for _, event in self._read(lambda tx: tx.events.find(wanted))]

    def _read(self, work: Callable[[Tx], T]) -> T:
        async def once() -> T:
            store = SqliteStore.open(self.data / FILE_NAME)
            try:
                return await store.read(work)
            finally:
                await store.close()

        with ThreadPoolExecutor(1) as aside:  # a browser driven from this thread keeps an event loop running in it
            return aside.submit(lambda: asyncio.run(once())).result()


def forked(events: Sequence[Event]) -> list[tuple[str, int]]:
    """Generations that were rotated more than once: two successors of one token. Must always be empty."""
    spent = Counter((event.family_id, event.generation) for event in events if event.what is What.FAMILY_ROTATED)
    return sorted(key for key, count in spent.items() if count > 1)
