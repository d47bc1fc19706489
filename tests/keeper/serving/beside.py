"""The service in a thread of its own, for browsers that occupy this one."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.keeper.serving.scene import Scene, serving

T = TypeVar("T")
PATIENCE = 30


class Beside:
    """*scene* belongs to the other thread: touch it through `do`."""

    def __init__(self) -> None:
        self.scene: Scene
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event

    def do(self, act: Callable[[Scene], Awaitable[T]]) -> T:
        """What *act* gives, done in the service's own loop."""

        async def done() -> T:
            return await act(self.scene)

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(PATIENCE)

    async def live(self, ready: "Future[None]", told: dict[str, Any]) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with serving(**told) as self.scene:
            ready.set_result(None)
            await self._over.wait()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)


@contextmanager
def beside(**told: Any) -> Iterator[Beside]:
    """`serving(**told)` for as long as the block runs."""
    found, ready = Beside(), Future()  # type: ignore[var-annotated]
    thread = threading.Thread(target=lambda: asyncio.run(found.live(ready, told)), daemon=True)
    thread.start()
    ready.result(PATIENCE)
    try:
        yield found
    finally:
        found.end()
        thread.join(PATIENCE)
