"""The units: verified and scored by systemd itself, with settings that exist."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.reading import DEPLOY, settings, unit

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROGRAM = "/opt/evergrant/bin/evergrant"
EXPOSURE = 15  # tenths; systemd calls anything below 20 fine, and an unhardened service has 96


@pytest.mark.needs("systemd")
@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.stem)
def test_systemd_finds_no_mistake_and_little_exposure(file, tmp_path):
    here = tmp_path / file.name
    program = str(Path(sys.executable).with_name("evergrant"))
    here.write_text(file.read_text(encoding="utf-8").replace(PROGRAM, program), encoding="utf-8")
    for arguments in (["verify"], ["security", "--offline=true", f"--threshold={EXPOSURE}"]):
        told = subprocess.run(
            ["systemd-analyze", *arguments, here], capture_output=True, text=True, timeout=60, check=False
        )
        assert (told.returncode, told.stderr) == (0, ""), told.stdout[-300:]


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.stem)
def test_what_it_tells_the_server_are_settings(file, tmp_path):
    said = unit(file)
    environment = dict(each.split("=", 1) for each in said["Service.Environment"])
    named = Path(environment.pop("EVERGRANT_CONFIG"))
    config = settings(tmp_path, DEPLOY / "systemd" / named.name, environment, "%d")
    state = Path("/var/lib") / said["Service.StateDirectory"][0]
    assert config.store.data == state
    (credential,) = said["Service.LoadCredential"]
    lent = config.keys.key_encryption_key_file or config.keeper.keys_file
    assert lent.name == credential.partition(":")[0]
    limit = config.server.shutdown_grace
    if "keeper" in file.stem:
        limit = config.keeper.request_timeout + config.keeper.commit_allowance
    assert int(said["Service.TimeoutStopSec"][0]) > limit
    assert said["Service.ExecStart"][0].startswith(PROGRAM)
