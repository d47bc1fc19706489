"""Which tests stay together on one worker, and the order in which workers are given them: the largest groups first.

Each worker writes down the groups that it found (`xdist_group`); the controller, which collects nothing, reads them.
pytest-xdist 3.8 writes them into the tests' ids instead, which pytest 9.2 does not read back: no group was one.
What must not live here: which tests belong together (`tests/conftest.py` and the tests).
"""

import json
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.secrecy import REGISTRY

_WORKER: Final = "PYTEST_XDIST_WORKER"


def write_groups(items: Iterable[pytest.Item]) -> None:
    """Tell the controller, when this is a worker."""
    if _WORKER in os.environ:
        groups = {item.nodeid: str(mark.args[0]) for item in items if (mark := item.get_closest_marker("xdist_group"))}
        file = Path(os.environ[REGISTRY]) / f"{os.environ[_WORKER]}.groups"
        file.write_text(json.dumps(groups), encoding="utf-8")


@cache
def _read_groups() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for file in Path(os.environ[REGISTRY]).glob("*.groups"):
        found |= json.loads(file.read_text(encoding="utf-8"))
    return found


class Grouped(LoadScopeScheduling):
    """Hands out groups; a test without one is a group of its own. Asked only once every worker has collected."""

    def _split_scope(self, nodeid: str) -> str:
        return _read_groups().get(nodeid, nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Grouped | None:
    return Grouped(config, log) if config.getvalue("dist") == "loadgroup" else None
