"""Opening a file: the one safe way, and one clear sentence when it cannot be done."""

import asyncio
import os
import re
from hashlib import sha256

import apsw
import pytest

from evergrant.store.port import StoreUnavailable, StoreUnusable
from evergrant.store.sqlite import SqliteStore, connection, migrate, store
from evergrant.testing import specimens
from tests.nobody import as_nobody, reachable


@pytest.fixture
def path(tmp_path):
    return tmp_path / "evergrant.sqlite"


async def open_and_close(path):
    opened = SqliteStore.open(path)
    await opened.close()


def refused(path) -> str:
    """The sentence with which opening *path* is refused."""
    with pytest.raises(StoreUnusable) as trouble:
        SqliteStore.open(path)
    sentence = str(trouble.value)
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return sentence


async def test_o_07_every_connection_is_durable_to_the_last_commit(path):
    opened = SqliteStore.open(path)
    await opened.read(lambda tx: tx.revision())
    every = [opened._writer._connection, *opened._opened]
    assert len(every) == 2
    for one in every:
        assert one.pragma("journal_mode") == "wal"
        assert one.pragma("synchronous") == 2, "FULL"
        assert one.pragma("mmap_size") == 0
    assert [one.pragma("query_only") for one in every] == [0, 1]
    await opened.close()


def test_o_06_a_library_that_can_corrupt_a_shared_file_is_refused(monkeypatch, path):
    connection.check_library()
    for version in ("3.40.1", "3.51.2", "3.7.0", "3.52.0"):
        monkeypatch.setattr(apsw, "sqlite_lib_version", lambda version=version: version)
        assert refused(path) == (
            f"SQLite {version} can corrupt a file shared by processes; install apsw 3.51.3 or newer"
        )
    assert not path.exists()
    for version in ("3.51.3", "3.53.0", "4.0.0"):
        monkeypatch.setattr(apsw, "sqlite_lib_version", lambda version=version: version)
        connection.check_library()


async def test_opening_again_applies_nothing_and_loses_nothing(path):
    assert migrate.migrate(path) == [step.name for step in migrate.steps()]
    assert migrate.migrate(path) == []
    opened = SqliteStore.open(path)
    await opened.write(lambda tx: tx.accounts.put(specimens.account()))
    await opened.close()
    opened = SqliteStore.open(path)
    assert await opened.read(lambda tx: tx.accounts.find()) == [specimens.account()]
    await opened.close()


def test_what_is_still_to_be_migrated_is_told_without_doing_it(path):
    every = [step.name for step in migrate.steps()]
    path.touch()
    assert migrate.pending(path) == every == migrate.pending(path)
    migrate.migrate(path)
    assert migrate.pending(path) == []


def test_migrations_are_numbered_without_gaps():
    numbers = [step.number for step in migrate.steps()]
    assert numbers == list(range(1, len(numbers) + 1))
    for step in migrate.steps():
        assert step.checksum == sha256(step.sql.encode()).hexdigest()
        assert re.fullmatch(r"\d{4}_\w+\.sql", step.name)


async def test_a_database_from_the_future_is_refused_and_left_alone(path):
    await open_and_close(path)
    raw = apsw.Connection(str(path))
    raw.execute("INSERT INTO migration VALUES (9, '0009_later.sql', 'x')")
    raw.close()
    before = path.read_bytes()
    newest = len(migrate.steps())
    assert refused(path) == (f"{path}: made by a newer release (schema 9, this one knows {newest}); upgrade Evergrant")
    assert path.read_bytes() == before


async def test_a_migration_whose_text_changed_is_noticed(path):
    await open_and_close(path)
    raw = apsw.Connection(str(path))
    raw.execute("UPDATE migration SET checksum = 'other' WHERE number = 1")
    raw.close()
    assert "migration 0001_first.sql is not the one that was applied" in refused(path)


def test_a_migration_that_fails_leaves_nothing_behind(path, monkeypatch):
    broken = [*migrate.steps(), migrate.Step(2, "0002_broken.sql", "CREATE TABLE half (x); CREATE TABLE half (x)", "c")]
    monkeypatch.setattr(migrate, "steps", lambda: broken)
    assert "half already exists" in refused(path)
    monkeypatch.undo()
    raw = apsw.Connection(str(path))
    tables = {row[0] for row in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    raw.close()
    assert tables == {"migration"}
    asyncio.run(open_and_close(path))


def test_a_later_migration_is_applied_to_an_older_database(path, monkeypatch):
    migrate.migrate(path)
    later = migrate.Step(99, "0099_later.sql", "CREATE TABLE later (x)", "c")
    known = [*migrate.steps(), later]
    monkeypatch.setattr(migrate, "steps", lambda: known)
    assert migrate.migrate(path) == ["0099_later.sql"]
    monkeypatch.undo()
    assert "made by a newer release (schema 99" in refused(path)


def test_a_file_that_is_no_database_is_refused_and_left_alone(path):
    path.write_bytes(b"this is not a database\n" * 100)
    assert refused(path) == f"{path}: this is not a SQLite database"
    assert path.read_bytes() == b"this is not a database\n" * 100


async def test_a_damaged_database_says_so(path):
    opened = SqliteStore.open(path)
    for n in range(200):
        await opened.write(lambda tx, n=n: tx.accounts.put(specimens.account(n)))
    await opened.close()
    raw = bytearray(path.read_bytes())
    raw[4096:] = os.urandom(len(raw) - 4096)
    path.write_bytes(raw)
    with pytest.raises((StoreUnusable, StoreUnavailable), match="the database is damaged; restore it from a backup"):
        await _ask_everything(path)


async def _ask_everything(path):
    opened = SqliteStore.open(path)
    with pytest.raises(StoreUnavailable, match="damaged"):
        await opened.read(lambda tx: tx.accounts.find())
    with pytest.raises(StoreUnavailable, match="damaged"):
        await opened.write(lambda tx: tx.accounts.put(specimens.account(7)))
    await opened.close()


def test_a_folder_is_no_database(tmp_path):
    assert refused(tmp_path) == f"{tmp_path}: the file cannot be opened"


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    path = tmp_path / "missing" / "evergrant.sqlite"
    assert refused(path) == f"{path}: the file cannot be opened"


def test_an_empty_file_becomes_a_database(path):
    path.touch()
    asyncio.run(open_and_close(path))


async def test_a_file_held_by_another_for_long_is_one_sentence_when_it_has_to_be_migrated(path, monkeypatch):
    await open_and_close(path)
    monkeypatch.setattr(connection, "BUSY_MILLISECONDS", 50)
    holder = apsw.Connection(str(path))
    newest = migrate.steps()[-1].number
    holder.execute("DELETE FROM migration WHERE number = ?", (newest,))
    holder.execute("BEGIN IMMEDIATE")
    assert refused(path) == f"{path}: another process holds the database"
    holder.execute("ROLLBACK")
    holder.close()


async def test_a_file_held_by_another_opens_when_nothing_has_to_be_changed(path):
    await open_and_close(path)
    holder = apsw.Connection(str(path))
    holder.execute("BEGIN IMMEDIATE")
    opened = SqliteStore.open(path)
    assert await opened.read(lambda tx: tx.revision()) == 0
    holder.execute("ROLLBACK")
    holder.close()
    await opened.write(lambda tx: tx.turn())
    await opened.close()


# ---- permissions: tried as nobody, because root may do everything


def sentence(path) -> str:
    """What opening says when it is refused, else nothing."""
    try:
        asyncio.run(open_and_close(path))
    except StoreUnusable as error:
        return str(error)
    return ""


@pytest.fixture
def open_path():
    with reachable("evergrant.sqlite") as path:
        yield path


async def test_an_unreadable_file_is_one_sentence(open_path):
    await open_and_close(open_path)
    open_path.chmod(0o000)
    assert as_nobody(migrate.steps, sentence, open_path) == f"{open_path}: the file cannot be opened"


async def test_a_read_only_file_is_one_sentence(open_path):
    await open_and_close(open_path)
    open_path.chmod(0o444)
    assert as_nobody(migrate.steps, sentence, open_path) == f"{open_path}: the file or its folder is read-only"


async def test_a_read_only_folder_is_one_sentence(open_path):
    await open_and_close(open_path)
    open_path.chmod(0o666)
    open_path.parent.chmod(0o555)
    assert re.fullmatch(
        re.escape(str(open_path)) + ": (the file cannot be opened|the file or its folder is read-only)",
        as_nobody(migrate.steps, sentence, open_path),
    )


def test_a_folder_nobody_may_write_gets_no_new_database(open_path):
    open_path.parent.chmod(0o555)
    assert as_nobody(migrate.steps, sentence, open_path) == f"{open_path}: the file cannot be opened"


def test_the_same_folder_writable_works(open_path):
    assert as_nobody(migrate.steps, sentence, open_path) == ""


async def test_a_read_that_can_no_longer_open_the_file_is_unavailable_not_unusable(path, monkeypatch):
    opened = SqliteStore.open(path)
    before = store.connect

    def gone(*_, **__):
        raise StoreUnusable(f"{path}: the file cannot be opened")

    monkeypatch.setattr(store, "connect", gone)
    with pytest.raises(StoreUnavailable, match="the file cannot be opened"):
        await opened.read(lambda tx: tx.revision())
    monkeypatch.setattr(store, "connect", before)
    assert await opened.read(lambda tx: tx.revision()) == 0
    await opened.close()
