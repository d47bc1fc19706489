"""The clocks: what they promise when time behaves, and when it does not."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evergrant.clock import FileClock, FixedClock, SystemClock, clock_from_environment


class SteppedClock(SystemClock):
    """The system's clock with a wrong NTP server beside it."""

    __slots__ = ("ahead",)

    def __init__(self) -> None:
        self.ahead = 0.0
        super().__init__()

    def _wall(self) -> float:
        return super()._wall() + self.ahead


def test_the_system_clock_tells_the_time_in_whole_seconds():
    before = int(time.time())
    now = SystemClock().now()

    assert isinstance(now, int)
    assert before <= now <= int(time.time())


def test_time_that_passes_is_no_step():
    clock = SystemClock()
    for _ in range(1000):
        clock.now()

    assert clock.jumped() == 0
    assert clock.jumps() == 0


@pytest.mark.parametrize("step", [-3600, 86_400, 7 * 86_400, 11, -11])
def test_o_09_a_step_of_the_wall_clock_is_noticed_with_its_size_and_sign(step):
    clock = SteppedClock()
    clock.ahead = step
    clock.now()

    assert clock.jumped() == step
    assert clock.jumps() == 1


def test_o_09_a_step_is_counted_once_however_often_the_clock_is_read():
    clock = SteppedClock()
    clock.ahead = 3600
    for _ in range(10):
        clock.now()
    assert clock.jumps() == 1

    clock.ahead = 0
    clock.now()

    assert clock.jumps() == 2
    assert clock.jumped() == -3600


def test_o_09_small_steps_that_add_up_are_noticed():
    clock = SteppedClock()
    for _ in range(6):
        clock.ahead += 4
        clock.now()

    assert clock.jumps() == 2
    assert clock.jumped() == 12


def test_o_09_a_leap_second_raises_no_alarm():
    clock = SteppedClock()
    clock.ahead = -1
    clock.now()

    assert clock.jumps() == 0


def test_a_fixed_clock_moves_only_when_it_is_told():
    clock = FixedClock(1000)
    assert (clock.now(), clock.monotonic()) == (1000, 0.0)

    clock.advance(60)

    assert (clock.now(), clock.monotonic()) == (1060, 60.0)
    assert clock.jumps() == 0


def test_a_fixed_clock_that_is_set_steps_without_any_time_passing():
    clock = FixedClock(1000)
    clock.set(400)

    assert (clock.now(), clock.monotonic(), clock.jumped()) == (400, 0.0, -600)


def test_a_fixed_clock_refuses_to_advance_backwards():
    with pytest.raises(ValueError, match="backwards"):
        FixedClock().advance(-1)


def test_a_file_clock_follows_its_file_at_once(tmp_path):
    file = tmp_path / "offset"
    clock = FileClock(file)
    assert abs(clock.now() - time.time()) < 2

    for hours in (1, 2, 3):
        file.write_text(str(hours * 3600))
        assert abs(clock.now() - time.time() - hours * 3600) < 2

    assert clock.jumps() == 0


def test_a_file_clock_keeps_its_offset_while_the_file_is_being_written(tmp_path):
    file = tmp_path / "offset"
    file.write_text("3600\n")
    clock = FileClock(file)
    clock.now()

    for half_written in ("", "-", "36OO"):
        file.write_text(half_written)
        assert abs(clock.now() - time.time() - 3600) < 2


def test_the_environment_chooses_the_clock(tmp_path):
    assert not clock_from_environment({}).simulated
    assert not clock_from_environment({"EVERGRANT_TEST_CLOCK": ""}).simulated
    assert clock_from_environment({"EVERGRANT_TEST_CLOCK": str(tmp_path / "offset")}).simulated


def test_another_process_lives_in_the_time_that_its_file_says(tmp_path: Path):
    file = tmp_path / "offset"
    file.write_text(str(30 * 86_400))
    program = "from evergrant.clock import clock_from_environment as c; print(c().now())"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "EVERGRANT_TEST_CLOCK": str(file)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert abs(int(answer.stdout) - time.time() - 30 * 86_400) < 30
