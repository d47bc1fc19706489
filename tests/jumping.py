"""A loop whose time passes only while nobody has anything to do: what waits for a second has waited for it at once.

For promises about how long something takes by its own steps, whatever the machine is busy with. What runs on it must
not wait for a thread or a socket.
"""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]  # which class it is depends on the system
    """Instead of waiting, notes how long it would have waited; from `jumping` on."""

    def __init__(self) -> None:
        super().__init__()
        self.jumping = False
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if not self.jumping or not timeout:
            return super().select(timeout)
        found = super().select(0)
        if not found:
            self.passed += timeout
        return found


class JumpingLoop(asyncio.SelectorEventLoop):
    """Real time until `jump` is called."""

    def __init__(self) -> None:
        self._waits = _Selector()
        super().__init__(self._waits)
        self._begun = 0.0

    def jump(self) -> None:
        """From now on time passes by itself no more."""
        self._begun = time.monotonic()
        self._waits.jumping = True

    def time(self) -> float:
        return self._begun + self._waits.passed if self._waits.jumping else time.monotonic()


def on_jumping_loop(work: Coroutine[Any, Any, None]) -> None:
    """Run *work* on such a loop, which is the running one within."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(work)
