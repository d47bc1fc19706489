"""`evergrant chaos` as a process: one line of JSON, a clean end, a clock from a file, sentences for what is wrong."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from evergrant.cli import main
from evergrant.testing.chaos import MODES

PATIENCE = 60


@contextlib.contextmanager
def started(*options: str, **environment: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """A running `evergrant chaos --json`, and what it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "evergrant", "chaos", "--json", *options], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, **environment},
    )  # fmt: skip
    try:
        yield json.loads(process.stdout.readline()), process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)
        process.stdout.close()
        process.stderr.close()


def grant(at: dict[str, Any]) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {at['control_token']}"}
    return requests.post(at["control"] + "/grants", json={"user": "ada"}, headers=headers, timeout=PATIENCE).json()


def refreshed(at: dict[str, Any], token: str) -> requests.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return requests.post(at["token_url"], form, auth=(at["client_id"], at["client_secret"]), timeout=PATIENCE)


def test_it_says_where_it_is_and_ends_with_what_it_saw() -> None:
    with started("--mode", "strict_one_shot", "--mode", "slots:most=5") as (at, process):
        assert at["modes"] == ["strict_one_shot", "slots:most=5"]
        token = grant(at)["reply"]["refresh_token"]
        assert [refreshed(at, token).status_code for _ in range(2)] == [200, 400]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert "2 refreshes, 1 rotated; 1 token was sent after being spent; 1 grant died" in process.stderr.read()


def test_time_passes_as_the_clock_s_file_says(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    with started("--mode", "early_refusal:seconds=570", EVERGRANT_TEST_CLOCK=str(clock)) as (at, _):
        token = grant(at)["reply"]["refresh_token"]
        assert refreshed(at, token).status_code == 400
        clock.write_text("600")
        assert refreshed(at, token).status_code == 200


def test_the_same_seed_gives_the_same_tokens() -> None:
    with started("--seed", "blue") as (one, _), started("--seed", "blue") as (other, _):
        assert grant(one)["reply"]["refresh_token"] == grant(other)["reply"]["refresh_token"]


def test_consent_is_given_at_once_only_where_somebody_is_named() -> None:
    asked = {"redirect_uri": "http://127.0.0.1:9/cb", "response_type": "code", "client_id": "chaos-client"}
    for options, status in (((), 200), (("--approve", "ada"), 302)):
        with started(*options) as (at, _):
            answer = requests.get(at["authorize_url"], asked, allow_redirects=False, timeout=PATIENCE)
            assert answer.status_code == status


def test_an_address_that_is_taken_is_a_sentence(capsys) -> None:
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["chaos", "--listen", address]) == 4
    assert f"another program listens at {address}" in capsys.readouterr().err


def test_every_mode_is_listed(capsys) -> None:
    assert main(["chaos", "--list-modes", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["mode"] for one in listed] == list(MODES)
    assert all(one["sentence"] for one in listed)


def test_it_listens_on_ipv6_loopback_too() -> None:
    with started("--listen", "[::1]:0") as (at, _):
        assert at["url"].startswith("http://[::1]:")
        assert refreshed(at, grant(at)["reply"]["refresh_token"]).status_code == 200
