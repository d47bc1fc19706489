"""The keyring: several keys in one file that only its owner reads, turned all at once, and other places for keys."""

import os
import stat
import sys
import threading
from base64 import b64encode
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import SimpleNamespace

import pytest

from evergrant.entropy import SeededEntropy, SystemEntropy
from evergrant.keeper import keyring
from evergrant.keeper.keyring import (
    SERVICE,
    add_current,
    add_current_to_system,
    from_environment,
    from_file,
    from_keys_text,
    from_system,
    retire,
)
from evergrant.keys import local
from evergrant.keys.local import LocalKek
from evergrant.keys.port import KeyUnusable

ONE, TWO = b64encode(b"1" * 32).decode(), b64encode(b"2" * 32).decode()
FIRST, SECOND = LocalKek(b"1" * 32).id, LocalKek(b"2" * 32).id
ENTROPY = SeededEntropy("keyring")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keeper.key"


def sentence(trial) -> str:
    with pytest.raises(KeyUnusable) as trouble:
        trial()
    said = str(trouble.value)
    assert "\n" not in said
    assert ONE[:12] not in said
    return said


@pytest.mark.parametrize(
    "text", [f"{ONE}\n{TWO}\n", f"{ONE},{TWO}", f"# made in May\n\n  {ONE} \r\n# older\n{TWO}", f"{ONE} , {TWO},"]
)
def test_the_first_key_is_current_and_the_others_still_open(text):
    ring = from_keys_text(text, "the text")
    assert (ring.current.id, ring.ids) == (FIRST, (FIRST, SECOND))
    assert ring.get(SECOND).id == SECOND


def test_k_21_a_key_that_is_not_there_is_named():
    assert sentence(lambda: from_keys_text(ONE, "x").get("0123")) == (
        f"sealed under key 0123, which is not in the keyring ({FIRST})"
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "\n\n", " , "])
def test_a_text_without_a_key_is_one_sentence(text):
    assert sentence(lambda: from_keys_text(text, "KEEPER_KEY")) == "KEEPER_KEY holds no key"


@pytest.mark.parametrize("text", ["short", f"{ONE}\ngarbage!", f"{ONE}{ONE}", "é" * 32])
def test_a_text_that_is_no_key_names_its_origin_and_not_itself(text):
    assert sentence(lambda: from_keys_text(text, "KEEPER_KEY")).startswith("KEEPER_KEY")


def test_keys_come_from_the_environment():
    assert from_environment({"KEEPER_KEY": f"{ONE},{TWO}"}, "KEEPER_KEY").ids == (FIRST, SECOND)
    for empty in ({}, {"KEEPER_KEY": ""}, {"KEEPER_KEY": "  "}):
        assert sentence(lambda empty=empty: from_environment(empty, "KEEPER_KEY")) == "KEEPER_KEY is not set"


# ---- the file


def test_the_first_start_makes_a_key_for_its_owner_alone(path):
    before = os.umask(0)
    try:
        made = from_file(path, SystemEntropy(), make=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert from_file(path, SystemEntropy(), make=True).ids == made.ids == from_file(path, ENTROPY, make=False).ids
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_missing_file_is_made_only_when_asked(path):
    assert "No such file or directory" in sentence(lambda: from_file(path, ENTROPY, make=False))
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_may_read_is_refused_with_the_remedy(path, mode):
    from_file(path, SystemEntropy(), make=True)
    path.chmod(mode)
    for trial in (
        lambda: from_file(path, ENTROPY, make=True),
        lambda: add_current(path, ENTROPY),
        lambda: retire(path, FIRST, ENTROPY),
    ):
        assert f"run: chmod 600 {path}" in sentence(trial)


def test_k_21_a_turn_puts_a_new_key_first_and_keeps_the_others_and_the_mode(path):
    first = from_file(path, SystemEntropy(), make=True)
    second = add_current(path, SystemEntropy())
    third = add_current(path, SystemEntropy())
    assert third.ids == (third.current.id, second.current.id, first.current.id)
    assert len(set(third.ids)) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_k_21_a_retired_key_is_gone_and_the_current_one_cannot_be_retired(path):
    first = from_file(path, SystemEntropy(), make=True).current.id
    ring = add_current(path, SystemEntropy())
    assert "is the current key; add a new one first" in sentence(lambda: retire(path, ring.current.id, ENTROPY))
    assert "which is not in the keyring" in sentence(lambda: retire(path, "0123", ENTROPY))
    assert retire(path, first, ENTROPY).ids == (ring.current.id,)
    assert from_file(path, ENTROPY, make=False).ids == (ring.current.id,)


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_o_08_a_turn_that_cannot_be_written_leaves_the_file_as_it_was(path, monkeypatch, fails):
    from_file(path, SystemEntropy(), make=True)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((local.os, "fsync") if fails == "fsync" else (type(path), "replace")), full)
    assert sentence(lambda: add_current(path, SystemEntropy())).endswith("cannot be written: No space left on device")
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"garbage\n", b"\xff\xfe", f"{ONE}\nhalf a ke".encode()])
def test_a_damaged_file_is_one_sentence_and_is_not_overwritten(path, content):
    path.write_bytes(content)
    path.chmod(0o600)
    for trial in (lambda: from_file(path, ENTROPY, make=True), lambda: add_current(path, ENTROPY)):
        assert sentence(trial).startswith(str(path))
    assert path.read_bytes() == content


def make_one(path) -> str:
    return from_file(path, SystemEntropy(), make=True).current.id


@pytest.mark.long
def test_processes_that_start_together_have_one_key(tmp_path):
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        for attempt in range(5):
            jobs = [pool.submit(make_one, tmp_path / f"{attempt}") for _ in range(8)]
            assert len({job.result(60) for job in jobs}) == 1


def test_keep_inv_6_a_process_that_runs_on_learns_of_a_new_key_when_it_meets_it(path):
    running = from_file(path, SystemEntropy(), make=True)
    first = running.current.id
    turned = add_current(path, SystemEntropy())
    assert running.current.id == first
    assert running.get(turned.current.id).id == turned.current.id
    assert (running.current.id, running.ids) == (turned.current.id, turned.ids)


def test_keep_inv_6_a_key_that_was_known_once_still_opens_after_it_was_retired(path):
    running = from_file(path, SystemEntropy(), make=True)
    first = running.current.id
    turned = add_current(path, SystemEntropy())
    retire(path, first, ENTROPY)
    running.reread()
    assert running.current.id == turned.current.id
    assert running.get(first).id == first


def test_a_key_that_is_nowhere_is_looked_for_once():
    looked = []

    def again():
        looked.append(1)
        return [LocalKek(b"1" * 32)]

    ring = keyring.Keyring(again(), again)
    for _ in range(3):
        assert "sealed under key 0123" in sentence(lambda: ring.get("0123"))
    assert len(looked) == 2


def test_a_file_that_is_gone_when_a_new_key_is_met_is_one_sentence(path):
    running = from_file(path, SystemEntropy(), make=True)
    path.unlink()
    assert "No such file or directory" in sentence(lambda: running.get("0123"))
    assert running.get(running.current.id) is running.current


def add_one(path) -> str:
    return add_current(path, SystemEntropy()).current.id


@pytest.mark.long
def test_processes_that_turn_the_key_at_once_lose_none(path):
    made = from_file(path, SystemEntropy(), make=True).current.id
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        added = [job.result(60) for job in [pool.submit(add_one, path) for _ in range(24)]]
    assert len(set(added)) == 24
    assert set(from_file(path, ENTROPY, make=False).ids) == {made, *added}


# ---- the operating system's keyring


class Wallet:
    """Stands where the package `keyring` would: a dictionary behind the two functions that are used of it."""

    def __init__(self):
        self.entries = {}

    def get_password(self, service, account):
        return self.entries.get((service, account))

    def set_password(self, service, account, text):
        self.entries[service, account] = text


@pytest.fixture
def wallet(monkeypatch):
    made = Wallet()
    monkeypatch.setitem(sys.modules, "keyring", made)
    return made


def test_a_key_in_the_systems_keyring_is_made_only_when_asked_and_then_stays(wallet):
    assert (
        sentence(lambda: from_system(ENTROPY, account="me", make=False))
        == f"the keyring entry {SERVICE}/me holds no key"
    )
    assert wallet.entries == {}
    made = from_system(SystemEntropy(), account="me", make=True)
    assert from_system(SystemEntropy(), account="me", make=True).ids == made.ids
    assert list(wallet.entries) == [(SERVICE, "me")]


def test_a_turn_in_the_systems_keyring_keeps_the_older_keys(wallet):
    first = from_system(SystemEntropy(), account="me", make=True)
    second = add_current_to_system(SystemEntropy(), account="me")
    assert second.ids == (second.current.id, first.current.id)
    assert from_system(ENTROPY, account="me", make=False).ids == second.ids


def test_a_keyring_that_hangs_is_one_sentence_after_its_time(monkeypatch):
    let_go = threading.Event()
    hanging = SimpleNamespace(get_password=lambda *_: let_go.wait(30))
    monkeypatch.setitem(sys.modules, "keyring", hanging)
    monkeypatch.setattr(keyring, "SLOWEST", 0.05)
    said = sentence(lambda: from_system(ENTROPY, account="me", make=True))
    let_go.set()
    assert said == (
        f"the keyring entry {SERVICE}/me did not answer within 0.05 seconds; is a keyring unlocked on this machine?"
    )


def test_a_keyring_without_a_backend_is_one_sentence_and_no_file_is_made_instead(monkeypatch, tmp_path):
    class NoKeyringError(RuntimeError):
        pass

    def none(*_):
        raise NoKeyringError("No recommended backend was available.\nInstall one")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=none, set_password=none))
    said = sentence(lambda: from_system(ENTROPY, account="me", make=True))
    assert said == f"the keyring entry {SERVICE}/me cannot be read or written: NoKeyringError"
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_the_sentence_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "pip install 'evergrant[keyring]'" in sentence(lambda: from_system(ENTROPY, account="me", make=True))
