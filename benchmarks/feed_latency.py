"""How soon a revoked token is refused everywhere: `python -m benchmarks.feed_latency`.

Fifty verifiers in five processes follow one issuer's feed and look at a token every few milliseconds; its family is
revoked, and the clock runs from the moment the revocation was answered until each of them says no. Again with the
next family. The issuer has core 0, the verifiers core 1; moments are of the machine's monotonic clock.

What lives here: the figures. What must not: what happens when the feed is cut; that is in `tests/faults`.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import http.client
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks import evergrant_server, machine, processes
from benchmarks.servers import Target
from evergrant.resource import Refused, Verifier
from evergrant.resource.follow import Follow

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PROCESSES, EACH = 5, 10
PAUSE = 0.01
REACH = 1.0


def post(target: Target, path: str, **fields: str) -> tuple[int, bytes, float]:
    """One request; the status, the body, and the moment at which it was answered."""
    link = http.client.HTTPConnection("127.0.0.1", target.port, timeout=30)
    headers = {"content-type": "application/x-www-form-urlencoded", "host": target.issuer_authority, **target.headers}
    link.request("POST", path, urlencode({**target.form, **fields}), headers)
    answer = link.getresponse()
    body = answer.read()
    at = time.monotonic()
    link.close()
    return answer.status, body, at


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


class Watchers:
    """The processes of verifiers."""

    def __init__(self, started: list[subprocess.Popen[str]]) -> None:
        self._started = started

    def look_at(self, token: str) -> None:
        """Hand a token to everybody; returns when each has accepted it."""
        for process in self._started:
            assert process.stdin is not None
            process.stdin.write(token + "\n")
            process.stdin.flush()
        assert all(line == "accepted\n" for line in self._lines())

    def refused(self) -> list[float]:
        """When each verifier said no for the first time."""
        return [float(line) for line in self._lines()]

    def _lines(self) -> Iterator[str]:
        for process in self._started:
            assert process.stdout is not None
            for _ in range(EACH):
                yield process.stdout.readline()


@contextlib.contextmanager
def watching(told: dict[str, str]) -> Iterator[Watchers]:
    command = [sys.executable, "-m", "benchmarks.feed_latency", "--verify", json.dumps(told)]
    with processes.on_core(processes.LOAD_CORE):
        started = [
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
    try:
        yield Watchers(started)
    finally:
        for process in started:
            assert process.stdin is not None
            process.stdin.close()
        for process in started:
            process.wait(30)


def measured(workdir: Path, families: int) -> list[float]:
    """Seconds from the answer to the refusal, one for each family and verifier."""
    found: list[float] = []
    with evergrant_server.serving(workdir, families=families) as target:
        reader = evergrant_server.ask(workdir / "evergrant", "client", "add", "API", "--type", "service")
        pairs = []
        for token in target.refresh_tokens:
            status, body, _ = post(target, "/token", grant_type="refresh_token", refresh_token=token)
            assert status == 200, body
            pairs.append((json.loads(body)["refresh_token"], json.loads(body)["access_token"]))
        claims = claims_of(pairs[0][1])
        audience = claims["aud"] if isinstance(claims["aud"], str) else claims["aud"][0]
        told = {"issuer": claims["iss"], "audience": audience, "id": reader["id"], "secret": reader["secret"]}
        with watching(told) as watchers:
            for refresh, access in pairs:
                watchers.look_at(access)
                status, body, answered = post(target, "/revoke", token=refresh)
                assert status == 200, body
                found += [max(at - answered, 0.0) for at in watchers.refused()]
    return found


async def verify(told: dict[str, str]) -> None:
    """One process: for each token of a line, every verifier says when it accepts it, and when no more."""
    logging.getLogger("evergrant.resource").setLevel(logging.ERROR)  # the issuer leaves first
    follow = Follow(told["id"], told["secret"])
    async with contextlib.AsyncExitStack() as stack:
        verifiers = [
            await stack.enter_async_context(
                Verifier.for_issuer(told["issuer"], audience=told["audience"], follow=follow)
            )
            for _ in range(EACH)
        ]
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := (await lines.readline()).decode().strip():
            for verifier in verifiers:
                await verifier.verify_token(line)
            print("accepted\n" * EACH, end="", flush=True)
            await asyncio.gather(*(until_refused(verifier, line) for verifier in verifiers))


async def until_refused(verifier: Verifier, token: str) -> None:
    while True:
        try:
            await verifier.verify_token(token)
        except Refused:
            print(time.monotonic(), flush=True)
            return
        await asyncio.sleep(PAUSE)


def shown(found: list[float], facts: dict[str, str]) -> str:
    """The figures for people."""
    ordered = sorted(found)
    marks = {"median": 0.5, "p90": 0.9, "p99": 0.99}
    rows = [f"| {name} | {ordered[int(len(ordered) * part)] * 1e3:.0f} ms |" for name, part in marks.items()]
    lines = ["# From a revocation's answer to the refusal", "", *(f"- {name}: {fact}" for name, fact in facts.items())]
    lines += [
        f"- {PROCESSES * EACH} verifiers in {PROCESSES} processes, {len(found)} refusals",
        "",
        "| | |",
        "|---|--:|",
    ]
    lines += [*rows, f"| longest | {ordered[-1] * 1e3:.0f} ms |"]
    return "\n".join([*lines, ""])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feed_latency")
    parser.add_argument("--smoke", action="store_true", help="seconds: shows that it works")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for feed-latency.json and .md")
    parser.add_argument("--verify", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.verify:
        asyncio.run(verify(json.loads(given.verify)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        facts = machine.facts(Path(folder))
        found = measured(Path(folder), 3 if given.smoke else 60)
    report = shown(found, facts)
    given.results.mkdir(parents=True, exist_ok=True)
    (given.results / "feed-latency.md").write_text(report, encoding="utf-8")
    content = json.dumps({"machine": facts, "reach_s": REACH, "seconds": sorted(found)}, indent=1)
    (given.results / "feed-latency.json").write_text(content + "\n", encoding="utf-8")
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
