"""A disk that is full in the middle of a backup, a restore or a move: one sentence, and everything is as it was."""

import asyncio
import subprocess
import sys

from evergrant.store.port import Which
from evergrant.store.sqlite import FILE_NAME, SqliteStore
from evergrant.testing import specimens
from tests.faults.place import ROOT

FAMILIES = 6_000
BLOCKS = 500
"""Of a kilobyte or half of one, as the shell counts them: less than any of the three needs."""


def furnished(folder):
    async def fill():
        folder.mkdir(mode=0o700)
        store = SqliteStore.open(folder / FILE_NAME)
        await store.write(lambda tx: [tx.families.add(specimens.family(n)) for n in range(FAMILIES)])
        await store.close()

    asyncio.run(fill())
    return folder


def count(folder):
    async def found():
        store = SqliteStore.open(folder / FILE_NAME)
        try:
            return await store.read(lambda tx: len(tx.families.find(Which(), 10**6)))
        finally:
            await store.close()

    return asyncio.run(found())


def run(*words, blocks="unlimited"):
    """One command that may write files of so many blocks at most."""
    line = f'ulimit -f {blocks}; exec "$@"'
    command = ["/bin/sh", "-c", line, "sh", sys.executable, "-m", "evergrant", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert "unexpected" not in done.stderr, done.stderr
    return done


def test_o_08_a_full_disk_is_told_in_one_sentence_and_leaves_everything_as_it_was(tmp_path):
    data = furnished(tmp_path / "data")
    backup, target = tmp_path / "backup", tmp_path / "target"
    done = run("backup", backup, "--data", data, blocks=BLOCKS)
    assert done.returncode == 5, done.stderr
    assert done.stderr.count("error:") == 1
    assert str(backup) in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert run("backup", backup, "--data", data).returncode == 0
    done = run("restore", backup, "--data", target, blocks=BLOCKS)
    assert done.returncode == 5, done.stderr
    assert done.stderr.count("error:") == 1
    assert count(target) == 0
    done = run("store", "copy", data, target, blocks=BLOCKS)
    assert done.returncode == 5, done.stderr
    assert (count(target), count(data)) == (0, FAMILIES)
    assert run("store", "copy", data, target).returncode == 0
    assert count(target) == FAMILIES
