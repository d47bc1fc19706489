"""The demo's directory and clock, and its password."""

from pathlib import Path

import pytest

from evergrant.demo.furnish import pronounceable
from evergrant.demo.place import CLOCK_FILE, DemoClock, NotADemo, place
from evergrant.entropy import SeededEntropy


def test_a_throw_away_place_is_gone_after_the_block_even_when_it_fails() -> None:
    found: list[Path] = []

    def fail() -> None:
        with place(None) as folder:
            found.append(folder)
            (folder / "evergrant.db").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not found[0].exists()


def test_a_named_place_is_made_and_kept(tmp_path: Path) -> None:
    with place(tmp_path / "a" / "b") as folder:
        assert folder.stat().st_mode & 0o077 == 0
    assert (folder / CLOCK_FILE).exists()


def test_a_place_that_holds_a_real_issuer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evergrant.db").write_text("x")
    with pytest.raises(NotADemo, match="not a demo's"), place(tmp_path):
        pass


def test_the_clock_goes_forward_by_what_is_let_pass_and_remembers_it(tmp_path: Path) -> None:
    clock = DemoClock(tmp_path)
    before = clock.now()
    clock.let_pass(61)
    clock.let_pass(600)
    assert 661 <= clock.now() - before <= 663
    assert clock.ahead == DemoClock(tmp_path).ahead == 661
    assert clock.jumps() == 0


def test_the_clock_never_goes_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="backwards"):
        DemoClock(tmp_path).let_pass(-1)


def test_passwords_differ_and_can_be_said_aloud() -> None:
    entropy = SeededEntropy(7)
    made = {pronounceable(entropy) for _ in range(2_000)}
    assert len(made) == 2_000
    for password in made:
        words = password.split("-")
        assert [len(word) for word in words] == [4, 4, 4, 4]
        assert all(word[0] in "bdfghklmnprstvwz" and word[1] in "aeio" for word in words)
