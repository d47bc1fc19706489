"""The numbered moments of one refresh, so that a test can stop a process at any of them. In production nobody listens.

`reached` is called in this order by one refresh that goes well. A test sets `listener` and dies in it.
"""

from collections.abc import Callable
from enum import IntEnum

listener: "Callable[[Point], None] | None" = None


class Point(IntEnum):
    """Between two neighbours a process may die; what must hold afterwards is the same for all."""

    CLAIMED = 1
    INTENDED = 2
    SENT = 3
    """The request is on its way; no answer has been looked at."""
    ANSWERED = 4
    """The answer is in memory only."""
    JOURNALLED = 5
    COMMITTING = 6
    COMMITTED = 7
    SERVING = 8
    """About to hand the new token to those who waited."""


def reached(point: Point) -> None:
    """Tell whoever listens."""
    if listener is not None:
        listener(point)
