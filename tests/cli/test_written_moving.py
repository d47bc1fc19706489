"""The guides to backups and to moving are followed word for word, on a real database; what they say happens."""

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Final

import pytest

from evergrant.domain.event import What
from tests.cli.test_written_pages import served
from tests.secrecy import watch_output
from tests.written import Terminal, lines, page

pytestmark = [pytest.mark.long, pytest.mark.needs("postgres")]

BACKUP: Final = page("docs/operate/backup.md")
MOVING: Final = page("docs/operate/moving.md")
ADDRESS: Final = "postgresql://evergrant@db.example/evergrant"
LINE: Final = '{"client": "github_app", "account": "user-42", "refresh_token": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}'
ADD: Final = "echo 'correct horse battery staple' | evergrant user add ada@example.com --password-stdin"


def here(line: str, folder: Path, url: str = "") -> str:
    """The same line, with the machine's folders below a folder of the test, and its database."""
    return re.sub(r"/var/(lib|backups)/", rf"{folder}/var/\1/", line).replace(ADDRESS, url)


def issuers(text: str) -> list[str]:
    """What is typed about the issuer's store."""
    return [line for line in lines(text) if " keeper " not in line]


def keepers(text: str) -> list[str]:
    """What is typed about the keeper's vault."""
    return [line for line in lines(text) if " keeper " in line]


def connected(folder: Path) -> Terminal:
    """A terminal where a vault in the data directory holds a connection."""
    terminal = Terminal(folder, {"EVERGRANT_KEEPER_CLIENT_GITHUB_APP_CLIENT_ID": "x"})
    watch_output(folder)
    terminal.types(f"echo '{LINE}' | evergrant keeper import --data {folder}/var/lib/evergrant")
    return terminal


def test_the_guide_to_backups_of_a_vault_is_followed_to_the_last_look(tmp_path: Path) -> None:
    terminal = connected(tmp_path)
    terminal.environment["EVERGRANT_STORE_DATA"] = str(tmp_path / "var/lib/evergrant")
    (tmp_path / "var/backups/evergrant").mkdir(parents=True)
    backup, restore, look = (here(line, tmp_path) for line in keepers(BACKUP))
    assert "backed up 1 connection, 1 record" in terminal.types(backup)
    assert "1 refresh token may have been spent since" in terminal.types(restore)
    shutil.copy(tmp_path / "var/lib/evergrant/keeper.db.key", tmp_path / "var/lib/evergrant-restored/keeper.db.key")
    assert "user-42" in terminal.types(look)
    assert "there is something in it" in terminal.types(restore, 4)
    assert "made by evergrant keeper backup" in terminal.types(restore.replace("keeper ", ""), 5)


def test_the_guide_to_moving_a_vault_is_followed_there_and_its_way_out(tmp_path: Path, database: str) -> None:
    terminal = connected(tmp_path)
    copy, reopen = (here(line, tmp_path, database) for line in keepers(MOVING))
    folder = tmp_path / "var/lib/evergrant"
    run = subprocess.Popen(
        ["/bin/sh", "-c", f"exec evergrant keeper run --data {folder}"], cwd=tmp_path, env=terminal.all(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert run.stdout.readline().startswith("refreshing what is in ")
    assert "somebody has it open" in terminal.types(copy.replace(" --live", ""), 4)
    assert "moved 1 connection, 1 record" in terminal.types(copy)
    _, said = run.communicate(timeout=120)
    assert (run.returncode, "everything in it was moved to" in said) == (5, True), said
    assert "everything in it was moved to" in terminal.types(f"evergrant keeper list --data {folder}", 5)
    given = {"EVERGRANT_KEEPER_VAULT_URL": database, "EVERGRANT_KEEPER_KEYS_FILE": str(folder / "keeper.db.key")}
    there = Terminal(tmp_path, {**terminal.environment, **given})
    assert "user-42" in there.types(f"evergrant keeper list --data {folder}")
    terminal.types(f"{reopen} --yes")
    assert "user-42" in terminal.types(f"evergrant keeper list --data {folder}")


def test_the_guide_to_backups_is_followed_from_the_first_backup_to_the_last_look(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, {"EVERGRANT_STORE_DATA": str(tmp_path / "var/lib/evergrant")})
    watch_output(tmp_path)
    terminal.types(ADD)
    (tmp_path / "var/backups/evergrant").mkdir(parents=True)
    said = {}
    for line in issuers(BACKUP):
        typed = here(line, tmp_path)
        said[line] = terminal.types(typed, 6 if "doctor" in line else 0)
        if line.startswith("evergrant restore /"):
            restored = Path(typed.split()[-1])
            shutil.copy(tmp_path / "var/lib/evergrant/key-encryption-key", restored / "key-encryption-key")
    told = "".join(said.values())
    assert stat.S_IMODE((tmp_path / "var/backups/evergrant/monday").stat().st_mode) == 0o600
    assert "backed up 0 families, 1 account" in told
    assert "epoch 1 has begun: people at public clients sign in again" in told
    assert "epoch 2 has begun" in told
    assert "ada@example.com" in told
    assert "opens 2 keys" in told


def test_the_guide_to_moving_is_followed_there_and_its_way_out(tmp_path: Path, database: str) -> None:
    terminal = Terminal(tmp_path)
    watch_output(tmp_path)
    copy, serve, reopen = (here(line, tmp_path, database) for line in issuers(MOVING))
    folder = tmp_path / "var/lib/evergrant"
    terminal.types(f"{ADD} --data {folder}")
    with served(terminal, f"evergrant serve --data {folder}"):
        assert "moved 0 families, 1 account" in terminal.types(copy)
    assert "everything in it was moved to" in terminal.types(f"evergrant user list --data {folder}", 5)
    with served(terminal, f"{serve} --data {folder}"):
        assert "ada@example.com" in terminal.types(f"evergrant user list --store {database}")
    terminal.types(f"{reopen} --yes")
    assert "ada@example.com" in terminal.types(f"evergrant user list --data {folder}")


@pytest.mark.parametrize("text", [BACKUP, MOVING], ids=["backup", "moving"])
def test_every_command_and_event_that_is_named_exists(text: str, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    for command in set(re.findall(r"`(evergrant [a-z]+(?: copy| backup| list)?)", text)):
        assert "Usage:" in terminal.types(f"{command} --help")
    for event in re.findall(r"`((?:family|store)\.\w+)`", text):
        assert event in set(What), event
