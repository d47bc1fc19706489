"""
The only door to time.

Rules of residence: whoever needs to know what time it is receives a `Clock` as an argument and calls `now()`; no
other module reads the operating system's clocks. Every instant is an integer number of seconds since the epoch, every
duration an integer number of seconds. `monotonic()` measures how long something took, and never decides when something
ends. Randomness lives next door, in `entropy`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Final, Protocol

TEST_CLOCK_VARIABLE: Final = "EVERGRANT_TEST_CLOCK"

# Leap seconds and the corrections of a healthy NTP daemon stay far below this; a wrong clock, a resumed container or an
# administrator's mistake stays far above.
STEP_TOLERANCE: Final = 10
# A step this large may have made every token look expired, or none. For a while nothing may be ended for being late, so
# that whoever keeps the clock can put it right (attack O-09).
SUSPECT_STEP: Final = 300
SUSPECT_SECONDS: Final = 600


class Clock(Protocol):
    """What decisions are given to know the time."""

    def now(self) -> int:
        """Return the seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards; only differences mean anything."""
        ...

    def jumped(self) -> int:
        """Return the size in seconds of the latest step of the wall clock that was noticed; 0 when there was none."""
        ...

    def jumps(self) -> int:
        """Return how many steps were noticed."""
        ...

    @property
    def suspect(self) -> bool:
        """Say whether the time has just jumped so far that nothing may be ended for being late."""
        ...

    @property
    def lead(self) -> int:
        """Return by how many seconds the time may have jumped ahead of what was written down a few minutes ago."""
        ...


class Steps:
    """The steps of the last ten minutes, by a clock that never steps."""

    __slots__ = ("_recent",)

    def __init__(self) -> None:
        """Know of none."""
        self._recent: list[tuple[float, float]] = []

    def note(self, step: float, lived: float) -> None:
        """Remember a step."""
        self._recent.append((lived, step))

    def lead(self, lived: float) -> int:
        """Return how far the time is ahead of the slowest it was within these minutes, real time taken away."""
        if not self._recent:
            return 0
        self._recent = [one for one in self._recent if lived - one[0] < SUSPECT_SECONDS]
        lead = ahead = 0.0
        for _, step in reversed(self._recent):
            ahead += step
            lead = max(lead, ahead)
        return ceil(lead)


class SystemClock:
    """
    The machine's own time, watched for steps.

    The wall clock is compared with the monotonic one at each reading. When they part by more than the tolerance, the
    step is remembered for `jumped()`; the reading itself follows the wall clock, because a process that insisted on its
    own time would disagree with the other processes on the same store. Where the store is shared by machines and has a
    clock, `follow()` makes its time ours, so that all of them measure one window by one clock (attack O-10).
    """

    __slots__ = ("_base", "_followed", "_jumps", "_last_step", "_steps", "_suspect_until", "_tolerance")

    simulated: bool = False

    def __init__(self, step_tolerance: int = STEP_TOLERANCE) -> None:
        """Start watching; `step_tolerance` is the largest step, in seconds, that is not worth an alarm."""
        self._tolerance = step_tolerance
        self._jumps = 0
        self._last_step = 0
        self._suspect_until = 0.0
        self._steps = Steps()
        self._followed: int | None = None
        self._base = self._wall() - self.monotonic()

    def now(self) -> int:
        """Return the seconds since the epoch, noticing a step on the way."""
        wall = self._wall()
        step = wall - self.monotonic() - self._base
        if step > self._tolerance or step < -self._tolerance:
            self._base += step
            self._jumps += 1
            self._last_step = round(step)
            self._steps.note(step, self._lived())
            if abs(step) > SUSPECT_STEP:
                self._suspect_until = self._lived() + SUSPECT_SECONDS
        return int(wall)

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return time.monotonic()

    def own(self) -> float:
        """Return what this machine's clock says, whatever is followed."""
        return time.time()

    def follow(self, offset: int) -> None:
        """
        Read `offset` seconds later than this machine's clock from now on.

        The first time is no step: nothing was written down by the machine's own clock yet. A later change is one, and
        as suspect as any other.
        """
        if self._followed is None:
            self._base += offset
        self._followed = offset

    @property
    def offset(self) -> int:
        """Return by how much what is followed is ahead of this machine's clock."""
        return self._followed or 0

    def jumped(self) -> int:
        """Return the latest step noticed, in seconds, negative when time went back; 0 when there was none."""
        return self._last_step

    def jumps(self) -> int:
        """Return how many steps were noticed since the process started."""
        return self._jumps

    @property
    def suspect(self) -> bool:
        """Say whether a step of more than five minutes was noticed in the last ten, by the clock that never steps."""
        return self._suspect_until > 0 and self._lived() < self._suspect_until

    @property
    def lead(self) -> int:
        """Return how far ahead of itself ten minutes ago the clock has stepped; 0 when it has not."""
        return self._steps.lead(self._lived())

    def _wall(self) -> float:
        return self.own() + (self._followed or 0)

    def _lived(self) -> float:
        return self.monotonic()


class FileClock(SystemClock):
    """
    Real time plus an offset read from a file: hours pass in a test without anybody waiting.

    FOR TESTS of servers that run as separate processes. The file holds one integer, in seconds, and perhaps a second
    one. A change of the first is time that passes, not a step, so it raises no alarm; a change of the second steps the
    wall clock, as a wrong NTP server would. A file that is missing counts as 0; one that is half written keeps what the
    previous one said.
    """

    __slots__ = ("_offset", "_path", "_step")

    simulated = True

    def __init__(self, path: Path, step_tolerance: int = STEP_TOLERANCE) -> None:
        """Read the offset from `path` at each reading of the clock."""
        self._path = path
        self._offset = self._step = 0
        super().__init__(step_tolerance)

    def now(self) -> int:
        """Return real time plus what the file holds at this moment."""
        self._read()
        return super().now() + self._offset

    def _wall(self) -> float:
        return super()._wall() + self._step

    def _lived(self) -> float:
        return self.monotonic() + self._offset

    def _read(self) -> None:
        # The file is read each time rather than when its modification time changes: two writes within one tick of the
        # file system's clock carry the same modification time, and a test would wait for an hour that never passes.
        try:
            offset, _, step = self._path.read_text(encoding="ascii").strip().partition(" ")
            self._offset, self._step = int(offset), int(step or "0")
        except FileNotFoundError:
            self._offset = self._step = 0
        except (OSError, ValueError):
            return


class FixedClock:
    """
    A clock that stands still until it is told otherwise. For tests.

    `advance` lets time pass, on both clocks; `set` steps the wall clock alone, as a wrong NTP server would.
    """

    __slots__ = ("_elapsed", "_jumps", "_last_step", "_now", "_steps", "_suspect_until")

    simulated: bool = True

    def __init__(self, now: int = 1_700_000_000) -> None:
        """Stand at `now`."""
        self._now = now
        self._elapsed = 0.0
        self._jumps = 0
        self._last_step = 0
        self._steps = Steps()
        self._suspect_until = 0.0

    def now(self) -> int:
        """Return the instant at which the clock stands."""
        return self._now

    def monotonic(self) -> float:
        """Return the sum of everything advanced."""
        return self._elapsed

    def advance(self, seconds: int) -> int:
        """Let `seconds` pass and return the new instant; time that passes cannot be negative."""
        if seconds < 0:
            raise ValueError("time does not pass backwards: use set() to step the clock back")
        self._now += seconds
        self._elapsed += seconds
        return self._now

    def set(self, now: int) -> int:
        """Step to `now`, forwards or backwards, and return it."""
        step = now - self._now
        if step != 0:
            self._jumps += 1
            self._last_step = step
            self._steps.note(step, self._elapsed)
        if abs(step) > SUSPECT_STEP:
            self._suspect_until = self._elapsed + SUSPECT_SECONDS
        self._now = now
        return now

    def jumped(self) -> int:
        """Return the size in seconds of the latest step; 0 when there was none."""
        return self._last_step

    def jumps(self) -> int:
        """Return how many times the clock was stepped."""
        return self._jumps

    @property
    def suspect(self) -> bool:
        """Say whether the clock was set by more than five minutes, less than ten minutes ago."""
        return self._elapsed < self._suspect_until

    @property
    def lead(self) -> int:
        """Return how far ahead of itself ten minutes ago the clock was set; 0 when it was not."""
        return self._steps.lead(self._elapsed)


def clock_from_environment(environment: Mapping[str, str] | None = None) -> SystemClock:
    """Return the clock of this process: the machine's, unless EVERGRANT_TEST_CLOCK names a file with an offset."""
    named = (os.environ if environment is None else environment).get(TEST_CLOCK_VARIABLE, "")
    return FileClock(Path(named)) if named else SystemClock()
