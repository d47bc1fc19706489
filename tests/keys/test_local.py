"""The key-encryption key: made once, readable by one user, and unmistakable when it is the wrong one."""

import codecs
import os
import re
import stat
import threading
from base64 import b64encode
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

from evergrant.entropy import SeededEntropy, SystemEntropy
from evergrant.keys import local
from evergrant.keys.local import FILE_NAME, LENGTH, LocalKek, from_file, from_text
from evergrant.keys.port import KeyUnusable
from tests.nobody import as_nobody, reachable

KEY = bytes(range(32))
NONCE = bytes(12)


@pytest.fixture
def path(tmp_path):
    return tmp_path / FILE_NAME


def refused(path, *, make=False) -> str:
    with pytest.raises(KeyUnusable) as trouble:
        from_file(path, SystemEntropy(), make=make)
    sentence = str(trouble.value)
    assert "\n" not in sentence
    return sentence


def test_what_was_sealed_opens_with_the_same_key_and_label():
    kek = LocalKek(KEY)
    assert LocalKek(KEY).unseal(kek.seal(b"clear", b"label", NONCE), b"label") == b"clear"
    assert kek.id == LocalKek(KEY).id != LocalKek(bytes(32)).id
    assert re.fullmatch(r"[0-9a-f]{16}", kek.id)


@pytest.mark.parametrize("label", [b"", b"Label", b"label ", b"other"])
def test_k_21_a_row_moved_to_another_place_does_not_open(label):
    kek = LocalKek(KEY)
    with pytest.raises(KeyUnusable, match=f"the key-encryption key {kek.id} does not open"):
        kek.unseal(kek.seal(b"clear", b"label", NONCE), label)


def test_k_21_another_key_or_a_changed_bit_does_not_open():
    sealed = LocalKek(KEY).seal(b"clear", b"label", NONCE)
    with pytest.raises(KeyUnusable):
        LocalKek(bytes(32)).unseal(sealed, b"label")
    for place in range(len(sealed)):
        with pytest.raises(KeyUnusable):
            LocalKek(KEY).unseal(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :], b"label")
    for length in range(len(sealed)):
        with pytest.raises(KeyUnusable):
            LocalKek(KEY).unseal(sealed[:length], b"label")


def test_inv_13_neither_object_nor_error_shows_the_key():
    kek = LocalKek(KEY)
    shown = [repr(kek), str(kek), repr(vars(kek))]
    with pytest.raises(KeyUnusable) as trouble:
        kek.unseal(b"x" * 40, b"label")
    with pytest.raises(KeyUnusable) as wrong:
        from_text(b64encode(KEY).decode() + "AAAA", "EVERGRANT_KEY")
    shown += [str(trouble.value), repr(trouble.value), str(wrong.value)]
    for text in shown:
        assert b64encode(KEY).decode()[:12] not in text
        assert KEY.hex()[:12] not in text


@pytest.mark.parametrize(
    "text", ["", "short", "!" * 44, b64encode(bytes(31)).decode(), b64encode(bytes(33)).decode(), "é", "A" * 10_000]
)
def test_a_key_that_is_no_key_is_one_sentence_that_names_its_origin(text):
    with pytest.raises(KeyUnusable, match=r"^EVERGRANT_KEYS_KEK: .+|^EVERGRANT_KEYS_KEK is not base64 of 32 bytes$"):
        from_text(text, "EVERGRANT_KEYS_KEK")


def test_white_space_around_a_key_does_not_matter():
    assert from_text(f"\n  {b64encode(KEY).decode()}\n", "x").id == LocalKek(KEY).id


def test_j_17_the_file_is_made_readable_by_its_owner_alone(path):
    kek = from_file(path, SystemEntropy(), make=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert from_file(path, SystemEntropy(), make=True).id == kek.id == from_file(path, SystemEntropy(), make=False).id
    assert [file.name for file in path.parent.iterdir()] == [FILE_NAME]


def test_j_17_the_mode_does_not_depend_on_the_umask(path):
    before = os.umask(0)
    try:
        from_file(path, SystemEntropy(), make=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777, 0o601, 0o620])
def test_j_17_a_file_that_others_may_touch_is_refused_with_the_remedy(path, mode):
    from_file(path, SystemEntropy(), make=True)
    path.chmod(mode)
    assert refused(path) == (f"{path}: others may read the key-encryption key (mode {mode:04o}); run: chmod 600 {path}")


def found_by_nobody(path):
    try:
        return from_file(path, SystemEntropy(), make=False).id
    except KeyUnusable as error:
        return str(error)


@pytest.mark.long
@pytest.mark.needs("root")
@pytest.mark.parametrize(("mode", "lent"), [(0o440, True), (0o640, True), (0o460, False), (0o444, False)])
def test_j_17_root_may_lend_a_key_to_the_servers_group_for_reading_alone(mode, lent):
    with reachable(FILE_NAME) as path:
        path.write_text(b64encode(KEY).decode())
        os.chown(path, 0, 65_534)
        path.chmod(mode)
        said = as_nobody(partial(codecs.lookup, "ascii"), found_by_nobody, path)
    told = f"{path}: others may read the key-encryption key (mode {mode:04o}); run: chmod 600 {path}"
    assert said == (LocalKek(KEY).id if lent else told)


def test_a_missing_file_is_made_only_when_asked(path):
    assert refused(path) == f"{path}: the key-encryption key cannot be read: No such file or directory"
    assert not path.exists()


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    path = tmp_path / "missing" / FILE_NAME
    assert refused(path, make=True) == f"{path}: the key-encryption key cannot be written: No such file or directory"


@pytest.mark.parametrize("content", [b"", b"garbage\n", b"\xff\xfe\x00", b64encode(bytes(16))])
def test_a_file_with_something_else_in_it_is_one_sentence_and_stays(path, content):
    path.write_bytes(content)
    path.chmod(0o600)
    assert refused(path, make=True).startswith(f"{path}")
    assert path.read_bytes() == content


def test_a_folder_in_its_place_is_one_sentence(path):
    path.mkdir(mode=0o700)
    assert refused(path, make=True) == f"{path}: the key-encryption key cannot be read: Is a directory"


def make_one(path) -> str:
    return from_file(path, SystemEntropy(), make=True).id


@pytest.mark.long
def test_processes_that_start_together_end_up_with_one_key(tmp_path):
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        for attempt in range(10):
            path = tmp_path / f"{attempt}"
            assert len({job.result(60) for job in [pool.submit(make_one, path) for _ in range(8)]}) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(map(str, range(10)))


def test_threads_that_start_together_end_up_with_one_key(tmp_path):
    for attempt in range(20):
        path, told = tmp_path / f"{attempt}", []
        gate = threading.Barrier(8)

        def start(path=path, told=told, gate=gate):
            gate.wait()
            told.append(make_one(path))

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(told) == 8
        assert len(set(told)) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(map(str, range(20)))


def test_what_a_crash_left_behind_does_not_stop_the_next_start(path):
    for leftover in (f"{FILE_NAME}.{os.getpid()}", f"{FILE_NAME}.1"):
        (path.parent / leftover).write_text("half a k")
    assert from_file(path, SystemEntropy(), make=True).id


def test_a_disk_that_fails_leaves_no_half_a_key(path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert refused(path, make=True) == f"{path}: the key-encryption key cannot be written: No space left on device"
    assert list(path.parent.iterdir()) == []
    monkeypatch.undo()
    assert from_file(path, SystemEntropy(), make=True).id


def test_o_07_the_file_and_its_name_are_made_durable(path, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda d: (synced.append(stat.S_ISDIR(os.fstat(d).st_mode)), fsync(d)))
    from_file(path, SystemEntropy(), make=True)
    assert synced == [False, True]


def test_the_key_comes_from_the_entropy_it_was_given(path, tmp_path):
    one = from_file(path, SeededEntropy("a"), make=True)
    assert one.id == from_file(tmp_path / "other", SeededEntropy("a"), make=True).id
    assert one.id != from_file(tmp_path / "third", SeededEntropy("b"), make=True).id
    assert LENGTH == 32
    assert local.FILE_NAME == "key-encryption-key"
