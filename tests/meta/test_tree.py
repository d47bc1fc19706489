"""What no tracked file may hold: an address of a package registry, a path of one machine, an open end."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.meta.claims import ROOT

_BINARY: Final = frozenset({".png", ".ico", ".jpg", ".woff2", ".gz", ".pdf"})

# The forbidden words are put together here, so that this file does not hold them itself.
REGISTRIES: Final = (
    "pypi" + ".org",
    "python" + "hosted",
    "registry." + "npmjs",
    "deb." + "debian",
    "registry." + "yarnpkg",
)
PATHS: Final = ("/" + "work/", "/" + "farm/", "/" + "root/", "/" + "Users/", "." + "library")
OPEN_ENDS: Final = re.compile(r"\b(?:TO" + "DO|FIX" + "ME|X" + "XX|NotImplemented" + r"Error)\b")
SKIPS: Final = re.compile(
    r"mark\.(?:sk" + "ip|xf" + r"ail)\b|\bpytest\.(?:sk" + r"ip|xf" + r"ail|importor" + r"skip)\b"
)


def tracked() -> Iterator[tuple[Path, str]]:
    """Every file of the tree that git tracks, or would."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in listed.split("\0"):
        file = ROOT / name
        if name and file.is_file() and file.suffix not in _BINARY:
            yield Path(name), file.read_text(encoding="utf-8", errors="surrogateescape")


def holding(*words: str) -> list[str]:
    return [f"{name}: {word}" for name, text in tracked() for word in words if word.lower() in text.lower()]


def test_no_file_names_a_package_registry() -> None:
    assert holding(*REGISTRIES) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    # Letter by letter: addresses of APIs have a path of the same name in small letters.
    assert [f"{name}: {word}" for name, text in tracked() for word in PATHS if word in text] == []


def test_no_file_has_an_open_end() -> None:
    prose = {".md", ".txt"}
    found = [
        f"{name}: {found.group()}"
        for name, text in tracked()
        if name.suffix not in prose
        for found in OPEN_ENDS.finditer(text)
    ]
    assert found == []


def test_nothing_is_skipped_but_by_the_one_gate_for_missing_tools() -> None:
    gates = {Path("tests/conftest.py"), Path("tests/meta/test_gates.py")}
    found = [
        f"{name}: {found.group()}"
        for name, text in tracked()
        if name.suffix == ".py" and name not in gates
        for found in SKIPS.finditer(text)
    ]
    assert found == []


def test_lock_files_of_node_packages_hold_no_address_to_fetch_from() -> None:
    for name, text in tracked():
        if name.name == "package-lock.json":
            resolved = [
                key
                for key, package in json.loads(text)["packages"].items()
                if package.get("resolved", "").startswith("http")
            ]
            assert resolved == [], f"{name}: npm install with omit-lockfile-registry-resolved=true"
