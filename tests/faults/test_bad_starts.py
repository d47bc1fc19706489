"""Starts that cannot go well: one sentence and an exit code, whatever lies there, and the next good start works.

The sentences about keys, newer databases and taken addresses are tested beside the command line (`tests/cli`); here the
disk is really full, the file is really damaged, and somebody else really holds it.
"""

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from evergrant.keys.local import FILE_NAME as KEY_FILE
from tests.faults.client import KINDS, Holder, Wanted, furnish, get, refresh
from tests.faults.disks import FailingDisk, small_disk
from tests.faults.judging import sound
from tests.faults.place import PLAIN, Place, placed

SEED = 4
STORE_UNAVAILABLE = 5
PAGE = 4_096


def refused(place: Place) -> str:
    """The one sentence of a server that does not start."""
    words = ("serve", "--json", "--listen", "127.0.0.1:0", "--workers", str(place.workers))
    done: subprocess.CompletedProcess[str] = place.command(*words, module=place.module)
    assert (done.returncode, done.stdout) == (STORE_UNAVAILABLE, ""), done.stderr
    (said,) = done.stderr.splitlines()
    assert said.startswith("evergrant: error: ")
    return said.removeprefix("evergrant: error: ")


@pytest.mark.parametrize("left", [0, 4_096, 65_536, 131_072, 262_144])
def test_a_first_start_on_a_disk_that_is_full_is_one_sentence_and_works_once_it_is_not(tmp_path, left):
    with placed(tmp_path) as place, small_disk(place) as disk:
        if isinstance(disk, FailingDisk):
            disk.fill()
            assert "the disk is full" in refused(place)
        else:
            disk.fill(left)
            if left < 262_144 or not place.try_to_start():
                said = refused(place)
                assert "full" in said or "No space left on device" in said, said
            place.kill()
        disk.empty()
        place.start()
        assert get(place, "/readyz").status == 200
        place.kill()
        assert len((place.data / KEY_FILE).read_text()) == 45
        sound(place.database)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory) -> tuple[Path, list[Holder]]:
    """A data directory with families, to be copied and damaged."""
    folder = tmp_path_factory.mktemp("healthy")
    return folder, furnish(folder, Wanted(KINDS, each=8))


def copied(healthy, place: Place) -> list[Holder]:
    shutil.copytree(healthy[0], place.data, dirs_exist_ok=True)
    return healthy[1]


@pytest.fixture(params=[1, 2])
def place(request, tmp_path) -> Iterator[Place]:
    with placed(tmp_path, request.param, module=PLAIN) as place:
        yield place


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_database_is_a_sentence_at_the_start_or_503_and_never_a_fault_of_ours(place, healthy, seed):
    holders = copied(healthy, place)
    chance = random.Random(f"{SEED} {seed}")
    with place.database.open("r+b") as file:
        pages = file.seek(0, 2) // PAGE
        for page in chance.sample(range(1, pages), 1 + seed % 3):
            file.seek(page * PAGE)
            file.write(chance.randbytes(PAGE))
    if not place.try_to_start():
        assert "the database is damaged; restore it from a backup" in refused(place)
        return
    answers = {refresh(place, holder).status for holder in holders}
    assert answers <= {200, 400, 401, 503}, f"seed {SEED} {seed}: {answers}"
    assert get(place, "/healthz").status == 200
    assert get(place, "/readyz").status in {200, 503}
    assert "Traceback" not in place.log.read_text()
    place.terminate()


@pytest.mark.parametrize("harm", ["cut", "header", "empty"])
def test_a_database_that_was_cut_or_overwritten_is_one_sentence(place, healthy, harm):
    copied(healthy, place)
    whole = place.database.read_bytes()
    harmed = {"cut": whole[: len(whole) // 3 // PAGE * PAGE], "header": b"\0" * 100 + whole[100:], "empty": b""}[harm]
    place.database.write_bytes(harmed)
    if harm == "empty":
        place.start()  # nothing is as good as new; whoever had a token signs in again
        assert refresh(place, healthy[1][0]).status == 400
        return
    said = refused(place)
    assert "the database is damaged" in said or "this is not a SQLite database" in said
    assert place.database.read_bytes() == harmed, "what may still be repaired was touched"


def test_rubbish_where_the_log_should_be_is_not_believed(place, healthy):
    holders = copied(healthy, place)
    log = place.database.with_name(f"{place.database.name}-wal")
    log.write_bytes(random.Random(SEED).randbytes(50 * PAGE))
    place.start()
    assert {refresh(place, holder).status for holder in holders} == {200}
    place.kill()
    sound(place.database)


def test_a_database_that_somebody_holds_is_one_sentence_after_a_while(place, healthy):
    holders = copied(healthy, place)
    other = apsw.Connection(str(place.database))
    other.execute("BEGIN EXCLUSIVE")
    assert refused(place) == f"{place.database}: another process holds the database"
    other.execute("ROLLBACK")
    other.close()
    place.start()
    assert refresh(place, holders[0]).status == 200


def test_a_log_of_the_index_that_a_crash_left_behind_is_no_obstacle(place, healthy):
    holders = copied(healthy, place)
    place.start()
    kept = [refresh(place, holder).token for holder in holders]
    place.kill()
    index = place.database.with_name(f"{place.database.name}-shm")
    index.write_bytes(random.Random(SEED).randbytes(index.stat().st_size))
    place.start()
    assert [refresh(place, holder).token for holder in holders] == kept
