"""Drive servers one after another, never two at a time, round after round, and check what they answered.

What lives here: one measurement (driver process, signature check) and the interleaving of rounds with their medians.
What must not: how a server is started, how a result is printed. Neighbours: `load` below, `report` above.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.jwk import KeySet

from benchmarks import processes
from benchmarks.load import Measured, Spec
from benchmarks.servers import Target

ROOT = Path(__file__).parents[1]


class MeasurementInvalid(RuntimeError):
    """A server answered something that a refresh must not answer: its figure would mean nothing."""


def measure(target: Target, workdir: Path, *, warmup: float, duration: float, **more: Any) -> Measured:
    """Drive *target* from the load core; raise if a single answer was wrong. *more*: the rest of `load.Spec`."""
    spec = Spec(
        port=target.port,
        path=target.token_path,
        host=target.issuer_authority,
        headers=target.headers,
        form=target.form,
        refresh_tokens=target.refresh_tokens,
        jwt_access_token=target.signs_access_token,
        id_token=target.signs_id_token,
        warmup=warmup,
        duration=duration,
        server_pid=target.pid,
        **more,
    )
    spec_file = workdir / "spec.json"
    spec_file.write_text(json.dumps(asdict(spec)))
    command = [sys.executable, "-m", "benchmarks.load", str(spec_file)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=warmup + duration + 90, check=False)
    spec_file.unlink()
    if run.returncode != 0:
        raise MeasurementInvalid(f"{target.name}: the driver failed:\n{run.stderr.decode(errors='replace')[-2000:]}")
    measured = Measured(**json.loads(run.stdout))
    if measured.faults or set(measured.statuses) - {"200"} or not measured.refreshes:
        told = f"{target.name}: {measured.statuses} {measured.faults}"
        raise MeasurementInvalid(f"{told}\n{processes.tail(target.log)}")
    _check_signatures(target, measured)
    return measured


def _check_signatures(target: Target, measured: Measured) -> None:
    if target.jwks_url is None:
        return
    with urllib.request.urlopen(target.jwks_url, timeout=10) as answer:
        keys = KeySet.import_key_set(json.load(answer))
    for tokens in measured.last_answers:
        if target.signs_access_token:
            jws.deserialize_compact(tokens["access_token"], keys, algorithms=["ES256"])
        if target.signs_id_token:
            jws.deserialize_compact(tokens["id_token"], keys, algorithms=["ES256", "RS256"])


def median(rounds: list[Measured]) -> Measured:
    """The median of every figure over *rounds*; the counts are summed, the longest wait stays the longest."""
    middle = {
        name: statistics.median(getattr(each, name) for each in rounds)
        for name in (
            "seconds", "per_second", "p50", "p90", "p99", "server_cpu_us",
            "server_cpu_share", "driver_cpu_share", "foreign_share",
        )
    }  # fmt: skip
    return Measured(
        refreshes=sum(each.refreshes for each in rounds),
        longest=max(each.longest for each in rounds),
        statuses={"200": sum(each.statuses["200"] for each in rounds)},
        faults={},
        last_answers=[],
        answered=sum(each.answered for each in rounds),
        watched_cpu_us={
            name: statistics.median(each.watched_cpu_us[name] for each in rounds) for name in rounds[0].watched_cpu_us
        },
        **middle,
    )
