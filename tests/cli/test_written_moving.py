"""The guides to backups and to moving are followed word for word, on a real database; what they say happens."""

import re
import shutil
import stat
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
ADD: Final = "echo 'correct horse battery staple' | evergrant user add ada@example.com --password-stdin"


def here(line: str, folder: Path, url: str = "") -> str:
    """The same line, with the machine's folders below a folder of the test, and its database."""
    return re.sub(r"/var/(lib|backups)/", rf"{folder}/var/\1/", line).replace(ADDRESS, url)


def test_the_guide_to_backups_is_followed_from_the_first_backup_to_the_last_look(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, {"EVERGRANT_STORE_DATA": str(tmp_path / "var/lib/evergrant")})
    watch_output(tmp_path)
    terminal.types(ADD)
    (tmp_path / "var/backups/evergrant").mkdir(parents=True)
    said = {}
    for line in lines(BACKUP):
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
    copy, serve, reopen = (here(line, tmp_path, database) for line in lines(MOVING))
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
    for command in set(re.findall(r"`(evergrant [a-z]+(?: copy)?)", text)):
        assert "Usage:" in terminal.types(f"{command} --help")
    for event in re.findall(r"`((?:family|store)\.\w+)`", text):
        assert event in set(What), event
