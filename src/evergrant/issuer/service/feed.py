"""The feed: every end, to every resource server that follows, in one process with one look at the store for them all.

The store is looked at every few hundredths of a second while anybody follows, whichever process or host wrote the end;
what is new goes to all followers at once. A follower is a place in the numbers and nothing else: one that reads slowly
finds what it missed in the store, so no memory is kept for it. While the store cannot be read nothing is said, not even
a beat, and followers know that they are out of touch.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from msgspec import json

from evergrant.clock import Clock
from evergrant.domain import base64url
from evergrant.domain.ending import End
from evergrant.issuer.catalog import Catalog
from evergrant.issuer.service.lasting import configured, longest
from evergrant.issuer.settings import Settings
from evergrant.protocol.ending import (
    MARGIN,
    MOST_PAGE,
    START,
    Beat,
    Ending,
    Page,
    beat_frame,
    ending_frame,
    read_cursor,
    reset_frame,
)
from evergrant.store.port import Store, StoreUnavailable, Tx

LOOK_SECONDS: Final = 0.05
BEAT_SECONDS: Final = 1.0
BATCH: Final = 500
# Ends kept at hand for those who follow closely; others read the store.
WINDOW: Final = 2_000
MOST_FOLLOWERS: Final = 1_000
# Of any store: a larger one is nobody's cursor.
MOST_NUMBER: Final = 2**63 - 1
_CHECK_LENGTH: Final = 6


class Line(NamedTuple):
    """One end with its place, and its wire form when it means any token."""

    number: int
    cursor: str
    ending: Ending | None

    @property
    def frame(self) -> bytes:
        return b"" if self.ending is None else ending_frame(self.cursor, self.ending)


class _Place(NamedTuple):
    """How far a follower has been told."""

    number: int
    cursor: str


_BEGINNING: Final = _Place(0, START)


class Feed:
    """One process's side of the feed. *counted* is told how many follow, each time that changes."""

    def __init__(
        self, store: Store, catalog: Catalog, settings: Settings, clock: Clock,
        counted: Callable[[int], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._counted = counted
        self._store, self._catalog, self._clock = store, catalog, clock
        self._configured = configured(settings)
        self._window: deque[tuple[Line, bytes]] = deque(maxlen=WINDOW)
        self._place = _BEGINNING
        self._pulse: asyncio.Future[None] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._leaving = False
        self._turn = 0
        """Moves on when the store has lost what followers were told (attack O-03): they begin anew."""
        self.followers = 0

    @property
    def full(self) -> bool:
        """Whether nobody more can follow here."""
        return self.followers >= MOST_FOLLOWERS

    async def page(self, after: str) -> Page:
        """What was told after a cursor, once. Raises `StoreUnavailable`, `Unreadable`."""
        place = await self._placed(after)
        start = place or _BEGINNING
        lines = await self._lines(start.number, MOST_PAGE)
        cursor = lines[-1].cursor if lines else start.cursor
        endings = tuple(line.ending for line in lines if line.ending is not None)
        return Page(cursor, endings, self._beat(), more=len(lines) == MOST_PAGE, reset=place is None)

    async def follow(self, after: str, welcome: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
        """The stream from a cursor on, for as long as the follower is *welcome*. Raises as `page`, before any part."""
        place = await self._placed(after)
        return self._parts(place, welcome)

    async def start(self) -> None:
        """Nothing yet: looking begins with the first follower."""

    async def stop(self) -> None:
        """Let go of everybody, and look no more."""
        self._leaving = True
        self._wake()
        await self._rest()

    async def _parts(self, place: _Place | None, welcome: Callable[[], bool]) -> AsyncGenerator[bytes, None]:
        self.followers += 1
        self._counted(self.followers)
        try:
            if self._pump is None or self._pump.done():
                self._window.clear()
                self._pump = asyncio.create_task(self._look(), name="evergrant-feed")
            if place is None:
                yield reset_frame()
            here, behind, turn = place or _BEGINNING, True, self._turn
            while welcome() and not self._leaving:
                pulse = self._pulsing()  # taken before looking, so that nothing falls in between
                if turn != self._turn:
                    here, behind, turn = _BEGINNING, True, self._turn
                    yield reset_frame()
                if behind or here.number < self._oldest():
                    lines = await self._lines(here.number, BATCH)
                    told, here, behind = (
                        b"".join(line.frame for line in lines),
                        _after(here, lines),
                        len(lines) == BATCH,
                    )
                else:
                    told, here = self._since(here)
                yield told if behind else told + beat_frame(here.cursor, self._beat())
                if not behind:
                    await pulse
        finally:
            self.followers -= 1
            self._counted(self.followers)
            if not self.followers:
                await self._rest()

    async def _rest(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump

    def _oldest(self) -> int:
        """Whoever has been told up to here finds the rest at hand."""
        return self._window[0][0].number - 1 if self._window else self._place.number

    def _since(self, here: _Place) -> tuple[bytes, _Place]:
        """What is at hand after a place; a place that is further than this process has looked stays where it is."""
        if here.number >= self._place.number:
            return b"", here
        found: list[bytes] = []
        for line, frame in reversed(self._window):
            if line.number <= here.number:
                break
            found.append(frame)
        return b"".join(reversed(found)), self._place

    def _beat(self) -> Beat:
        return Beat(self._clock.now(), BEAT_SECONDS)

    def _pulsing(self) -> "asyncio.Future[None]":
        if self._pulse is None or self._pulse.done():
            self._pulse = asyncio.get_running_loop().create_future()
        return self._pulse

    def _wake(self) -> None:
        if self._pulse is not None and not self._pulse.done():
            self._pulse.set_result(None)

    async def _look(self) -> None:
        """Look for what is new; wake everybody when there is something, and once a beat when there is not."""
        loop = asyncio.get_running_loop()
        fresh, beat = False, loop.time()
        while True:
            try:
                if not fresh:
                    self._place, fresh = await self._store.read(_newest), True
                lines = await self._next()
                due = loop.time() - beat >= BEAT_SECONDS - LOOK_SECONDS
                if due:
                    await self._catalog.fresh()  # who is welcome, and how long tokens last
                    if lines is not None and (await self._store.read(_newest)).number < self._place.number:
                        lines = None
            except StoreUnavailable:
                await asyncio.sleep(BEAT_SECONDS)
                continue
            if lines is None:
                self._turn, fresh = self._turn + 1, False
                self._window.clear()
                self._wake()
                continue
            self._window.extend((line, line.frame) for line in lines)
            self._place = _after(self._place, lines)
            if lines or due:
                beat = loop.time()
                self._wake()
            if len(lines) < BATCH:
                await asyncio.sleep(LOOK_SECONDS)

    async def _next(self) -> list[Line] | None:
        """What is new; None when something else lies where this process has looked than lay there before."""
        place = self._place
        lines = await self._lines(max(place.number - 1, 0), BATCH + 1)
        if not lines or lines[0].number != place.number:
            return lines  # what lay there was swept since
        return lines[1:] if place.cursor in {lines[0].cursor, START} else None

    async def _lines(self, after: int, limit: int) -> list[Line]:
        # Attack O-09: what was told while the clock stood in the past is not over because it has been put right.
        now, known = self._clock.now() - self._clock.lead, max(self._configured, self._catalog.longest_access)

        def work(tx: Tx) -> tuple[list[tuple[int, End]], int]:
            found = tx.endings.find(after, limit)
            return found, longest(tx, known, now) if found else known

        found, lasts = await self._store.read(work)
        return [Line(number, _cursor(number, end), _shown(end, lasts, now)) for number, end in found]

    async def _placed(self, after: str) -> _Place | None:
        """The place of a cursor, None when it is not known here. Raises `Unreadable`."""
        cursor = read_cursor(after or START)
        number = int(cursor.partition(".")[0])
        if not 0 < number <= MOST_NUMBER:
            return _BEGINNING if cursor == START else None
        if cursor == self._place.cursor and self._pump is not None:  # looked at again once a beat, while it is
            return self._place
        found = await self._store.read(lambda tx: tx.endings.find(number - 1, 1))
        return _Place(number, cursor) if found and _cursor(*found[0]) == cursor else None


def _newest(tx: Tx) -> _Place:
    """The place of the end that was told last. One that was swept has left no check; its number is enough here."""
    number = tx.endings.newest()
    found = tx.endings.find(number - 1, 1) if number else []
    return _Place(number, _cursor(*found[0]) if found else START)


def _after(place: _Place, lines: Sequence[Line]) -> _Place:
    return _Place(lines[-1].number, lines[-1].cursor) if lines else place


def _cursor(number: int, end: End) -> str:
    """The number, and a check of what lies there: a store that was restored has others at the same numbers."""
    check = sha256(b"%d %b" % (number, json.encode(end))).digest()[:_CHECK_LENGTH]
    return f"{number}.{base64url.encode(check).decode('ascii')}"


def _shown(end: End, lasts: int, now: int) -> Ending | None:
    """The wire form, for an end that means tokens which may be about."""
    until = end.at + lasts + MARGIN
    if until < now:
        return None
    if end.every:
        return Ending(end.at, until, account_id=end.account_id, client_id=end.client_id)
    if end.families or end.jti:
        return Ending(end.at, until, end.families, end.jti)
    return None
