"""The lock files: every line hashed, no address, agreeing with each other and with pyproject.toml."""

import re
import tomllib
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.meta.claims import ROOT

LOCKS: Final = ("build", "run", "test", "bench")
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash_and_no_line_an_address(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    logical = [
        line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    assert logical
    for line in logical:
        assert re.fullmatch(r"[a-z0-9-]+==\S+(?: ; [^\\]+?)?(?:\s+--hash=sha256:[0-9a-f]{64})+\s*", line), line


@pytest.mark.parametrize(
    ("lock", "declared"),
    [
        ("build", PROJECT["build-system"]["requires"]),
        ("run", PROJECT["project"]["dependencies"]),
        ("test", PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["test"]),
        ("bench", PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["bench"]),
    ],
)
def test_a_lock_file_holds_what_pyproject_asks_for(lock: str, declared: list[str]) -> None:
    held = pins(lock)
    for text in declared:
        wanted = Requirement(text)
        name = canonicalize_name(wanted.name)
        assert name in held, f"{name} is not in requirements/{lock}.txt: make lock"
        assert wanted.specifier.contains(held[name]), (
            f"{name} {held[name]} is locked, {wanted.specifier} is asked for: make lock"
        )


def test_no_two_lock_files_disagree() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in pins(lock).items():
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
    assert pins("run").items() <= pins("test").items()
    assert pins("run").items() <= pins("bench").items()
