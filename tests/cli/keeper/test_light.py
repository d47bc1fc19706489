"""`keeper token` runs inside other people's commands: what a fresh token does not need is not loaded."""

import re
import subprocess
import sys
from typing import Final

import pytest

from evergrant.cli import main
from tests.cli.test_tree import PROBE

HEAVY: Final = {"argon2", "httpx2", "jinja2", "joserfc", "uvicorn", "uvloop"}
LINE: Final = '{"client": "github_app", "account": "a", "access_token": "ghu_0123456789", "expires_at": 4102444800}\n'


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("EVERGRANT_KEEPER_CLIENT_GITHUB_APP_CLIENT_ID", "x")
    monkeypatch.setenv("EVERGRANT_STORE_DATA", str(tmp_path / "data"))
    (tmp_path / "tokens.jsonl").write_text(LINE)
    assert main(["keeper", "import", str(tmp_path / "tokens.jsonl")]) == 0
    return tmp_path


def loaded(*words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, "keeper", *words], capture_output=True, text=True, timeout=60, check=True
    )  # fmt: skip
    return set(re.findall(r"'([^']+)'", done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("words", [("token", "github_app"), ("list",), ("show", "github_app")])
def test_a_fresh_token_is_found_without_an_http_client_and_without_jose(place, words):
    assert loaded(*words) & HEAVY == set()


@pytest.mark.parametrize("words", [("--help",), ("token", "--help"), ("provider", "--help")])
def test_help_loads_nothing_of_the_keeper(words):
    assert {name for name in loaded(*words) if name.startswith("evergrant.keeper")} == set()
