"""Opening a vault's file: the one safe way, and one clear sentence when it cannot be done."""

import asyncio
import os
import stat

import apsw
import pytest

from evergrant.entropy import SystemEntropy
from evergrant.keeper.keyring import Keyring
from evergrant.keeper.sealing import unlock
from evergrant.keeper.vault.port import VaultUnavailable, VaultUnusable, Wanted
from evergrant.keeper.vault.sqlite import SqliteVault, vault_steps
from evergrant.keys.local import LocalKek
from evergrant.store.sqlite import SqliteStore, connection
from evergrant.testing.vault_contract.fixtures import ACME, connected, found
from evergrant.testing.vault_contract.fixtures import connection as made_up
from tests.nobody import as_nobody, reachable


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keeper.db"


async def open_and_close(path):
    await SqliteVault.open(path).close()


def refused(path) -> str:
    """The sentence with which opening *path* is refused."""
    with pytest.raises(VaultUnusable) as trouble:
        SqliteVault.open(path)
    sentence = str(trouble.value)
    assert "\n" not in sentence
    return sentence


async def test_o_07_every_connection_is_durable_and_what_is_deleted_is_overwritten(path):
    vault = SqliteVault.open(path)
    await vault.search(Wanted(ACME))
    every = [vault._writer._connection, vault._watch._connection, *vault._readers._opened]
    assert len(every) == 3
    for one in every:
        assert one.pragma("journal_mode") == "wal"
        assert one.pragma("synchronous") == 2, "FULL"
    assert [one.pragma("query_only") for one in every] == [0, 1, 1]
    assert every[0].pragma("secure_delete") == 1
    await vault.close()


async def test_the_file_is_its_owners_alone(path):
    before = os.umask(0)
    try:
        await open_and_close(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_o_06_a_library_that_can_corrupt_a_shared_file_is_refused(monkeypatch, path):
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.40.1")
    assert refused(path) == "SQLite 3.40.1 can corrupt a file shared by processes; install apsw 3.51.3 or newer"
    assert not path.exists()


async def test_a_vault_from_the_future_is_refused_and_left_alone(path):
    await open_and_close(path)
    raw = apsw.Connection(str(path))
    raw.execute("INSERT INTO migration VALUES (9, '0009_later.sql', 'x')")
    raw.close()
    before = path.read_bytes()
    newest = len(vault_steps())
    assert refused(path) == f"{path}: made by a newer release (schema 9, this one knows {newest}); upgrade Evergrant"
    assert path.read_bytes() == before


async def test_an_issuers_database_is_no_vault_and_the_other_way_round(path, tmp_path):
    issuers = tmp_path / "evergrant.db"
    await SqliteStore.open(issuers).close()
    assert "this is another kind of database (0001_first.sql made it, not 0001_vault.sql)" in refused(issuers)
    await open_and_close(path)
    with pytest.raises(Exception, match="another kind of database"):
        SqliteStore.open(path)


def test_migrations_are_numbered_without_gaps():
    assert [step.number for step in vault_steps()] == list(range(1, len(vault_steps()) + 1))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"not a database\n" * 100, "this is not a SQLite database"), (None, "the file cannot be opened")],
)
def test_what_is_no_database_is_refused_and_left_alone(path, content, words):
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert refused(path) == f"{path}: {words}"
    assert content is None or path.read_bytes() == content


async def test_a_damaged_vault_says_so_and_nothing_else(path):
    vault = SqliteVault.open(path)
    for n in range(60):
        await connected(vault, n)
    await vault.close()
    raw = bytearray(path.read_bytes())
    raw[4096:] = bytes(len(raw) - 4096)
    path.write_bytes(raw)

    async def use():
        vault = SqliteVault.open(path)
        try:
            for n in range(60):
                await vault.load(ACME, made_up(n).id)
        finally:
            await vault.close()

    with pytest.raises((VaultUnusable, VaultUnavailable), match="the database is damaged; restore it from a backup"):
        await use()


async def test_a_vault_to_be_brought_up_to_date_that_another_holds_for_long_is_one_sentence(path, monkeypatch):
    await open_and_close(path)
    monkeypatch.setattr(connection, "BUSY_MILLISECONDS", 50)
    holder = apsw.Connection(str(path))
    holder.execute("DROP TABLE moving; DELETE FROM migration WHERE number = 2")  # what an earlier release has left
    holder.execute("BEGIN IMMEDIATE")
    assert refused(path) == f"{path}: another process holds the database"
    holder.execute("ROLLBACK")
    holder.close()
    await open_and_close(path)


async def test_a_wrong_key_is_refused_before_anything_is_read_or_written(path):
    right, wrong = Keyring([LocalKek(b"r" * 32)]), Keyring([LocalKek(b"w" * 32)])
    vault = SqliteVault.open(path)
    await unlock(vault, right, SystemEntropy())
    one = await connected(vault)
    before, stamp = await found(vault, one), vault.stamp()
    with pytest.raises(VaultUnusable, match=r"^the keyring does not open this vault: .* sealed under key"):
        await unlock(vault, wrong, SystemEntropy())
    assert await found(vault, one) == before
    await vault.close()
    assert stamp


def sentence(path) -> str:
    """What opening says when it is refused, else nothing."""
    try:
        asyncio.run(open_and_close(path))
    except VaultUnusable as error:
        return str(error)
    return ""


@pytest.fixture
def open_path():
    with reachable("keeper.db") as path:
        yield path


async def test_a_read_only_vault_is_one_sentence(open_path):
    await open_and_close(open_path)
    open_path.chmod(0o444)
    assert as_nobody(vault_steps, sentence, open_path) == f"{open_path}: the file or its folder is read-only"


async def test_a_vault_that_may_not_be_read_is_one_sentence(open_path):
    await open_and_close(open_path)
    open_path.chmod(0o000)
    assert as_nobody(vault_steps, sentence, open_path) == f"{open_path}: the file cannot be opened"


def test_a_folder_nobody_may_write_gets_no_new_vault(open_path):
    open_path.parent.chmod(0o555)
    assert as_nobody(vault_steps, sentence, open_path) == f"{open_path}: the file cannot be opened"
