"""`evergrant keeper doctor`: one finding for each thing that a team forgets, seen by making it so."""

import json
from pathlib import Path
from typing import Final

import pytest

from evergrant.cli import main
from evergrant.cli.checks import Verdict
from evergrant.cli.checks import vault as on_disk
from evergrant.cli.checks.keeping import Held, clients, held
from evergrant.domain.secret import Secret
from evergrant.keeper.connection import Health
from evergrant.keeper.provider.catalog import Catalog
from evergrant.keeper.settings import Client

NOW: Final = 1_795_255_000  # 2026-11-21
LINE: Final = (
    '{"client": "github_app", "account": "ada", "access_token": "ghu_012345678901", "expires_at": 4102444800}\n'
)


@pytest.fixture
def place(tmp_path, monkeypatch, capsys):
    """A vault with one connection in it, and where its files are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVERGRANT_STORE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("EVERGRANT_KEEPER_CLIENT_GITHUB_APP_CLIENT_ID", "Iv1.0")
    monkeypatch.setenv("EVERGRANT_KEEPER_CLIENT_GITHUB_APP_SECRET", "of no use")
    Path("tokens.jsonl").write_text(LINE)
    assert main(["keeper", "import", "tokens.jsonl"]) == 0
    capsys.readouterr()
    return tmp_path / "data"


def told(capsys, *words: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit code, and the verdict and sentence of each check."""
    code = main([*(words or ("keeper", "doctor")), "--json"])
    said = json.loads(capsys.readouterr().out)
    return code, {one["check"]: (one["verdict"], one["said"]) for one in said["checks"]}


def test_a_new_vault_is_fit_but_for_the_key_beside_it(place, capsys):
    code, checks = told(capsys)
    assert code == 0
    assert {name for name, (verdict, _) in checks.items() if verdict != "ok"} == {"vault key"}
    assert checks["connections"] == ("ok", "1 of 1 active")


def test_a_key_that_others_may_read_fails(place, capsys):
    (place / "keeper.db.key").chmod(0o644)
    code, checks = told(capsys)
    assert code == 6
    assert checks["vault key"][0] == "fail"


def test_a_key_that_is_gone_fails_and_none_is_made(place, capsys):
    (place / "keeper.db.key").unlink()
    code, checks = told(capsys)
    assert code == 6
    assert checks["vault key"][0] == "fail"
    assert not (place / "keeper.db.key").exists()


def test_a_vault_on_a_network_file_system_fails(place, capsys, monkeypatch, tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 /dev/a rw\n2 1 0:2 / {tmp_path} rw - nfs4 there:/ rw\n")
    monkeypatch.setattr(on_disk, "MOUNTS", mounts)
    code, checks = told(capsys)
    assert code == 6
    assert checks["vault place"] == ("fail", f"{place}/keeper.db is on a network file system (nfs4)")


def test_a_damaged_vault_fails_and_nothing_else_is_asked_of_it(place, capsys):
    with (place / "keeper.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    code, checks = told(capsys)
    assert code == 6
    assert checks["vault file"][0] == "fail"
    assert "connections" not in checks


def test_what_the_configuration_says_wrongly_of_a_provider_fails_with_its_name(place, capsys, monkeypatch):
    monkeypatch.setenv("EVERGRANT_KEEPER_CLIENT_GITHUB_APP_OVERRIDES", '{"retries": "safe"}')
    code, checks = told(capsys)
    assert code == 6
    assert checks["client github_app"][0] == "fail"
    assert "retries" in checks["client github_app"][1]


def test_where_there_is_no_vault_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EVERGRANT_STORE_DATA", str(tmp_path / "none"))
    assert main(["keeper", "doctor"]) == 3
    assert "there is no vault here" in capsys.readouterr().err


def said(*ours: Client, now: int = NOW) -> list[str]:
    found = clients({one.name: one for one in ours}, Catalog.shipped(), now)
    return [one.said for one in found if one.verdict is Verdict.WARN]


def test_a_client_without_a_secret_is_told_where_the_provider_wants_one():
    assert said(Client("github_app", "Iv1.0")) == ["it has no secret"]
    assert said(Client("github_app", "Iv1.0", Secret("s"))) == []


def test_a_sunset_that_comes_is_told_with_its_day():
    dated = {one: Catalog.shipped().get(one) for one in Catalog.shipped().ids()}
    sunset = next(each for each in dated.values() if any("-" in text for text in each.notes.values()))
    assert any("days" in sentence for sentence in said(Client(sunset.id, "x", Secret("s"))))
    assert not any("days)" in sentence for sentence in said(Client(sunset.id, "x", Secret("s")), now=NOW + 10**9))


def test_connections_in_trouble_letters_and_refreshes_are_counted():
    counts = {Health.ACTIVE: 7, Health.NEEDS_REAUTH: 2, Health.QUARANTINED: 1}
    found = {one.check: one for one in held(Held(counts, NOW - 7_200, 3, 1), NOW)}
    assert found["connections needs_reauth"].said == "2 connections"
    assert found["webhooks"].said == "3 letters unsent, the first for 2 h"
    assert found["refreshes"].verdict is Verdict.WARN
    assert found["connections"].said == "7 of 10 active"
    assert "webhooks" not in {one.check for one in held(Held(counts, NOW - 60, 3, 0), NOW)}


def test_the_issuers_doctor_looks_at_a_vault_in_the_same_place_too(place, capsys):
    assert main(["client", "add", "App", "--type", "spa", "--redirect-uri", "https://app.example/back"]) == 0
    capsys.readouterr()
    _, checks = told(capsys, "doctor")
    assert checks["vault file"] == ("ok", "whole")
    assert checks["database"][0] == "ok"


# ---- a vault in a database


@pytest.fixture
def shared(place, database, monkeypatch, capsys):
    """The same connection in a vault in a database, and its address."""
    monkeypatch.setenv("EVERGRANT_KEEPER_VAULT_URL", database)
    monkeypatch.setenv("EVERGRANT_KEEPER_KEYS_FILE", str(place / "shared.key"))
    assert main(["keeper", "import", "tokens.jsonl"]) == 0
    capsys.readouterr()
    return database


@pytest.mark.needs("postgres")
def test_a_vault_in_a_database_is_judged_by_what_its_commits_are_worth(shared, capsys):
    code, checks = told(capsys)
    assert code == 6, "the server of the tests does not wait for its disk"
    assert checks["vault durability"][0] == "fail"
    assert "fsync" in checks["vault durability"][1]
    assert checks["vault database"] == ("ok", f"{shared} answers: PostgreSQL {checks['vault database'][1][-2:]}")
    assert (checks["vault wire"], checks["connections"]) == (("ok", "on this machine"), ("ok", "1 of 1 active"))
    assert checks["vault user"][0] == "warn"


@pytest.mark.needs("postgres")
def test_a_database_without_a_vault_and_one_that_is_not_there_are_told(shared, capsys, monkeypatch):
    monkeypatch.setenv("EVERGRANT_KEEPER_VAULT_URL", shared.replace("/evergrant_test", "/never_made"))
    assert main(["keeper", "doctor"]) == 5
    assert "there is no such database" in capsys.readouterr().err
