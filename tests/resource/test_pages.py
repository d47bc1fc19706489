"""docs/resource/start.md is followed: its program is run, and what its other pieces name is there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from string import Template
from typing import Final

import pytest
import requests

import evergrant.resource
from evergrant.resource import Limits
from evergrant.testing.token_issuer import TokenIssuer
from tests.secrecy import belongs_to_client, record_secret
from tests.written import Terminal, blocks, lines, page

START: Final = page("docs/resource/start.md")
PIECES: Final = re.findall(r"```python\n(.*?)```", START, re.DOTALL)


@pytest.mark.long
@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("orders:read", "(200, [], 'orders of usr_"),
        ("", "(403, [('WWW-Authenticate', 'Bearer error=\"insufficient_scope\", scope=\"orders:read\"')"),
        (None, "(401, [('WWW-Authenticate', 'Bearer')"),
    ],
)
def test_the_first_program_says_who_is_asking(
    issuer: TokenIssuer, tmp_path: Path, scope: str | None, said: str
) -> None:
    program = tmp_path / "answer.py"
    program.write_text(PIECES[0])
    given = {**os.environ, "ISSUER": issuer.url, "AUDIENCE": issuer.audience}
    if scope is not None:
        given["AUTHORIZATION"] = f"Bearer {issuer.token(scope=scope)}"
    done = subprocess.run([sys.executable, program], env=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


@pytest.mark.long
def test_the_page_registers_the_api_and_the_examples_page_gets_it_a_token(tmp_path: Path) -> None:
    belongs_to_client(tmp_path)  # a desk: what commands print once is on it
    (tmp_path / "evergrant.toml").write_text(blocks(START, "toml")[0], encoding="utf-8")
    terminal = Terminal(tmp_path, {"EVERGRANT_CONFIG": str(tmp_path / "evergrant.toml")})
    (add,) = [line.removeprefix("$ ") for line in blocks(START, "console")[0].splitlines()]
    said = terminal.types(add)
    with terminal.keeps("evergrant serve") as told:
        asking, _ = [line for line in lines(page("examples/resource/README.md")) if line.startswith("curl")]
        given = {
            "ISSUER": re.search(r"as (\S+)", told[0])[1], "AUDIENCE": "https://api.example.com",
            "CLIENT_ID": re.search(r"\bcli_[\w-]{22}", said)[0],
            "CLIENT_SECRET": re.search(r"\begs_[\w-]{43}", said)[0],
        }  # fmt: skip
        _, _, user, *form, url = shlex.split(Template(asking).substitute(given))
        members = dict(member.split("=", 1) for member in form if member != "-d")
        answer = requests.post(url, members, auth=tuple(user.split(":")), timeout=30).json()
    record_secret(answer["access_token"])
    assert answer["scope"] == "orders:read"


def test_what_the_page_names_is_there_and_its_numbers_are_the_defaults() -> None:
    for piece in PIECES:
        for names in re.findall(r"from evergrant\.resource import (.*)", piece):
            assert all(hasattr(evergrant.resource, name) for name in names.split(", "))
    limits = Limits()
    assert (limits.fresh_seconds, limits.floor_seconds, limits.budget_seconds) == (300, 10, 2)
    assert limits.stale_seconds == 3_600
