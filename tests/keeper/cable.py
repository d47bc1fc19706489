"""A vault seen through a cable that can be cut: what a process that was killed, or lost its disk, has of it."""

from collections.abc import Callable
from typing import Any, Self

from evergrant.keeper.service import points
from evergrant.keeper.vault.port import VaultUnavailable


class Killed(BaseException):
    """The process is no more."""


class Cable:
    """Hands every verb on until it is cut. *failing*: how many calls of a verb fail before it works again; *untold*:
    how many are done, and told to have failed.
    """

    def __init__(self, vault: Any) -> None:
        self._vault = vault
        self.dead = False
        self.killed = False
        self.failing: dict[str, int] = {}
        self.untold: dict[str, int] = {}
        self.calls: list[str] = []
        self.before: Callable[[str], None] | None = None

    late = 0.0

    def stamp(self) -> int:
        return self._vault.stamp()

    def __getattr__(self, verb: str) -> Any:
        handed_on = getattr(self._vault, verb)

        async def call(*given: Any, **named: Any) -> Any:
            self.calls.append(verb)
            if self.before is not None:
                self.before(verb)
            if self.killed:
                raise Killed
            if self.dead:
                raise VaultUnavailable(verb)
            if self.failing.get(verb, 0) > 0:
                self.failing[verb] -= 1
                raise VaultUnavailable(verb)
            done = await handed_on(*given, **named)
            if self.untold.get(verb, 0) > 0:
                self.untold[verb] -= 1
                raise VaultUnavailable(verb)
            return done

        return call


class Killing:
    """Kills whoever reaches *point* first, and cuts its cable, so that nothing it does on its way out counts."""

    def __init__(self, point: points.Point, cable: Cable) -> None:
        self._point, self._cable = point, cable
        self.fired = False
        self.seen: list[points.Point] = []

    def __enter__(self) -> Self:
        points.listener = self._reached
        return self

    def __exit__(self, *_: object) -> None:
        points.listener = None

    def _reached(self, point: points.Point) -> None:
        self.seen.append(point)
        if point is self._point and not self.fired:
            self.fired = True
            self._cable.killed = True
            raise Killed
