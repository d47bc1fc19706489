"""`evergrant serve`: one line when it answers, one sentence when it cannot, and an end in order."""

import asyncio
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final

import apsw
import pytest
import requests

from evergrant.cli import main
from evergrant.config import load
from evergrant.serving import _Late
from evergrant.store.sqlite import FILE_NAME
from tests.secrecy import record_secrets_in
from tests.store.disk import Plan, broken_disk

pytestmark = pytest.mark.long

PATIENCE: Final = 60
NOBODY: Final = 65_534


@contextmanager
def serving(folder: Path, *words: str, **more: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and the first line it prints."""
    command = [sys.executable, "-m", "evergrant", "serve", "--data", str(folder), "--listen", "127.0.0.1:0", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    try:
        yield process, process.stdout.readline()
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=PATIENCE)


def refused(folder: Path, *words: str, **more: Any) -> tuple[int, list[str]]:
    """The exit code and the sentences of a server that does not start; nothing is on its standard output."""
    command = [sys.executable, "-m", "evergrant", "serve", "--data", str(folder), "--listen", "127.0.0.1:0", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, **more)
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def made(folder: Path) -> Path:
    """A data directory that a server could be started on; its database."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()):
        assert main(["client", "add", "App", "--type", "service", "--data", str(folder)]) == 0
    record_secrets_in(out.getvalue())
    return folder / FILE_NAME


def test_it_says_where_it_listens_when_it_answers(tmp_path):
    with serving(tmp_path / "data") as (process, line):
        address = line.split()[2]
        assert line == f"listening on {address} as {address}\n"
        assert requests.get(f"{address}/readyz", timeout=PATIENCE).text.strip() == "ready"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_for_machines_it_says_so_in_one_document(tmp_path, workers):
    issuer = "https://id.example.com"
    with serving(tmp_path / "data", "--json", "--issuer", issuer, "--workers", workers) as (process, line):
        said = json.loads(line)
        assert set(said) == {"listening", "issuer", "pid"}
        assert (said["issuer"], said["pid"]) == (issuer, process.pid)
        host = {"host": "id.example.com"}
        known = requests.get(f"{said['listening']}/.well-known/openid-configuration", headers=host, timeout=PATIENCE)
        assert known.json()["issuer"] == issuer
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_ctrl_c_is_told_as_an_interruption(tmp_path):
    with serving(tmp_path / "data") as (process, _):
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert err.splitlines()[-1] == "evergrant: interrupted"
        assert "Traceback" not in err


def test_what_it_makes_is_for_its_owner_alone(tmp_path):
    with serving(tmp_path / "data"):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}


def test_where_others_may_look_what_it_makes_is_still_for_its_owner_alone(tmp_path):
    (tmp_path / "data").mkdir(mode=0o755)
    with serving(tmp_path / "data", umask=0o022):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}


def test_a_second_start_knows_what_the_first_one_made(tmp_path):
    keys = []
    for _ in range(2):
        with serving(tmp_path / "data", "--json") as (_, line):
            keys.append(requests.get(f"{json.loads(line)['listening']}/jwks", timeout=PATIENCE).json())
    assert keys[0] == keys[1]


def test_a_file_that_is_no_database_is_one_sentence(tmp_path):
    database = made(tmp_path)
    database.write_bytes(b"a letter to my aunt, which is long enough to look like something" * 100)
    assert refused(tmp_path) == (5, [f"evergrant: error: {database}: this is not a SQLite database"])
    assert database.read_bytes().startswith(b"a letter")


def test_a_worker_whose_file_has_become_unusable_says_it_in_one_sentence_and_starts_no_application(tmp_path):
    made(tmp_path).write_bytes(b"no database at all " * 100)
    said = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        said.append(message)

    worker = _Late(load(overrides={"store.data": str(tmp_path)}), tmp_path / "counts")
    asyncio.run(worker({"type": "lifespan"}, receive, send))
    (message,) = said
    assert message["type"] == "lifespan.startup.failed"
    assert message["message"] == f"{tmp_path / FILE_NAME}: this is not a SQLite database"
    assert not worker.begin()


def test_a_database_from_the_future_is_one_sentence(tmp_path):
    database = made(tmp_path)
    with apsw.Connection(str(database)) as connection:
        connection.execute("INSERT INTO migration VALUES (9999, '9999_tomorrow.sql', 'x')")
    connection.close()
    code, (said,) = refused(tmp_path)
    assert code == 5
    assert said.startswith(f"evergrant: error: {database}: made by a newer release (schema 9999, this one knows ")
    assert said.endswith("; upgrade Evergrant")


def test_a_key_that_is_gone_is_one_sentence_and_no_second_key_is_made(tmp_path):
    made(tmp_path)
    key = tmp_path / "key-encryption-key"
    key.unlink()
    code, (said,) = refused(tmp_path)
    assert (code, said) == (
        5,
        f"evergrant: error: {key}: the key-encryption key cannot be read: No such file or directory",
    )
    assert not key.exists()


def test_a_key_that_others_may_read_is_one_sentence(tmp_path):
    made(tmp_path)
    key = tmp_path / "key-encryption-key"
    key.chmod(0o644)
    code, (said,) = refused(tmp_path)
    assert code == 5
    assert said == (
        f"evergrant: error: {key}: others may read the key-encryption key (mode 0644); run: chmod 600 {key}"
    )


def test_a_key_that_is_garbage_is_one_sentence_without_the_garbage(tmp_path):
    made(tmp_path)
    key = tmp_path / "key-encryption-key"
    key.write_text("not a key at all\n", encoding="ascii")
    assert refused(tmp_path) == (5, [f"evergrant: error: {key} is not base64 of 32 bytes"])


def test_a_key_of_another_issuer_is_one_sentence(tmp_path):
    made(tmp_path / "one")
    made(tmp_path / "other")
    other = (tmp_path / "other" / "key-encryption-key").read_bytes()
    (tmp_path / "one" / "key-encryption-key").write_bytes(other)
    code, (said,) = refused(tmp_path / "one")
    assert code == 5
    assert said.startswith("evergrant: error: the key-encryption key ")
    assert " does not open evergrant key " in said


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_address_in_use_is_one_sentence(tmp_path, workers):
    with serving(tmp_path / "data", "--json") as (_, line):
        taken = json.loads(line)["listening"].removeprefix("http://")
        assert refused(tmp_path / "data", "--listen", taken, "--workers", workers) == (
            4,
            [
                f"evergrant: error: {taken}: the address is in use",
                "evergrant: hint: stop the server that has it, or choose another with --listen",
            ],
        )


def test_an_address_of_another_machine_is_one_sentence(tmp_path):
    code, said = refused(tmp_path, "--listen", "192.0.2.1:80", "--issuer", "https://id.example.com")
    assert code == 2
    assert said == [
        "evergrant: error: 192.0.2.1:80: cannot be listened on: cannot assign requested address",
        "evergrant: hint: choose another with --listen",
    ]


def test_a_data_directory_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "data").write_text("", encoding="ascii")
    assert refused(tmp_path / "data") == (
        5,
        [f"evergrant: error: {tmp_path / 'data'}: the data directory cannot be made: File exists"],
    )


def test_a_full_disk_is_one_sentence_at_the_first_start(tmp_path, capsys):
    with broken_disk(Plan(fail_at=1, error=apsw.FullError, for_good=True)):
        code = main(["serve", "--data", str(tmp_path), "--listen", "127.0.0.1:0"])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert (code, capsys.readouterr()) == (5, ("", f"evergrant: error: {tmp_path / FILE_NAME}: the disk is full\n"))


def test_a_full_disk_lets_the_command_line_read_and_change_nothing(tmp_path, capsys):
    made(tmp_path)
    with broken_disk(Plan(fail_at=1, error=apsw.FullError, for_good=True)):
        reads = main(["client", "list", "--data", str(tmp_path)])
        read = capsys.readouterr()
        changes = main(["client", "add", "Other", "--type", "service", "--data", str(tmp_path)])
        changed = capsys.readouterr()
    assert (reads, read.err) == (0, "")
    assert (changes, changed.out) == (5, "")
    assert "the disk is full" in changed.err
    assert main(["client", "add", "Other", "--type", "service", "--data", str(tmp_path)]) == 0
    record_secrets_in(capsys.readouterr().out)


@pytest.fixture
def closed_folder():
    """A data directory that its user may read, but not write; not below pytest's own, which only its user may enter."""
    with tempfile.TemporaryDirectory(prefix="evergrant-closed-") as public:
        folder = Path(public) / "data"
        folder.parent.chmod(0o711)
        made(folder)
        for path in (*folder.iterdir(), folder):
            path.chmod(0o500 if path == folder else 0o400)
            if os.getuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        yield folder
        folder.chmod(0o700)


# What an interpreter in root's own folder imports late, nobody cannot import.
AS_NOBODY: Final = """
import encodings.ascii, os, sys
import evergrant.assembly, evergrant.cli.serve, evergrant.serving, uvloop
from evergrant.cli import main
from evergrant.config import load
from evergrant.serving import _Late
from evergrant.store.sqlite.migrate import steps
steps()
if os.getuid() == 0:
    os.setgid(65_534)
    os.setuid(65_534)
sys.exit(main(sys.argv[1:]))
"""


def test_a_read_only_data_directory_is_one_sentence(closed_folder):
    """Tried as nobody, because root may write everywhere."""
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, "serve", "--data", str(closed_folder), "--listen", "127.0.0.1:0"],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.splitlines(), done.stdout) == (
        5,
        [f"evergrant: error: {closed_folder / FILE_NAME}: the file or its folder is read-only"],
        "",
    )
