"""The end of a run: search everything it printed, logged and stored for every secret it issued.

Hooks only; `tests/conftest.py` takes them in. The registry is `tests.secrecy`, the search is `tests.secret_grep`.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

import pytest

from tests.secrecy import REGISTRY, recorded, watched
from tests.secret_grep import grep

_CAPTURED: Final = "captured.txt"
_MADE: Final = pytest.StashKey[bool]()
_VERDICT: Final = pytest.StashKey[list[str]]()
_SUMMARY: Final = pytest.StashKey[str]()


def is_controller(config: pytest.Config) -> bool:
    return not hasattr(config, "workerinput")


def open_registry(config: pytest.Config) -> None:
    """Make the registry once, in the process that will search it; its workers inherit the address."""
    if is_controller(config):
        os.environ[REGISTRY] = tempfile.mkdtemp(prefix="evergrant-secrets-")
        config.stash[_MADE] = True


def close_registry(config: pytest.Config) -> None:
    if config.stash.get(_MADE, False):
        shutil.rmtree(os.environ.pop(REGISTRY), ignore_errors=True)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what each test printed and logged, for the search; reports reach the controller from every worker."""
    if "PYTEST_XDIST_WORKER" in os.environ or not report.sections:
        return
    with (Path(os.environ[REGISTRY]) / _CAPTURED).open("a", encoding="utf-8", errors="surrogateescape") as kept:
        for title, text in report.sections:
            kept.write(f"{report.nodeid} {title}\n{text}\n")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not is_controller(session.config) or REGISTRY not in os.environ:
        return
    registry = Path(os.environ[REGISTRY])
    started = time.monotonic()
    secrets = list(recorded(registry))
    places = list(watched(registry))
    problems = [f"watched, but gone when the run ended: {place}" for place in places if not place.exists()]
    places.append(registry / _CAPTURED)
    problems += [f"a secret was found: {hit}" for hit in grep(places, secrets)]
    session.config.stash[_VERDICT] = problems
    session.config.stash[_SUMMARY] = (
        f"{len(secrets)} secrets, {len(places)} places, {time.monotonic() - started:.1f} s: "
        + (f"{len(problems)} problems" if problems else "none found")
    )
    if problems and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    said = config.stash.get(_SUMMARY, None)
    if said is None:
        return
    problems = config.stash.get(_VERDICT, [])
    terminalreporter.write_sep("=", f"secret grep: {said}", red=bool(problems), bold=True)
    for problem in problems:
        terminalreporter.write_line(problem)
