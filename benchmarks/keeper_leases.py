"""What a lease of a fresh token costs: `python -m benchmarks.keeper_leases`.

In process, with and without `await`; then over HTTP, `evergrant keeper serve` on one core, 64 connections that keep
asking on the other. No token falls due meanwhile: this is the price of asking, paid before every request of a caller.

What lives here: the figures. Neighbours: `keeper_due` refreshes many, `keeper_killed_grants` compares ways.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import machine, processes
from benchmarks.evergrant_server import ROOT, command
from evergrant.domain.secret import Secret
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.service.importing import Existing
from evergrant.keeper.settings import Client
from evergrant.keeper.sync import Keeper as BlockingKeeper

RESULTS = Path(__file__).parent / "results"
CLIENTS = [Client("google", "bench", Secret("bench-secret"))]
CONNECTIONS = 64
LONG = 86_400
CONFIGURATION = """
[keeper.client.google]
client_id = "bench"
secret = "bench-secret"
"""


def microseconds(once: Callable[[], object], times: int) -> float:
    """The best of seven runs of *times* calls, in microseconds for each."""
    best = float("inf")
    for _ in range(7):
        began = time.perf_counter()
        for _ in range(times):
            once()
        best = min(best, (time.perf_counter() - began) / times)
    return best * 1e6


async def fill(address: str) -> None:
    async with Keeper.open(address, clients=CLIENTS) as keeper:
        for number in range(100):
            tokens = Existing(
                "google", f"user-{number}", access_token=Secret("ya29." + "a" * 180),
                refresh_token=Secret(f"1//{number}" + "r" * 90), expires_at=int(time.time()) + LONG,
            )  # fmt: skip
            await keeper.import_tokens(tokens)


async def awaited(address: str, times: int) -> float:
    """With `await`, in microseconds."""
    async with Keeper.open(address, clients=CLIENTS) as keeper:
        await keeper.lease("google", "user-1")
        best = float("inf")
        for _ in range(7):
            began = time.perf_counter()
            for _ in range(times):
                await keeper.lease("google", "user-1")
            best = min(best, (time.perf_counter() - began) / times)
        return best * 1e6


def blocking(address: str, times: int) -> float:
    """Without `await`, in microseconds."""
    with BlockingKeeper.open(address, clients=CLIENTS) as keeper:
        keeper.lease("google", "user-1")
        return microseconds(lambda: keeper.lease("google", "user-1"), times)


async def drive(port: int, key: str, seconds: float) -> list[float]:
    """The seconds that each answer took, over keep-alive connections that never pause. Every answer is checked."""
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = json.dumps({"client": "google", "account": f"user-{number % 100}"})
        head = f"host: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        asked = f"POST /v1/leases HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n{body}".encode()
        while (began := time.perf_counter()) < until:
            writer.write(asked)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            said = await reader.readexactly(length)
            if not answer.startswith(b"HTTP/1.1 200") or b'"token":"ya29.' not in said:
                raise RuntimeError(f"not a lease: {answer[:60]!r}")
            took.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(one(number) for number in range(CONNECTIONS)))
    return took


def over_http(folder: Path, seconds: float, rounds: int) -> dict[str, float]:
    """Leases per second and waiting times over the REST API."""
    config, port = folder / "keeper.toml", processes.free_port()
    config.write_text(CONFIGURATION, encoding="utf-8")
    common = ["--config", str(config), "--data", str(folder), "--json"]
    made = subprocess.run(
        [*command(), "keeper", "api-key", "add", "bench", "--scope", "leases", *common],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    key = json.loads(made.stdout)["secret"]
    serve = [*command(), "keeper", "serve", "--listen", f"127.0.0.1:{port}", *common]
    log = folder / "serve.log"
    with processes.running(serve, log, cwd=ROOT, env={}) as process:
        processes.wait_for_answer(process, f"http://127.0.0.1:{port}/healthz", log)
        processes.pin(processes.LOAD_CORE)
        asyncio.run(drive(port, key, min(1.0, seconds)))
        measured = [sorted(asyncio.run(drive(port, key, seconds))) for _ in range(rounds)]
    return {
        "per_second": statistics.median(len(each) / seconds for each in measured),
        "p50_ms": statistics.median(each[len(each) // 2] for each in measured) * 1_000,
        "p99_ms": statistics.median(each[int(len(each) * 0.99)] for each in measured) * 1_000,
    }


def shown(found: dict[str, float], facts: dict[str, str]) -> str:
    """The figures for people."""
    rows = (
        ("in process, with await", f"{found['awaited_us']:.1f} µs", "≤ 10 µs", found["awaited_us"] <= 10),
        ("in process, without await", f"{found['blocking_us']:.1f} µs", "≤ 10 µs", found["blocking_us"] <= 10),
        ("over HTTP, one core", f"{found['per_second']:,.0f}/s", "≥ 3,000/s", found["per_second"] >= 3_000),
    )
    lines = ["# A lease of a fresh token", "", *(f"- {name}: {fact}" for name, fact in facts.items()), ""]
    lines += ["| | measured | wanted | met |", "|---|--:|--:|---|"]
    lines += [f"| {name} | {value} | {wanted} | {'yes' if met else 'NO'} |" for name, value, wanted, met in rows]
    waiting = f"p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms"
    lines += ["", f"Over HTTP with {CONNECTIONS} connections that never pause: {waiting}.", ""]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keeper_leases", description=__doc__.split(":")[0])
    parser.add_argument("--smoke", action="store_true", help="a second: shows that it works")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for keeper-leases.json and .md")
    given = parser.parse_args(arguments)
    times, seconds, rounds = (1_000, 0.5, 1) if given.smoke else (50_000, 5.0, 3)
    with tempfile.TemporaryDirectory(prefix="evergrant-bench-") as name:
        folder = Path(name)
        address = str(folder / "keeper.db")
        facts = machine.facts(folder)
        asyncio.run(fill(address))
        found = {"awaited_us": asyncio.run(awaited(address, times)), "blocking_us": blocking(address, times)}
        found |= over_http(folder, seconds, rounds)
    target = given.results / "smoke" if given.smoke else given.results
    target.mkdir(parents=True, exist_ok=True)
    (target / "keeper-leases.json").write_text(
        json.dumps({**found, "machine": facts}, indent=2) + "\n", encoding="utf-8"
    )
    (target / "keeper-leases.md").write_text(shown(found, facts), encoding="utf-8")
    print(shown(found, facts))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
