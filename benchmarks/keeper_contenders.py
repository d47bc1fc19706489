"""Ways to keep somebody else's tokens fresh, each as its own documentation shows it, shared by several processes.

What lives here: one class per way, and the process that runs threads on it: `python -m benchmarks.keeper_contenders`.
What must not: a figure, or a judgement. Neighbour: `keeper_killed_grants` starts these and reads the provider's ledger.

All but the keeper share one file per account, replaced atomically, and read it before each call, so that nobody loses
for having an old copy in memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

PATIENCE = 30
THINKING = 0.01
UNAUTHORIZED = 401
MARGIN = 1
"""Seconds before its end at which a token counts as expired, for everybody who keeps it in a file."""


@dataclass(frozen=True)
class Task:
    """What a process is told: where everything is, and how long to work."""

    way: str
    folder: Path
    accounts: tuple[str, ...]
    token_url: str
    api_url: str
    client_id: str
    client_secret: str
    threads: int
    begins_at: float
    seconds: float


USUAL = 0.05
"""A call that needs no refresh is over well before this."""


class Way(Protocol):
    def call(self, account: str) -> int:
        """Call the provider's API for an account with a token that is fresh; the status."""


class Shelf:
    """One file per account."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, account: str) -> dict[str, Any]:
        return json.loads((self._folder / f"{account}.json").read_text(encoding="utf-8"))

    def save(self, account: str, token: dict[str, Any]) -> None:
        token = {**token, "expires_at": token["expires_at"] - MARGIN}
        scratch = self._folder / f"{account}.{os.getpid()}.{threading.get_ident()}"
        scratch.write_text(json.dumps(token), encoding="utf-8")
        scratch.replace(self._folder / f"{account}.json")


class Authlib:
    """`OAuth2Session` with `update_token`."""

    def __init__(self, task: Task) -> None:
        from authlib.integrations.requests_client import OAuth2Session  # noqa: PLC0415 - one library per process

        self._session, self._task, self._shelf = OAuth2Session, task, Shelf(task.folder)

    def call(self, account: str) -> int:
        def update(token: dict[str, Any], **_: Any) -> None:
            self._shelf.save(account, dict(token))

        with self._session(
            self._task.client_id, self._task.client_secret, token=self._shelf.load(account), leeway=0,
            token_endpoint=self._task.token_url, update_token=update,
        ) as session:  # fmt: skip
            return session.get(self._task.api_url, timeout=PATIENCE).status_code


class RequestsOauthlib:
    """`OAuth2Session` with `auto_refresh_url` and `token_updater`."""

    def __init__(self, task: Task) -> None:
        os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
        from requests_oauthlib import OAuth2Session  # noqa: PLC0415 - one library per process

        self._session, self._task, self._shelf = OAuth2Session, task, Shelf(task.folder)

    def call(self, account: str) -> int:
        def update(token: dict[str, Any]) -> None:
            self._shelf.save(account, dict(token))

        identity = {"client_id": self._task.client_id, "client_secret": self._task.client_secret}
        with self._session(
            self._task.client_id, token=self._shelf.load(account), auto_refresh_url=self._task.token_url,
            auto_refresh_kwargs=identity, token_updater=update,
        ) as session:  # fmt: skip
            return session.get(self._task.api_url, timeout=PATIENCE).status_code


class FileLock:
    """A refresh by hand under a lock file: what people write when the first two have failed them."""

    def __init__(self, task: Task, *, reads_again: bool) -> None:
        import filelock  # noqa: PLC0415 - one library per process
        import requests  # noqa: PLC0415 - one library per process

        self._task, self._shelf, self._reads_again = task, Shelf(task.folder), reads_again
        self._lock, self._http = filelock.FileLock, requests

    def call(self, account: str) -> int:
        token = self._shelf.load(account)
        if token["expires_at"] <= time.time():
            with self._lock(self._task.folder / f"{account}.lock", timeout=PATIENCE):
                if self._reads_again:
                    token = self._shelf.load(account)
                if token["expires_at"] <= time.time():
                    token = self._refreshed(token)
                    self._shelf.save(account, token)
        headers = {"authorization": f"Bearer {token['access_token']}"}
        return self._http.get(self._task.api_url, headers=headers, timeout=PATIENCE).status_code

    def _refreshed(self, token: dict[str, Any]) -> dict[str, Any]:
        form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
        identity = (self._task.client_id, self._task.client_secret)
        answer = self._http.post(self._task.token_url, form, auth=identity, timeout=PATIENCE)
        answer.raise_for_status()
        told = answer.json()
        return {**token, **told, "expires_at": time.time() + told["expires_in"]}


class TooLongOnItsWayError(Exception):
    """A request with a token that was leased in time came to the API after the end its lease had told."""


class Kept:
    """The keeper, one per process, on one vault."""

    def __init__(self, task: Task) -> None:
        import requests  # noqa: PLC0415 - one library per process

        from benchmarks.keeper_vault import opened  # noqa: PLC0415 - not needed by the others

        self._keeper, self._task, self._http = opened(task), task, requests

    def call(self, account: str) -> int:
        lease = self._keeper.lease("here", account)
        leased_at = time.time()
        headers = {"authorization": f"Bearer {lease.token.reveal()}"}
        status = self._http.get(self._task.api_url, headers=headers, timeout=PATIENCE).status_code
        if status == UNAUTHORIZED and leased_at < lease.safe_until <= time.time():
            raise TooLongOnItsWayError
        return status


WAYS = {
    "Authlib": Authlib,
    "requests-oauthlib": RequestsOauthlib,
    "file lock": lambda task: FileLock(task, reads_again=False),
    "file lock, reading again inside": lambda task: FileLock(task, reads_again=True),
    "keeper": Kept,
}


@dataclass
class Worked:
    """What one thread saw: how long each call took, how much of that was lost, and how many failed."""

    seconds: list[float]
    lost: list[float]
    failed: dict[str, int]


def work(task: Task, way: Way, number: int, worked: Worked) -> None:
    """Call for one account after another until the time is over."""
    time.sleep(max(0.0, task.begins_at - time.time()))
    ends = task.begins_at + task.seconds
    at = number
    while (began := time.time()) < ends:
        account = task.accounts[at % len(task.accounts)]
        at += 1
        try:
            status = way.call(account)
            why = "" if status == 200 else f"API {status}"
        except Exception as error:  # noqa: BLE001 - every library has its own; the kinds are counted and shown
            why = type(error).__name__
        took = time.time() - began
        worked.seconds.append(took)
        worked.lost.append(took if why else max(0.0, took - USUAL))
        if why:
            worked.failed[why] = worked.failed.get(why, 0) + 1
        time.sleep(THINKING)


def main() -> None:
    """Run the threads of one process; print what they saw as JSON."""
    told = json.loads(sys.stdin.read())
    task = Task(**{**told, "folder": Path(told["folder"]), "accounts": tuple(told["accounts"])})
    way = WAYS[task.way](task)
    seen = [Worked([], [], {}) for _ in range(task.threads)]
    threads = [
        threading.Thread(target=work, args=(task, way, number * 7, worked)) for number, worked in enumerate(seen)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed: dict[str, int] = {}
    for worked in seen:
        for why, count in worked.failed.items():
            failed[why] = failed.get(why, 0) + count
    with contextlib.suppress(BrokenPipeError):
        seconds = [each for worked in seen for each in worked.seconds]
        print(json.dumps({"seconds": seconds, "lost": sum(sum(worked.lost) for worked in seen), "failed": failed}))


if __name__ == "__main__":
    main()
