"""The page for users says what really happens: its examples are run."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from evergrant.testing.chaos import MODES
from tests.written import blocks, page

PAGE: Final = page("docs/try-your-client.md")
PROGRAMS: Final = list(zip(blocks(PAGE, "python"), blocks(PAGE, "text"), strict=True))


def test_every_mode_that_the_page_names_exists():
    named = set(re.findall(r"\b([a-z]+(?:_[a-z]+)+)(?=:times|:seconds|`)", PAGE))
    known = {"most_in_flight", "refreshes_per_rotation"}
    assert named - set(MODES) - known == set()


@pytest.mark.parametrize(("source", "said"), PROGRAMS, ids=["any language", "in process", "beside"])
def test_a_program_of_the_page_prints_what_the_page_says(source: str, said: str, tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text(source, encoding="utf-8")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)], cwd=tmp_path, env={**os.environ, "PATH": path},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert re.sub(r"evergrant: .*\n", "", done.stderr) == ""
    assert done.stdout == said


def same(line: str) -> str:
    """A line without what differs from start to start."""
    return re.sub(r" {2,}", "  ", re.sub(r"127\.0\.0\.1:\d+|\b[0-9a-f]{48}\b", "<…>", line))


def test_the_command_says_what_the_page_says_it_says(tmp_path: Path):
    first, last = blocks(PAGE, "console")
    command, *expected = first.splitlines()
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", *command.split()[1:]], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    said = []
    for line in process.stdout:
        said.append(line.rstrip("\n"))
        if "stop with Ctrl-C" in line:
            process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(60) == 0
    assert [same(line) for line in said] == [same(line) for line in [*expected, *last.splitlines()[1:]]]
