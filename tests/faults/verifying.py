"""Verifiers in processes of their own, each following the feed, asking every few milliseconds whether a token is good.

What lives here: running them, and what each says of each token over time. What must not: how long is too long; that
stands in the tests. Run as a module it is one such process. Moments are of the machine's monotonic clock, which all
processes share.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from evergrant.resource import Refused, Verifier
from evergrant.resource.follow import Follow

ROOT: Final = Path(__file__).resolve().parents[2]
PAUSE: Final = 0.02
ACCEPTED: Final = "accepted"
PATIENCE: Final = 60


class Said(NamedTuple):
    """From *at* on a verifier answered *what* about a token: accepted, or why not."""

    at: float
    what: str


@dataclass
class Crowd:
    """Processes of verifiers. *said*: by token's name and verifier, what it answered, each time that changed."""

    processes: list[subprocess.Popen[bytes]]
    verifiers: int
    said: dict[str, dict[str, list[Said]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    last: dict[tuple[str, str], float] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def watch(self, name: str, token: str) -> None:
        """Let every verifier look at a token from now on, and wait until each accepts it."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(json.dumps({"name": name, "token": token}).encode() + b"\n")
            process.stdin.flush()
        self.all_say(name, ACCEPTED)

    def all_say(self, name: str, what: str | None) -> float:
        """Wait until every verifier says *what* (None: anything but yes) of a token; when the last one began to."""

        def each() -> list[Said]:
            return [lines[-1] for lines in self.said[name].values() if lines]

        def so() -> bool:
            return len(each()) == self.verifiers and all(
                one.what == what if what else one.what != ACCEPTED for one in each()
            )

        with self._changed:
            assert self._changed.wait_for(so, PATIENCE), {name: each()}
            return max(one.at for one in each())

    def hear(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            with self._changed:
                self.said[told["name"]][f"{process.pid}.{told['verifier']}"].append(Said(told["at"], told["what"]))
                self._changed.notify_all()


@contextlib.contextmanager
def crowd(processes: int, each: int, log: Path, **told: Any) -> Iterator[Crowd]:
    """So many processes with so many verifiers *each*, for as long as the block runs."""
    with log.open("ab") as errors:
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.faults.verifying", json.dumps({"each": each, **told})], cwd=ROOT,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )
            for _ in range(processes)
        ]  # fmt: skip
    found = Crowd(started, processes * each)
    threads = [threading.Thread(target=found.hear, args=(process,), daemon=True) for process in started]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        for process in started:
            assert process.stdin is not None
            process.stdin.close()
        for process in started:
            process.wait(PATIENCE)
        for thread in threads:
            thread.join()
        for process in started:
            assert process.stdout is not None
            process.stdout.close()


async def main() -> None:
    told = json.loads(sys.argv[1])
    follow = Follow(told["client_id"], told["secret"], url=told.get("feed", ""))
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        verifiers = [
            await stack.enter_async_context(
                Verifier.for_issuer(told["issuer"], audience=told["audience"], follow=follow)
            )
            for _ in range(told["each"])
        ]
        watching: list[asyncio.Task[None]] = []
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            asked = json.loads(line)
            watching += [
                group.create_task(_watch(verifier, number, asked["name"], f"Bearer {asked['token']}"))
                for number, verifier in enumerate(verifiers)
            ]
        for task in watching:
            task.cancel()


async def _watch(verifier: Verifier, number: int, name: str, header: str) -> None:
    before = ""
    while True:
        # An answer counts from when it was given: nothing after that moment was let through by it.
        try:
            await verifier.verify(header)
            what = ACCEPTED
        except Refused as refused:
            what = refused.why.name
        if what != before:
            before = what
            print(json.dumps({"name": name, "verifier": number, "at": time.monotonic(), "what": what}), flush=True)
        await asyncio.sleep(PAUSE)


if __name__ == "__main__":
    asyncio.run(main())
