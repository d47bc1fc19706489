"""The gates of a run, seen by running pytest on small made-up tests under them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.meta.claims import ROOT

LEAK = """
from tests.secrecy import record_secret, watch_output
def test_that_leaks(tmp_path):
    record_secret("egc_" + "k3Jd92mNq8" * 4)
    {leak}
"""


pytestmark = pytest.mark.long


def run(folder: Path, source: str, *arguments: str, ci: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "test_made_up.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    needs(*tools): x\n    long: x\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CI": ci}
    for name in [name for name in environment if name.startswith(("EVERGRANT_", "PYTEST_"))]:
        del environment[name]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "-rs",
        "-q",
        *arguments,
    ]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


SECRET = "'egc_' + 'k3Jd92mNq8' * 4"


@pytest.mark.parametrize(
    ("leak", "workers"),
    [
        (f"print({SECRET})", ()),
        (f"import logging; logging.getLogger('x').warning('code %s', {SECRET})", ()),
        (f"(tmp_path / 'log').write_text({SECRET})", ()),
        (f"from tests.secrecy import watch_text; watch_text({SECRET})", ()),
        (f"print({SECRET}); (tmp_path / 'log').write_text({SECRET})", ("-n", "1")),
    ],
    ids=["printed", "logged", "stored", "piped", "in a worker"],
)
def test_inv_13_a_secret_that_a_test_lets_out_fails_the_run(
    tmp_path: Path, leak: str, workers: tuple[str, ...]
) -> None:
    ended = run(tmp_path, LEAK.format(leak=leak), *workers)
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout
    assert ended.stdout.count("a secret was found:") == 1 + bool(workers), ended.stdout
    assert "k3Jd92mNq8k3" not in ended.stdout.split("a secret was found:")[1]


def test_what_belongs_to_a_client_is_left_out(tmp_path: Path) -> None:
    kept = f"import tests.secrecy as s; (tmp_path / 'jar').write_text({SECRET}); s.belongs_to_client(tmp_path / 'jar')"
    assert run(tmp_path, LEAK.format(leak=kept)).returncode == pytest.ExitCode.OK


def test_a_run_that_keeps_its_secrets_passes_and_says_how_many(tmp_path: Path) -> None:
    ended = run(tmp_path, LEAK.format(leak="(tmp_path / 'log').write_text('egc_'); watch_output(tmp_path)"))
    assert ended.returncode == pytest.ExitCode.OK, ended.stdout + ended.stderr
    assert "secret grep: 1 secrets," in ended.stdout


def test_an_output_that_is_gone_when_the_run_ends_fails_it(tmp_path: Path) -> None:
    ended = run(tmp_path, LEAK.format(leak="watch_output(tmp_path / 'never-made')"))
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "gone when the run ended" in ended.stdout


NEEDY = """
import pytest
@pytest.mark.needs("chromium")
def test_that_needs(): pass
"""


@pytest.mark.parametrize(
    ("ci", "code", "said"),
    [
        ("", pytest.ExitCode.OK, "needs chromium: chromium is not installed"),
        ("true", pytest.ExitCode.TESTS_FAILED, "nothing is skipped when CI=true"),
    ],
    ids=["elsewhere", "in CI"],
)
def test_a_missing_tool_skips_with_its_reason_and_fails_in_ci(
    tmp_path: Path, monkeypatch, ci: str, code: int, said: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = run(tmp_path, NEEDY, ci=ci)
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert said in ended.stdout


def test_in_ci_even_a_skip_by_hand_is_a_failure(tmp_path: Path) -> None:
    source = "import pytest\ndef test_skipped(): pytest.skip('not today')\n"
    assert run(tmp_path, source).returncode == pytest.ExitCode.OK
    assert run(tmp_path, source, ci="true").returncode == pytest.ExitCode.TESTS_FAILED


def test_a_tool_nobody_knows_is_an_error(tmp_path: Path) -> None:
    ended = run(tmp_path, NEEDY.replace("chromium", "chromum"))
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert re.search(r"known are .*\bchromium\b", ended.stdout)


def test_no_test_reaches_beyond_loopback(tmp_path: Path) -> None:
    source = "import socket\ndef test_out(): socket.create_connection(('192.0.2.1', 80), timeout=1)\n"
    ended = run(tmp_path, source)
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "tests reach loopback only" in ended.stdout
