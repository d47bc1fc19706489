"""Following the issuer's feed of endings, so that what was verified a moment ago is refused a moment later.

**The bound.** While the feed is heard, a token is refused as soon as the ending has travelled here. When the feed falls
silent, that is noticed `STALE_BEATS` times the issuer's beat after it was heard last, by a clock that never steps, and
at most a second later where what was heard had lain in a buffer; from then on `WhenBlind` says what happens. So with
`REFUSE` and `INTROSPECT` no token is accepted longer than that after it has ended, whatever breaks; with `ACCEPT` its
own end is the bound.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from evergrant.entropy import Entropy
from evergrant.fetch.fetched import Listened, Unfetched
from evergrant.fetch.fetcher import Fetcher
from evergrant.protocol.basic import write_basic
from evergrant.protocol.ending import MEDIA_TYPE, METADATA, STALE_BEATS, START, Beat, Frame, Frames, Kind, Unreadable
from evergrant.resource.core import NEVER, Core
from evergrant.resource.discovery import Directory, Undiscovered
from evergrant.resource.flight import Flight
from evergrant.resource.refused import Refused, Why

_LOG: Final = logging.getLogger("evergrant.resource")
_FOUND: Final = 200
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
FIRST_SILENCE: Final = 5.0
"""Seconds for the first beat to come, before the issuer has said how often it beats."""
_CLOCK_GRAIN: Final = 1.0
"""A beat's time is in whole seconds."""


class WhenBlind(StrEnum):
    """What happens to tokens while it is not known what has ended."""

    REFUSE = "refuse"
    INTROSPECT = "introspect"
    ACCEPT = "accept_until_expiry"


@dataclass(frozen=True, slots=True)
class Follow:
    """How to follow. *client_id* and *client_secret* are those of this API, registered as a service."""

    client_id: str
    client_secret: str = field(repr=False)
    when_blind: WhenBlind = WhenBlind.REFUSE
    url: str = ""
    """The feed's address; found by discovery when it is empty."""


class _Stale(Exception):
    """What arrives was said long ago: this connection is not to be believed."""


class Follower:
    """Keeps a core's endings up to date, in a task of the loop that it was started in."""

    def __init__(self, how: Follow, core: Core, fetcher: Fetcher, directory: Directory, entropy: Entropy) -> None:
        self.how: Final = how
        self._core: Final = core
        self._fetcher: Final = fetcher
        self._directory: Final = directory
        self._entropy: Final = entropy
        self._flight: Final = Flight(self._run)
        self._news = asyncio.Event()
        """Set while there is nothing to wait for: a beat has come, or the feed cannot be opened."""
        self._spoke = self._over = False
        self._cursor = ""
        self._least: float | None = None
        self._silence = FIRST_SILENCE
        if how.when_blind is not WhenBlind.ACCEPT:
            core.feed_until = NEVER

    def start(self) -> None:
        """Follow from now on. Safe to call often."""
        self._over = False
        self._follow()

    def _follow(self) -> None:
        if not (self._over or self._flight.flying):
            self._news = asyncio.Event()  # the loop may be another one
            self._flight.start()

    @property
    def blind(self) -> bool:
        """Whether what has ended is not known well enough, and that matters."""
        return self._core.clock.monotonic() > self._core.feed_until

    async def ready(self, by: float) -> None:
        """See to it that the feed is followed; wait until *by*, of the loop's time, where it is just being opened.

        Raises `Refused` when nothing may be accepted without it.
        """
        self._follow()
        if self.blind:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(by):
                    await self._news.wait()
        if self.blind and self.how.when_blind is WhenBlind.REFUSE:
            raise Refused(Why.FEED_SILENT, "it is not known what has ended")

    async def stop(self) -> None:
        """Follow no longer: what is asked later finds the feed silent."""
        self._over = True
        await self._flight.stop()
        self._news.set()  # nobody has to wait for it

    async def _run(self) -> None:
        failures = 0
        while True:
            self._least, self._spoke = None, False
            try:
                async with self._fetcher.listen(await self._address(), self._headers()) as listened:
                    await self._read(listened)
            except (Unfetched, Undiscovered, Unreadable, OSError, _Stale) as error:  # a TimeoutError is an OSError
                self._directory.forget()
                if isinstance(error, Unreadable) and self.how.when_blind is not WhenBlind.ACCEPT:
                    self._core.feed_until = NEVER  # an ending that is not understood must not be passed over
                failures = 0 if self._spoke else failures + 1
                _LOG.warning("the feed of %s is lost: %s: %s", self._core.rules.issuer, type(error).__name__, error)
            if failures:
                self._news.set()
            else:
                self._news.clear()
            await asyncio.sleep(self._pause(failures))
            self._news.clear()

    async def _read(self, listened: Listened) -> None:
        if listened.status != _FOUND or listened.media_type != MEDIA_TYPE:
            raise Unfetched(f"the feed answers {listened.status} with {listened.media_type or 'no type'}")
        frames, parts = Frames(), aiter(listened.parts)
        while True:
            async with asyncio.timeout(self._silence):
                part = await anext(parts, None)
            if part is None:
                raise Unfetched("the feed has ended")
            for frame in frames.feed(part):
                self._take(frame)

    def _take(self, frame: Frame) -> None:
        if frame.ending is not None:
            clock, ending = self._core.clock, frame.ending
            # A clock that has run ahead must not make an ending look over that will matter when it is put right; and
            # one that an issuer told while its own stood in the past matters for as long as any other.
            now = clock.now() - clock.lead
            until = max(ending.until, now + ending.until - ending.at)
            self._core.ended.add(ending._replace(until=until), now)
        elif frame.beat is not None:
            self._beat(frame.beat)
        if frame.kind is Kind.RESET:
            _LOG.warning("the feed of %s begins anew", self._core.rules.issuer)
        self._cursor = frame.cursor

    def _beat(self, beat: Beat) -> None:
        """Everything up to here is told. A beat that lay in a buffer is as old as it is, not as new as it was read."""
        now = self._core.clock.monotonic()
        self._silence = STALE_BEATS * beat.every
        behind = now - beat.now
        self._least = behind if self._least is None else min(self._least, behind)
        age = max(behind - self._least - _CLOCK_GRAIN, 0.0)
        if age >= self._silence:
            raise _Stale("what arrives is old")
        if self.how.when_blind is not WhenBlind.ACCEPT:
            self._core.feed_until = now - age + self._silence
        self._spoke = True
        self._news.set()

    def _pause(self, failures: int) -> float:
        longest = min(FIRST_PAUSE * 2.0 ** min(failures, 10), LONGEST_PAUSE)
        return longest * (0.5 + int.from_bytes(self._entropy.draw(2), "big") / 131_072)

    async def _address(self) -> str:
        if self.how.url:
            return self.how.url
        url = (await self._directory.look()).feed
        if not url:
            raise Undiscovered(f"the issuer's document names no {METADATA}")
        return url

    def _headers(self) -> dict[str, str]:
        headers = {"Authorization": write_basic(self.how.client_id, self.how.client_secret), "Accept": MEDIA_TYPE}
        if self._cursor and self._cursor != START:
            headers["Last-Event-ID"] = self._cursor
        return headers
