"""Where a command finds its issuer, and what it leaves alone."""

import json

import pytest

from evergrant.assembly import DATABASE
from evergrant.cli import main
from evergrant.store.sqlite import FILE_NAME, migrate
from evergrant.store.sqlite.migrate import Step
from tests.cli.scenes import play


@pytest.fixture
def folder(tmp_path):
    play("a person and an application", tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def newer(monkeypatch):
    """This release knows one migration more than the one that made the database."""
    known = migrate.steps()
    later = Step(9_999, "9999_tomorrow.sql", "CREATE TABLE tomorrow (a)", "x")
    monkeypatch.setattr(migrate, "steps", lambda: [*known, later])
    return later.name


def test_there_is_one_name_for_the_database():
    assert DATABASE == FILE_NAME


@pytest.mark.parametrize(
    "words", [["client", "list"], ["client", "update", "App"], ["user", "disable", "ada@example.com"]]
)
def test_a_database_of_an_earlier_release_is_not_changed_in_passing(folder, newer, capsys, words):
    assert main([*words, "--data", str(folder)]) == 4
    assert capsys.readouterr().err.splitlines() == [
        f"evergrant: error: {folder / FILE_NAME}: made by an earlier release",
        "evergrant: hint: stop its server, make a copy, and bring it up to this release with: evergrant migrate",
    ]


def test_migrate_says_what_it_would_do_and_does_it_when_asked(folder, newer, capsys):
    place = ("--data", str(folder))
    assert main(["migrate", "--check", *place]) == 6
    assert capsys.readouterr() == (
        f"{newer}\n",
        "evergrant: these are to apply:\nevergrant: 1 step to apply; run: evergrant migrate\n",
    )
    assert main(["migrate", "--check", "--json", *place]) == 6
    assert json.loads(capsys.readouterr().out) == {"pending": [newer]}
    assert main(["migrate", *place]) == 0
    assert capsys.readouterr() == (f"{newer}\n", "evergrant: applied:\n")
    assert main(["client", "list", *place]) == 0
    assert main(["migrate", "--check", *place]) == 0


def test_the_environment_names_the_place_and_the_command_line_wins(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EVERGRANT_STORE_DATA", str(tmp_path / "nowhere"))
    assert main(["client", "list"]) == 3
    assert main(["client", "list", "--data", str(folder)]) == 0

    settings = tmp_path / "evergrant.toml"
    settings.write_text('[store]\ndata = "data"\n', encoding="utf-8")
    monkeypatch.delenv("EVERGRANT_STORE_DATA")
    monkeypatch.setenv("EVERGRANT_CONFIG", str(settings))
    assert main(["client", "list"]) == 0
    assert main(["client", "list", "--config", str(tmp_path / "none.toml")]) == 2
    capsys.readouterr()


def test_more_users_than_asked_for_are_not_hidden_silently(folder, capsys):
    place = ("--data", str(folder))
    names = [f"user{n}@example.com" for n in range(7)]
    for name in reversed(names):
        assert main(["user", "add", name, "--generate", *place]) == 0
    capsys.readouterr()
    everybody = sorted(["ada@example.com", *names])
    seen, after = [], ""
    for _ in range(4):
        assert main(["user", "list", "--limit", "2", "--after", after, "--json", *place]) == 0
        out, err = capsys.readouterr()
        page = [user["username"] for user in json.loads(out)]
        assert err == (
            "" if len(seen) == 6 else f"evergrant: there are more; go on with: evergrant user list --after {page[-1]}\n"
        )
        seen, after = seen + page, page[-1]
    assert seen == everybody, "in the order of names, nobody twice and nobody left out"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201, "two\nlines", "\x1b[2J"])
def test_a_reason_is_a_sentence(folder, capsys, reason):
    family = "fam_AAAAAAAAAAAAAAAAAAAAAA"
    assert main(["family", "end", family, "--reason", reason, "--data", str(folder)]) == 2
    assert "a reason is a sentence of 1 to 200 printable characters" in capsys.readouterr().err
