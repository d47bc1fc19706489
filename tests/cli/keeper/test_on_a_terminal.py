"""Long work of the keeper on a real terminal."""

import json
from contextlib import closing
from typing import Final

import pytest

from evergrant.cli import main
from tests.cli.test_terminal import Terminal

pytestmark = pytest.mark.long
MANY: Final = 120


def test_turning_the_key_shows_how_far_it_has_come(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EVERGRANT_KEEPER_CLIENT_GITHUB_APP_CLIENT_ID", "x")
    lines = tmp_path / "tokens.jsonl"
    row = {"client": "github_app", "access_token": "ghu_0123456789", "expires_at": 4_102_444_800}
    lines.write_text("".join(json.dumps({**row, "account": f"user-{number}"}) + "\n" for number in range(MANY)))
    assert main(["keeper", "import", str(lines), "--data", str(tmp_path / "data")]) == 0
    capsys.readouterr()
    with closing(Terminal(tmp_path / "data", "keeper", "key", "rotate")) as shown:
        shown.expect("sealing under the new key")
        shown.expect("100%")
        shown.expect(f"connections          {MANY}")
        assert shown.ends() == 0
