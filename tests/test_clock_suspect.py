"""A clock that has just jumped says so for a while, so that nothing is ended for being late (attack O-09)."""

from pathlib import Path

import pytest

from evergrant.clock import SUSPECT_SECONDS, SUSPECT_STEP, FileClock, FixedClock, SystemClock


class Bench(SystemClock):
    """The system's clock with both of its sources in the test's hand."""

    __slots__ = ("ahead", "passed")

    def __init__(self) -> None:
        self.ahead = 0.0
        self.passed = 1.0
        super().__init__()

    def monotonic(self) -> float:
        return self.passed

    def _wall(self) -> float:
        return 1_700_000_000 + self.passed + self.ahead


@pytest.mark.parametrize("step", [SUSPECT_STEP + 1, 3_600, 7 * 86_400, -SUSPECT_STEP - 1, -86_400])
def test_o_09_a_large_step_makes_the_clock_suspect_for_ten_minutes_by_the_one_that_never_steps(step: int) -> None:
    clock = Bench()
    assert not clock.suspect
    clock.ahead = step
    clock.now()
    assert clock.suspect
    clock.passed += SUSPECT_SECONDS - 1
    clock.now()
    assert clock.suspect
    clock.passed += 1
    clock.now()
    assert not clock.suspect


@pytest.mark.parametrize("step", [1, 11, SUSPECT_STEP, -11, -SUSPECT_STEP])
def test_a_small_step_does_not(step: int) -> None:
    clock = Bench()
    clock.ahead = step
    clock.now()
    assert not clock.suspect


def test_putting_the_clock_right_is_a_step_too() -> None:
    clock = Bench()
    clock.ahead = 86_400
    clock.now()
    clock.passed += SUSPECT_SECONDS
    clock.ahead = 0
    clock.now()
    assert clock.suspect


def test_time_that_passes_never_makes_it_suspect() -> None:
    clock = Bench()
    for _ in range(100):
        clock.passed += 86_400
        clock.now()
    assert not clock.suspect


def test_a_fixed_clock_is_suspect_when_it_is_set_and_not_when_it_advances() -> None:
    clock = FixedClock()
    clock.advance(365 * 86_400)
    assert not clock.suspect
    clock.set(clock.now() + SUSPECT_STEP)
    assert not clock.suspect
    clock.set(clock.now() - SUSPECT_STEP - 1)
    assert clock.suspect
    clock.advance(SUSPECT_SECONDS)
    assert not clock.suspect


@pytest.mark.parametrize(
    ("steps", "lead"),
    [
        ([3_600], 3_600),
        ([-3_600], 0),
        ([-3_600, 3_600], 3_600),
        ([3_600, -3_600], 0),
        ([60, 60, -30], 90),
        ([-7_200, 3_600], 3_600),
        ([5_000, -7_000, 100], 100),
    ],
)
def test_o_09_how_far_ahead_the_clock_was_put_is_known_for_ten_minutes(steps: list[int], lead: int) -> None:
    clock, fixed = Bench(), FixedClock()
    for step in steps:
        clock.ahead += step
        clock.now()
        fixed.set(fixed.now() + step)
    assert clock.lead == fixed.lead == lead
    clock.passed += SUSPECT_SECONDS - 1
    fixed.advance(SUSPECT_SECONDS - 1)
    assert clock.lead == fixed.lead == lead
    clock.passed += 1
    fixed.advance(1)
    assert clock.lead == fixed.lead == 0


def test_a_clock_that_never_stepped_leads_nothing() -> None:
    clock = Bench()
    for _ in range(100):
        clock.passed += 86_400
        clock.now()
        assert clock.lead == 0


def test_a_file_clock_steps_by_its_second_number_and_lives_by_its_first(tmp_path: Path) -> None:
    file = tmp_path / "offset"
    clock = FileClock(file)
    before = clock.now()
    file.write_text("86400\n")
    assert clock.now() - before >= 86_400
    assert not clock.suspect
    file.write_text("86400 7200\n")
    assert clock.now() - before >= 86_400 + 7_200
    assert clock.suspect
    assert clock.jumped() == 7_200
    file.write_text(f"{86_400 + SUSPECT_SECONDS} 7200\n")
    clock.now()
    assert not clock.suspect


@pytest.mark.parametrize("half_written", ["", "-", "86400 x", "86400 1 2"])
def test_a_file_clock_keeps_what_it_knew_while_the_file_is_being_written(tmp_path: Path, half_written: str) -> None:
    file = tmp_path / "offset"
    file.write_text("86400")
    clock = FileClock(file)
    before = clock.now()
    file.write_text(half_written)
    assert 0 <= clock.now() - before < 2
