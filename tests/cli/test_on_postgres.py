"""Every command beside a server on PostgreSQL: named by --store or the environment, and told when it cannot be."""

import json

import pytest

from evergrant.cli import main
from evergrant.entropy import SystemEntropy
from evergrant.keys.local import FILE_NAME
from tests.cluster import free_port

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.long]


@pytest.fixture
def place(database, tmp_path, monkeypatch):
    monkeypatch.setenv("EVERGRANT_STORE_DATA", str(tmp_path / "node"))
    return ["--store", database]


def _told(capsys):
    said = capsys.readouterr()
    return said.out, said.err


def test_an_issuer_in_a_database_is_kept_by_commands_of_any_node(place, capsys, monkeypatch, database):
    assert main(["user", "list", *place]) == 3
    assert "there is no issuer here" in _told(capsys)[1]
    assert main(["migrate", "--check", *place]) == 6
    assert main(["migrate", *place]) == 0
    assert main(["migrate", "--check", *place]) == 0
    capsys.readouterr()
    assert main(["user", "add", "ada@example.com", "--generate", "--json", *place]) == 0
    capsys.readouterr()
    monkeypatch.setenv("EVERGRANT_STORE_URL", database)
    for verb in ("user", "client", "family", "event", "key"):
        assert main([verb, "list", "--json"]) == 0
        out = _told(capsys)[0]
        assert ("ada@example.com" in out) is (verb == "user")
    assert main(["key", "rotate", "--json"]) == 0
    capsys.readouterr()
    assert main(["event", "list", "--json"]) == 0
    told = [one["what"] for one in json.loads(_told(capsys)[0])]
    assert told.count("account.added") == 1
    assert told.count("key.added") == 3


def test_a_node_without_the_key_makes_none_of_its_own_and_one_with_another_is_refused(
    place, capsys, monkeypatch, tmp_path
):
    assert main(["user", "add", "ada@example.com", "--generate", *place]) == 0
    capsys.readouterr()
    monkeypatch.setenv("EVERGRANT_STORE_DATA", str(tmp_path / "second"))
    assert main(["key", "rotate", *place]) == 5
    assert "was set up with a key-encryption key that is not here: give every node the same one" in _told(capsys)[1]
    assert not (tmp_path / "second" / FILE_NAME).exists()
    monkeypatch.setenv("EVERGRANT_KEYS_KEY_ENCRYPTION_KEY", SystemEntropy().draw(32).hex())
    assert main(["key", "rotate", *place]) != 0
    monkeypatch.delenv("EVERGRANT_KEYS_KEY_ENCRYPTION_KEY")
    other = tmp_path / "other-key"
    monkeypatch.setenv("EVERGRANT_STORE_DATA", str(tmp_path / "third"))
    monkeypatch.delenv("EVERGRANT_STORE_URL", raising=False)
    assert main(["user", "add", "bob@example.com", "--generate"]) == 0
    capsys.readouterr()
    (tmp_path / "third" / FILE_NAME).rename(other)
    monkeypatch.setenv("EVERGRANT_KEYS_KEY_ENCRYPTION_KEY_FILE", str(other))
    assert main(["key", "rotate", *place]) == 5
    said = _told(capsys)[1]
    assert "does not open" in said
    assert "all processes of an issuer share one" in said


def test_what_is_wrong_with_the_address_is_one_sentence_without_its_password(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("EVERGRANT_STORE_DATA", str(tmp_path))
    for url, words in (
        (f"postgresql://u:hush-hush@127.0.0.1:{free_port()}/d", "the server cannot be reached"),
        ("postgresql://u:hush/hush@127.0.0.1/d", "the database's URL cannot be read"),
        ("mysql://u:hush-hush@127.0.0.1/d", "must begin with postgresql://"),
    ):
        for verb in (["user", "list"], ["serve"], ["migrate"], ["doctor"]):
            assert main([*verb, "--store", url]) != 0
            out, err = _told(capsys)
            assert words in out + err
            assert "hush" not in out + err
    assert main(["config", "show", "--store", "postgresql://u:hush-hush@127.0.0.1/d"]) == 0
    assert "hush" not in "".join(_told(capsys))


def test_spreading_over_machines_needs_the_extension(place, capsys):
    assert main(["migrate", "--distributed", *place]) == 5
    assert "the extension citus is not there; run: CREATE EXTENSION citus" in _told(capsys)[1]
