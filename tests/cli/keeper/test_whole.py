"""Whole vaults on the command line: what is refused, in which words, and that nothing was touched."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from evergrant.cli import main
from evergrant.keeper.vault.sqlite import SqliteVault
from tests.cli.keeper.test_light import LINE


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The file of a vault with one connection."""
    monkeypatch.setenv("EVERGRANT_KEEPER_CLIENT_GITHUB_APP_CLIENT_ID", "x")
    monkeypatch.setenv("EVERGRANT_STORE_DATA", str(tmp_path / "data"))
    (tmp_path / "tokens.jsonl").write_text(LINE)
    assert main(["keeper", "import", str(tmp_path / "tokens.jsonl")]) == 0
    capsys.readouterr()
    return tmp_path / "data" / "keeper.db"


def said(capsys: pytest.CaptureFixture[str], code: int, *words: object) -> str:
    """What a command says on standard error that ends with *code*."""
    assert main(["keeper", *map(str, words)]) == code
    return capsys.readouterr().err


def listed(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    assert main(["keeper", "list", *map(str, words), "--json"]) == 0
    return [one["account"] for one in json.loads(capsys.readouterr().out)]


def test_a_vault_is_named_by_its_directory_its_file_or_a_new_directory(vault, tmp_path, capsys):
    assert "moved 1 connection, 1 record" in said(capsys, 0, "copy", vault.parent, tmp_path / "second.db")
    assert "moved 1 connection, 1 record" in said(capsys, 0, "copy", tmp_path / "second.db", tmp_path / "third")
    shutil.copy(f"{vault}.key", tmp_path / "third" / "keeper.db.key")
    assert listed(capsys, "--data", tmp_path / "third") == ["a"]


def test_a_move_that_cannot_be_is_refused_in_a_sentence_and_touches_nothing(vault, tmp_path, capsys):
    assert "there is no vault here" in said(capsys, 3, "copy", tmp_path / "nowhere.db", tmp_path / "new.db")
    assert "FROM and TO are the same" in said(capsys, 2, "copy", vault, vault.parent)
    other = tmp_path / "other.db"
    shutil.copy(vault, other)
    assert "there is something in it" in said(capsys, 4, "copy", vault, other)
    assert listed(capsys) == ["a"]
    (tmp_path / "noise.db").write_bytes(b"noise" * 1000)
    assert "not a SQLite database" in said(capsys, 5, "copy", vault, tmp_path / "noise.db")
    assert "it was not moved away" in said(capsys, 5, "reopen", vault, "--yes")
    assert listed(capsys) == ["a"]


def test_a_vault_that_somebody_has_open_is_not_moved_without_being_asked_to_and_never_filled(vault, tmp_path, capsys):
    assert "backed up 1 connection" in said(capsys, 0, "backup", tmp_path / "b")
    keeper = SqliteVault.open(vault)
    try:
        assert "stop its keepers, or say --live" in said(capsys, 4, "copy", vault, tmp_path / "new.db")
        refused = said(capsys, 4, "restore", tmp_path / "b", "--replace", "--yes")
        assert "stop its keepers first: what they write now would be lost" in refused
    finally:
        asyncio.run(keeper.close())


def test_a_backup_is_not_overwritten_and_not_restored_over_something_unless_that_is_said(vault, tmp_path, capsys):
    file = tmp_path / "b"
    said(capsys, 0, "backup", file)
    assert "there is such a file already" in said(capsys, 4, "backup", file)
    said(capsys, 0, "backup", file, "--replace")
    assert "there is something in it" in said(capsys, 4, "restore", file)
    assert main(["keeper", "restore", str(file), "--replace", "--yes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"]["connection"], told["restored"]) == (1, 0)
    assert listed(capsys) == ["a"]


def test_what_is_no_whole_backup_is_not_restored(vault, tmp_path, capsys):
    file = tmp_path / "b"
    said(capsys, 0, "backup", file)
    file.write_bytes(file.read_bytes()[:-7])
    assert "cut short" in said(capsys, 5, "restore", file, "--data", tmp_path / "new")
    file.write_bytes(b"evergrant backup 1\n")
    assert "it was made by evergrant backup" in said(capsys, 5, "restore", file, "--data", tmp_path / "new")
    assert not (tmp_path / "new").exists()
