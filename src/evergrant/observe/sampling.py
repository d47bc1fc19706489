"""
How often something may be logged: every refusal for a while, then a count; one ordinary request in many.

A client that is broken, or a stranger who wants a full disk, sends thousands of bad requests in a second (attack A-11).
The first of each reason are worth a line each, the rest are worth their number. Metrics count all of them in `metrics`.
"""

from __future__ import annotations

import base64
import itertools
import logging
from dataclasses import dataclass
from typing import Final

from evergrant.clock import Clock
from evergrant.entropy import Entropy
from evergrant.observe.log import fields

MOST_REASONS: Final = 64
OTHER: Final = "other"


@dataclass(slots=True)
class _Window:
    begun: float
    written: int = 0
    suppressed: int = 0


class RefusalLog:
    """
    Writes the first refusals of each reason in a window of time, and counts the rest.

    What was suppressed is told by the next line about the same reason, or by `flush`, whichever comes first; nothing is
    lost silently.
    """

    def __init__(self, log: logging.Logger, clock: Clock, *, burst: int = 20, window: int = 10) -> None:
        """Write at most `burst` lines per reason in `window` seconds."""
        self._log = log
        self._clock = clock
        self._burst = burst
        self._seconds = window
        self._windows: dict[str, _Window] = {}

    def tell(self, reason: str, level: int = logging.INFO, **said: object) -> bool:
        """Log a refusal, or count it; return whether it was logged."""
        now = self._clock.monotonic()
        if reason not in self._windows and len(self._windows) >= MOST_REASONS:
            # Reasons come from closed vocabularies; should one ever not, memory stays bounded.
            reason = OTHER
        window = self._windows.setdefault(reason, _Window(now))
        if now - window.begun >= self._seconds:
            self._end(reason, window)
            window.begun = now
        if window.written >= self._burst:
            window.suppressed += 1
            return False
        window.written += 1
        self._log.log(level, "request refused", extra=fields(reason=reason, **said))
        return True

    def flush(self) -> None:
        """Tell what has been suppressed so far; for housekeeping and for the end of the process."""
        for reason, window in self._windows.items():
            self._end(reason, window)

    def _end(self, reason: str, window: _Window) -> None:
        if window.suppressed:
            self._log.warning(
                "more requests were refused than are logged one by one",
                extra=fields(reason=reason, suppressed=window.suppressed, seconds=self._seconds),
            )
        window.written = window.suppressed = 0


class Sampler:
    """Says yes once in every `one_in` times, beginning with the first; 0 says never."""

    __slots__ = ("_count", "_one_in")

    def __init__(self, one_in: int) -> None:
        """Say yes once in every `one_in` times."""
        self._one_in = one_in
        self._count = itertools.count()

    def due(self) -> bool:
        """Return whether this one is to be told."""
        return self._one_in > 0 and next(self._count) % self._one_in == 0


def error_id(entropy: Entropy) -> str:
    """Return a name for one failed request: ten letters and digits that can be read out on the telephone."""
    return base64.b32encode(entropy.draw(7)).decode("ascii").lower()[:10]
