"""The end of a run: search everything it printed, logged and stored for every secret it issued.

What lives here: hooks and one fixture; `tests/conftest.py` takes them in. What must not: the registry (`tests.secrecy`)
and the search (`tests.secret_grep`).
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.secrecy import REGISTRY, exempt, record_secret, record_secrets_in, recorded, watched
from tests.secret_grep import files_below, grep

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


@pytest.fixture(autouse=True, scope="session")
def overhear() -> Iterator[None]:
    """Record what issuers in this process answer, the password of the people in it, and what chaos providers issue."""
    with pytest.MonkeyPatch.context() as patch:
        _overhear_issuers(patch)
        _overhear_chaos(patch)
        yield


def _overhear_issuers(patch: pytest.MonkeyPatch) -> None:
    in_process = sys.modules.get("evergrant.testing.in_process")
    if in_process is None:  # no test of this run has such an issuer
        return
    exchange = in_process.exchange

    async def overheard(*request: Any) -> Any:
        reply = await exchange(*request)
        record_secrets_in(reply.body)
        for _, value in reply.headers:
            record_secrets_in(value)
        return reply

    record_secret(in_process.PASSWORD)
    patch.setattr(in_process, "exchange", overheard)


def _overhear_chaos(patch: pytest.MonkeyPatch) -> None:
    grants = sys.modules.get("evergrant.testing.chaos.grants")
    if grants is None:  # no test of this run has such a provider
        return
    text = grants.Book.text

    def overheard(*given: Any) -> str:
        minted = text(*given)
        record_secret(minted)
        return minted

    patch.setattr(grants.Book, "text", overheard)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what each test printed and logged, for the search; reports reach the controller from every worker."""
    if "PYTEST_XDIST_WORKER" in os.environ or not report.sections:
        return
    with (Path(os.environ[REGISTRY]) / _CAPTURED).open("a", encoding="utf-8", errors="surrogateescape") as kept:
        for title, text in report.sections:
            kept.write(f"{report.nodeid} {title}\n{text}\n")


@pytest.hookimpl(tryfirst=True)  # pytest's own hook gives the temporary directory up for other runs to delete
def pytest_sessionfinish(session: pytest.Session) -> None:
    if not is_controller(session.config) or REGISTRY not in os.environ:
        return
    registry = Path(os.environ[REGISTRY])
    started = time.monotonic()
    secrets = list(recorded(registry))
    places = list(watched(registry))
    problems = [f"watched, but gone when the run ended: {place}" for place in places if not place.exists()]
    places += [registry / _CAPTURED, *registry.glob("*.heard"), _temporary(session.config)]
    files = files_below(places, exempt(registry))
    problems += [f"a secret was found: {hit}" for hit in grep(files, secrets)]
    session.config.stash[_VERDICT] = problems
    size = sum(file.stat().st_size for file in files if file.exists()) / 1_000_000
    session.config.stash[_SUMMARY] = (
        f"{len(secrets)} secrets, {len(files)} files, {size:.1f} MB, {time.monotonic() - started:.1f} s: "
        + (f"{len(problems)} problems" if problems else "none found")
    )
    if problems and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _temporary(config: pytest.Config) -> Path:
    """Where every `tmp_path` of the run lies, those of its workers included."""
    return config._tmp_path_factory.getbasetemp()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    said = config.stash.get(_SUMMARY, None)
    if said is None:
        return
    problems = config.stash.get(_VERDICT, [])
    terminalreporter.write_sep("=", f"secret grep: {said}", red=bool(problems), bold=True)
    for problem in problems:
        terminalreporter.write_line(problem)
