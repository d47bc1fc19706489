"""The command line on a real terminal: passwords asked for twice and never shown, questions answered with no."""

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

from evergrant.cli import main
from tests.cli.scenes import play
from tests.secrecy import record_secret

pytestmark = pytest.mark.long

PATIENCE: Final = 60
PASSWORD: Final = "correct horse battery"


ON_A_TERMINAL: Final = """
import os, sys
os.login_tty(os.open(sys.argv[1], os.O_RDWR))
os.execv(sys.executable, [sys.executable, "-m", "evergrant", *sys.argv[2:]])
"""


class Terminal:
    """A command at a pseudo-terminal of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.seen, self._place = "", 0
        self._master, slave = pty.openpty()
        cheap = {f"EVERGRANT_PASSWORD_{name}": "1" for name in ("ITERATIONS", "PARALLELISM")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, os.ttyname(slave), *words, "--data", str(folder)],
            start_new_session=True,
            env={**os.environ, **cheap, "EVERGRANT_PASSWORD_MEMORY_KIB": "7168"},
        )  # fmt: skip
        os.close(slave)

    def expect(self, text: str) -> None:
        """Read until *text* appears after what was seen before."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen[self._place :]:
            assert time.monotonic() < end, self.seen
            if select.select([self._master], [], [], 0.2)[0]:
                self.seen += self._read()
        self._place = self.seen.index(text, self._place) + len(text)

    def types(self, line: str) -> None:
        os.write(self._master, line.encode() + b"\n")

    def close(self) -> None:
        """Stop a command that a test has given up on."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)

    def ends(self) -> int:
        """Read to the end; the exit code."""
        while self.process.poll() is None or select.select([self._master], [], [], 0)[0]:
            if select.select([self._master], [], [], 0.1)[0]:
                part = self._read()
                if not part:
                    break
                self.seen += part
        return self.process.wait(PATIENCE)

    def _read(self) -> str:
        with contextlib.suppress(OSError):  # Linux says EIO when the other side has closed
            return os.read(self._master, 65_536).decode()
        return ""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def at_terminal(folder):
    """Starts a command at a terminal, and sees that it is gone when the test is over."""
    with contextlib.ExitStack() as stack:
        yield lambda *words: stack.enter_context(contextlib.closing(Terminal(folder, *words)))


def test_a_password_is_asked_for_twice_and_not_shown(at_terminal):
    record_secret(PASSWORD)
    terminal = at_terminal("user", "add", "ada@example.com")
    terminal.expect("evergrant: password")
    terminal.types(PASSWORD)
    terminal.expect("evergrant: the same again")
    terminal.types(PASSWORD)

    assert terminal.ends() == 0
    assert "ada@example.com" in terminal.seen
    assert PASSWORD not in terminal.seen


def test_two_passwords_that_differ_are_asked_for_again(at_terminal):
    terminal = at_terminal("user", "add", "ada@example.com")
    terminal.expect("evergrant: password")
    terminal.types(PASSWORD)
    terminal.expect("evergrant: the same again")
    terminal.types("something else altogether")
    terminal.expect("evergrant: they are not the same; once more")
    terminal.expect("evergrant: password")
    terminal.types(PASSWORD)
    terminal.expect("evergrant: the same again")
    terminal.types(PASSWORD)

    assert terminal.ends() == 0
    assert PASSWORD not in terminal.seen


def test_no_is_the_answer_that_changes_nothing(at_terminal, folder, capsys):
    play("a person and an application", folder)
    terminal = at_terminal("client", "delete", "App")
    terminal.expect("end every family it has? [y/N]")
    terminal.types("")

    assert terminal.ends() == 4
    assert "evergrant: error: nothing was done" in terminal.seen
    assert main(["client", "show", "App", "--data", str(folder)]) == 0
    assert "App" in capsys.readouterr().out


def test_yes_does_it(at_terminal, folder, capsys):
    play("a person and an application", folder)
    terminal = at_terminal("user", "delete", "ada@example.com")
    terminal.expect("end everything they hold? [y/N]")
    terminal.types("y")

    assert terminal.ends() == 0
    assert main(["user", "show", "ada@example.com", "--data", str(folder)]) == 3
    assert "there is no account" in capsys.readouterr().err
