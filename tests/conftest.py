"""The gates of every run: missing tools, long suites, a clean environment, loopback only, and the secret grep.

What lives here: what holds for all tests. What must not: fixtures of one room; they live beside that room's tests.
"""

import gc
import ipaddress
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import hypothesis
import jinja2
import pytest

from tests import tools
from tests.cluster import database, postgres
from tests.grouping import pytest_xdist_make_scheduler, write_groups
from tests.secret_watch import (
    close_registry,
    open_registry,
    overhear,
    pytest_runtest_logreport,
    pytest_sessionfinish,
    pytest_terminal_summary,
)

__all__ = [
    "database",
    "overhear",
    "postgres",
    "pytest_runtest_logreport",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_xdist_make_scheduler",
]

pytest.register_assert_rewrite("evergrant.testing")  # before any test imports it

LONG_FOLDERS: Final = (
    "browser",
    "cli/keeper",
    "faults",
    "interop",
    "keeper/serving",
    "keeper/vault",
    "property",
    "testing",
)
_HERE: Final = Path(__file__).parent
_LONG: Final = frozenset(_HERE / folder for folder in LONG_FOLDERS)

# A run can be repeated: the same examples every time; the quick tests alone try the first few of them. With
# EVERGRANT_TEST_HYPOTHESIS=explore it looks for new ones, `nightly` for twenty times as many.
hypothesis.settings.register_profile("quick", derandomize=True, deadline=None, print_blob=True, max_examples=20)
hypothesis.settings.register_profile("repeat", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True)
hypothesis.settings.register_profile("nightly", deadline=None, print_blob=True, max_examples=2_000)


def pytest_configure(config: pytest.Config) -> None:
    profile = "quick" if _only_quick(config) else "repeat"
    hypothesis.settings.load_profile(os.environ.get("EVERGRANT_TEST_HYPOTHESIS", profile))
    open_registry(config)
    for name in [name for name in os.environ if name.startswith("EVERGRANT_")]:
        if not name.startswith("EVERGRANT_TEST_"):
            del os.environ[name]  # a developer's own configuration must not decide a test
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(name, None)
    for library in ("httpx2", "httpcore2", "asyncio", "hypothesis"):
        logging.getLogger(library).setLevel(logging.WARNING)  # a client's own log is not ours to keep clean


def pytest_unconfigure(config: pytest.Config) -> None:
    close_registry(config)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What is long is not even imported for a run of the quick tests."""
    return True if _only_quick(config) and collection_path in _LONG else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is found stays: thousands of tests are not looked through again at each collection of garbage."""
    gc.disable()
    try:
        found: Any = yield
    finally:
        gc.freeze()
        gc.enable()
    return found


def _only_quick(config: pytest.Config) -> bool:
    return config.option.markexpr == "not long"


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    for item in items:
        below = any(item.path.is_relative_to(folder) for folder in _LONG)
        if below or item.get_closest_marker("needs"):
            item.add_marker(pytest.mark.long)
        if item.get_closest_marker("long") and not item.get_closest_marker("xdist_group") and _shares(item):
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(_HERE).as_posix()))
    write_groups(items)


def _shares(item: pytest.Function) -> bool:
    """Whether a test is given what its file sets up once: on two workers it would be set up twice."""
    given = item._fixtureinfo.name2fixturedefs
    return any(
        one.scope in {"module", "class"} for name, many in given.items() if not name.startswith("_") for one in many
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        reason = tools.why_missing(marker.args)
        if reason is None:
            continue
        if tools.in_ci():
            pytest.fail(f"{reason} (nothing is skipped when CI=true)", pytrace=False)
        pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: Any = yield
    if report.skipped and tools.in_ci():
        report.outcome = "failed"
        report.longrepr = f"skipped, and nothing is skipped when CI=true: {report.longrepr[-1]}"
    return report


class NotLoopback(Exception):
    """A test tried to reach the world; no test may depend on it."""


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """Refuse every connection of this process that leaves the machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
        yield


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A test that sets the issuer's log up in this process leaves no handler and no level behind for the next."""
    root, ours = logging.getLogger(), logging.getLogger("evergrant")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    for handler in [each for each in root.handlers if each not in handlers]:
        root.removeHandler(handler)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture(autouse=True, scope="session")
def templates_compiled_once() -> Iterator[None]:
    """Compiling the pages takes longer than most tests that open an issuer; their source is the same each time."""
    compiled: dict[Any, Any] = {}
    compile_ = jinja2.Environment.compile

    def once(this: jinja2.Environment, source: Any, *rest: Any, **more: Any) -> Any:
        key = (source, rest, tuple(sorted(more.items())), tuple(sorted(this.filters)), this.trim_blocks)
        if key not in compiled:
            compiled[key] = compile_(this, source, *rest, **more)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Environment, "compile", once)
        yield


def _guarded(connect: Any) -> Any:
    def guarded(this: socket.socket, address: Any) -> Any:
        if this.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
            message = f"a test tried to reach {address[0]}; tests reach loopback only"
            raise NotLoopback(message)
        return connect(this, address)

    return guarded


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
