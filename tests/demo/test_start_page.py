"""docs/start.md says what the demo says, word for word: its commands are run, its table is walked."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.demo.demonstration import FREE, PATIENCE, Walker, demonstration
from tests.tools import ROOT
from tests.written import blocks, page

pytestmark = pytest.mark.long

PAGE: Final = page("docs/start.md")
VARYING: Final = (
    (r"127\.0\.0\.1:\d+", "<address>"),
    (r"\b(?:[bdfghklmnprstvwz][aeio]){2}(?:-(?:[bdfghklmnprstvwz][aeio]){2}){3}\b", "<password>"),
    (r"\busr_[\w-]{22}", "<user>"),
    (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<instant>"),
)


def examples() -> dict[str, list[str]]:
    """Every command of the page, with the lines that follow it."""
    found: dict[str, list[str]] = {}
    for block in blocks(PAGE, "console"):
        command = ""
        for line in block.splitlines():
            if line.startswith("$ ") or line == "^C":
                command = line.removeprefix("$ ")
                found[command] = []
            else:
                found[command].append(line)
    return found


EXAMPLES: Final = examples()


def same(line: str) -> str:
    """A line without what differs from start to start."""
    for pattern, name in VARYING:
        line = re.sub(pattern, name, line)
    return re.sub(r" {2,}", "  ", line.strip())


@contextlib.contextmanager
def started(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """`evergrant demo` as a person starts it, with what it said until it answers."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "evergrant", "demo", *FREE, *options], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            if "stop with Ctrl-C" in line:
                break
        yield process, said
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()


def test_the_page_has_the_examples_that_are_run_here() -> None:
    assert list(EXAMPLES) == [
        "make run",
        "^C",
        ". .venv/bin/activate",
        "evergrant demo --data look-around",
        "evergrant user list --data look-around",
        "evergrant family list --data look-around",
    ]


def test_make_run_is_the_demo() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^run:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    assert recipe.split() == ["@$(BIN)/evergrant", "demo"]


def test_the_demo_says_what_the_page_says_it_says(tmp_path: Path) -> None:
    with started(tmp_path) as (process, said):
        assert [same(line) for line in said] == [same(line) for line in EXAMPLES["make run"]]
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert rest.splitlines() == EXAMPLES["^C"]


def test_a_kept_demo_and_the_commands_beside_it_say_what_the_page_says(tmp_path: Path) -> None:
    with started(tmp_path, "--data", "look-around") as (_, said):
        expected = EXAMPLES["evergrant demo --data look-around"]
        assert [same(line) for line in said] == [same(line) for line in expected]
        address, password = said[0].split()[-1], said[3].split()[-1]
        with contextlib.closing(Walker(address, "ada@example.com", password).http) as http:
            walker = Walker(address, "ada@example.com", password, http)
            walker.sign_in()
            walker.act("/refresh")
            walker.act("/refresh")
            walker.steal(0)
        for command in ("user", "family"):
            line = f"evergrant {command} list --data look-around"
            run = subprocess.run(
                [sys.executable, "-m", *line.split()], cwd=tmp_path, capture_output=True, text=True,
                timeout=PATIENCE, check=True,
            )  # fmt: skip
            told = (run.stdout + run.stderr).splitlines()
            assert [same(each) for each in told] == [same(each) for each in EXAMPLES[line]]


def steps() -> list[tuple[str, str, str]]:
    """The rows of the page's table: heading, button, what comes of it."""
    rows = re.findall(r"^\| (\d)\. (.*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    assert [int(row[0]) for row in rows] == list(range(1, 8))
    return [row[1:] for row in rows]


def test_the_table_of_steps_is_the_tour(tmp_path: Path) -> None:
    rows = {heading: (button, outcome) for heading, button, outcome in steps()}
    with demonstration(tmp_path) as demo:
        walker = demo.walker()
        start = walker.get("/")
        assert rows[start.heading][0] in start.words
        look = walker.sign_in()
        assert rows[look.heading][0] in look.words
        for path in ("/refresh", "/repeat", "/race"):
            page = walker.get(path)
            button, outcome = rows[page.heading]
            assert button in page.words
            assert walker.act(path).outcome == outcome
        page = walker.get("/theft")
        assert rows[page.heading][0] in page.words
        assert walker.steal(0).outcome == rows[page.heading][1]
        after = walker.get("/aftermath")
        button, outcome = rows[after.heading]
        assert button in after.words
        assert outcome.endswith(walker.get("/sign-in").heading)
