"""docs/resource/start.md is followed: its program is run, and what its other pieces name is there."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import evergrant.resource
from evergrant.resource import Limits
from evergrant.testing.token_issuer import TokenIssuer
from tests.written import page

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


def test_what_the_page_names_is_there_and_its_numbers_are_the_defaults() -> None:
    for piece in PIECES:
        for names in re.findall(r"from evergrant\.resource import (.*)", piece):
            assert all(hasattr(evergrant.resource, name) for name in names.split(", "))
    limits = Limits()
    assert (limits.fresh_seconds, limits.floor_seconds, limits.budget_seconds) == (300, 10, 2)
    assert limits.stale_seconds == 3_600
