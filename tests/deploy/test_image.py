"""The image: built from hashes, run by nobody in particular, and told alive or not by the server itself."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from evergrant.config import load
from tests.cluster import free_port
from tests.deploy.reading import DEPLOY
from tests.served import served
from tests.tools import ROOT

TEXT = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
LINES = [line for line in TEXT.splitlines() if line and not line.startswith("#")]
ALIVE = DEPLOY / "image" / "alive.py"


def said(instruction: str) -> list[str]:
    return [line.partition(" ")[2] for line in LINES if line.startswith(f"{instruction} ")]


def test_the_linter_of_dockerfiles_has_nothing_to_say():
    told = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--failure-threshold", "style", ROOT / "Dockerfile"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (told.returncode, told.stdout) == (0, "")


def test_everything_is_installed_by_its_hash_or_from_what_was_built_here():
    installs = re.findall(r"pip install [^&]+", TEXT)
    assert installs
    assert all("--require-hashes" in each or "--no-index" in each for each in installs)


def test_what_is_copied_exists_and_is_not_ignored():
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        source.rstrip("/") for line in said("COPY") if "--from" not in line for source in shlex.split(line)[:-1]
    ]  # fmt: skip
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(source == each or source.startswith(f"{each}/") for each in let_through), source


def test_it_runs_as_a_number_that_is_not_root_and_stops_at_sigterm():
    (user,) = said("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert said("STOPSIGNAL") == ["SIGTERM"]


def test_no_secret_is_baked_in_and_every_setting_exists():
    named = dict(re.findall(r"(EVERGRANT_\w+)=(\S+)", TEXT))
    assert not re.search(r"(?i)(secret|password|key_encryption|token)\w*=", TEXT)
    config = load(None, {**named, "EVERGRANT_SERVER_ISSUER": "https://login.example.com"})
    assert config.server.listen == "0.0.0.0:8000"
    ports = said("EXPOSE")[0].split()
    assert ports == [str(config.server.address[1]), config.keeper.listen.rpartition(":")[2]]


def alive(port: int) -> int:
    return subprocess.run([sys.executable, "-I", ALIVE, str(port)], timeout=60, check=False).returncode


def alive_in(**environment: str) -> int:
    """As the image's own check asks."""
    command = [sys.executable, "-I", ALIVE]
    return subprocess.run(command, env={**os.environ, **environment}, timeout=60, check=False).returncode


@pytest.mark.long
def test_a_server_is_alive_until_it_has_stopped(tmp_path):
    with served(tmp_path) as server:
        assert alive(server.port) == 0
        here, nobody = f"0.0.0.0:{server.port}", f"0.0.0.0:{free_port()}"
        for issuer, keeper, code in ((here, nobody, 0), (nobody, here, 0), (nobody, nobody, 1)):
            assert alive_in(EVERGRANT_SERVER_LISTEN=issuer, EVERGRANT_KEEPER_LISTEN=keeper) == code
        server.terminate()
        server.process.wait(30)
        assert alive(server.port) == 1
