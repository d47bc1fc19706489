"""How long an end takes at the largest size, and what refreshes feel of it: a family, a user, a client with a crowd.

What lives here: the order and the figures. What must not: the ends themselves (`ending`, and the wire).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import psycopg

from benchmarks import evergrant_server, processes
from benchmarks.postgres.filling import Filler
from benchmarks.postgres.ground import Fleet, say, short
from benchmarks.rounds import ROOT

LONGEST_SECONDS = 480.0
CALM_SECONDS = 120.0
FAMILY_MS, USER_MS = 5.0, 50.0


def run(driven: Fleet, filler: Filler, told: dict[str, Any]) -> None:
    """Fill *told*: first on a server that has nothing else to do, then while refreshes run."""
    plan = driven.ground.plan
    spare, users = driven.spare, list(filler.users)
    half = len(spare) // 2
    _calm(driven)
    told["commit_idle_ms"] = _spread(_commits(driven, half))
    told["family_idle_ms"] = _spread([revoke(driven, token) for token in spare[:half]])
    told["load_alone"] = short(driven.drive(plan.duration))
    with _ending(driven) as end:
        told["user_idle_ms"] = _spread([_user(end, user, filler) for user in users[::2]])

        def ends_under_load() -> None:
            told["family_busy_ms"] = _spread([revoke(driven, token) for token in spare[half:]])
            told["user_busy_ms"] = _spread([_user(end, user, filler) for user in users[1::2]])

        told["load_while_ending"] = short(_beside(driven, ends_under_load))

        def crowd_goes() -> None:
            answer = end({"client": filler.client})
            told["client"] = {"families": answer["ended"], "seconds": answer["ms"] / 1e3}

        told["load_while_client_ends"] = short(_beside(driven, crowd_goes))
    say("ends: family {f:.1f} ms, user {u:.1f} ms, client with {families:,} in {seconds:.1f} s".format(
        f=told["family_idle_ms"]["p99"], u=told["user_idle_ms"]["p99"], **told["client"]))  # fmt: skip
    told["reach"] = [] if plan.smoke else [
        _reach("end a family, p99, idle, ms", told["family_idle_ms"]["p99"], FAMILY_MS),
        _reach(f"end a user with {filler.per_user:,} families, p99, idle, ms", told["user_idle_ms"]["p99"], USER_MS),
    ]  # fmt: skip


def _calm(driven: Fleet) -> None:
    """Wait until the database has written down what the filling left it, and vacuums nothing."""
    cluster, deadline = driven.ground.cluster, time.perf_counter() + CALM_SECONDS
    busy = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
    cluster.ask("CHECKPOINT")
    while cluster.ask(busy)[0][0] and time.perf_counter() < deadline:
        time.sleep(0.5)


def _commits(driven: Fleet, count: int) -> list[float]:
    """Milliseconds of an update of one row on a connection of its own: below this no end can be."""
    took = []
    with psycopg.connect(driven.ground.cluster.url(driven.name), autocommit=True) as connection:
        connection.execute("CREATE TABLE bench_floor AS SELECT 0 AS value")
        for _ in range(count):
            start = time.perf_counter()
            connection.execute("UPDATE bench_floor SET value = value + 1")
            took.append((time.perf_counter() - start) * 1e3)
        connection.execute("DROP TABLE bench_floor")
    return took


def _reach(what: str, measured: float, wanted: float) -> dict[str, Any]:
    return {"what": what, "measured": measured, "wanted": f"≤ {wanted:g}", "met": measured <= wanted}


def _beside(driven: Fleet, work: Callable[[], None]) -> Any:
    """Do *work* while the fleet refreshes; what the fleet measured from its beginning to its end."""
    done = driven.ground.workdir / "done"
    done.unlink(missing_ok=True)
    warmup = driven.ground.plan.short_warmup
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(driven.drive, LONGEST_SECONDS, warmup=warmup, until=str(done))
        # The driver takes a moment to start; a window that opens a little early holds a little ordinary load.
        time.sleep(warmup + 1.0)
        try:
            work()
        finally:
            done.touch()
        return running.result()


def _spread(milliseconds: list[float]) -> dict[str, float]:
    ranked = sorted(milliseconds)
    return {
        "p50": statistics.median(ranked), "p99": ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))],
        "longest": ranked[-1], "count": len(ranked),
    }  # fmt: skip


def revoke(driven: Fleet, token: str) -> float:
    """RFC 7009; milliseconds until the answer."""
    target = driven.target
    body = urlencode({**target.form, "token": token, "token_type_hint": "refresh_token"})
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)
    try:
        connection.connect()
        start = time.perf_counter()
        connection.request(
            "POST", "/revoke", body,
            {"Host": target.issuer_authority, "Content-Type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        answer = connection.getresponse()
        answer.read()
        took = (time.perf_counter() - start) * 1e3
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise processes.ServerFailed(f"/revoke answered {answer.status}")
    return took


End = Callable[[dict[str, str]], dict[str, Any]]


def _user(end: End, user: str, filler: Filler) -> float:
    answer = end({"user": user})
    if answer["ended"] != filler.per_user:
        raise processes.ServerFailed(f"{answer['ended']} families of a user ended instead of {filler.per_user}")
    return float(answer["ms"])


@contextlib.contextmanager
def _ending(driven: Fleet) -> Iterator[End]:
    ground = driven.ground
    directory = ground.workdir / "evergrant"
    env = {
        **processes.plain_environment(),
        **evergrant_server.configured(directory, ground.cluster.url(driven.name)),
        "EVERGRANT_STORE_DATA": str(directory),
        "EVERGRANT_SERVER_ISSUER": f"http://{driven.target.issuer_authority}",
    }
    command = [sys.executable, "-m", "benchmarks.postgres.ending"]
    with processes.on_core(processes.LOAD_CORE):
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    ask, answers = process.stdin, process.stdout

    def end(asked: dict[str, str]) -> dict[str, Any]:
        ask.write(json.dumps(asked) + "\n")
        ask.flush()
        line = answers.readline()
        if not line:
            raise processes.ServerFailed("the process that ends families left")
        answer: dict[str, Any] = json.loads(line)
        return answer

    try:
        if not answers.readline():
            raise processes.ServerFailed("the process that ends families did not start")
        yield end
    finally:
        ask.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
