"""Every transcript is what the command line says, word by word."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from evergrant.cli import main
from evergrant.cli.verbs import VERBS
from tests.cli.scenes import play
from tests.cli.transcript import Names, Said, Step, expected, read, written
from tests.secrecy import record_secret, record_secrets_in

FOLDER: Final = Path(__file__).parent / "transcripts"
FILES: Final = sorted(FOLDER.glob("*.txt"))
CHEAP: Final = {"MEMORY_KIB": "7168", "ITERATIONS": "1", "PARALLELISM": "1"}
PATIENCE: Final = 60


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty place to work in; passwords are hashed cheaply, since nobody here guesses any."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVERGRANT_STORE_DATA", str(tmp_path / "data"))
    for name, value in CHEAP.items():
        monkeypatch.setenv(f"EVERGRANT_PASSWORD_{name}", value)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_transcript_is_what_the_command_line_says(path, place, monkeypatch, capsys):
    names = Names(place)
    for step in read(path):
        if step.what == "given":
            play(step.words, place / "data")
        elif step.what == "file":
            (place / step.words).write_text("\n".join(step.content) + "\n", encoding="utf-8")
        else:
            said = told(step, names, monkeypatch, capsys)
            assert written(step, said, names) == expected(step), f"{path.name}, line {step.line}"


def told(step: Step, names: Names, monkeypatch, capsys) -> Said:
    """Run one command. The server is a process of its own; everything else is called."""
    program, *words = names.shown(step.words)
    if program != "evergrant":
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=PATIENCE, check=False)
        return Said(done.returncode, done.stdout, done.stderr)
    if words[:1] == ["serve"]:
        command = [sys.executable, "-m", "evergrant", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return Said(done.returncode, done.stdout, done.stderr)
    with Path("stdin").open("w+", encoding="utf-8") as stdin:
        stdin.write("".join(f"{line}\n" for line in step.stdin))
        stdin.seek(0)
        monkeypatch.setattr(sys, "stdin", stdin)
        code = main(words)
    Path("stdin").unlink()
    out, err = capsys.readouterr()
    record_secrets_in(out)
    for line in step.stdin if code == 0 else []:
        record_secret(line)  # a password that was taken; one that was refused may be anything
    return Said(code, out, err)


def test_there_is_a_transcript_for_every_verb():
    typed = {step.words.split()[1] for path in FILES for step in read(path) if step.words.startswith("evergrant ")}
    assert {verb.name for verb in VERBS} - {"demo"} <= typed
