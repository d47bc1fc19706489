"""Webhooks on their way: signed, sent to every endpoint that wants them, tried again for a day, then parked.

Letters are written in the transaction of what they tell about and wait in the vault, so a webhook never holds up a
refresh. At least once: a letter may arrive twice, with the same id. Endpoints are asked under the rules for addresses
that somebody else chose.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from evergrant.keeper import webhooks
from evergrant.keeper.errors import KeeperError
from evergrant.keeper.event import Letter
from evergrant.keeper.keeper import Keeper
from evergrant.keeper.provider.fetched import Unfetched
from evergrant.keeper.service.ground import Ground
from evergrant.keeper.serving.metrics import KeeperMetrics
from evergrant.keeper.serving.settings import Endpoint, ServingSettings
from evergrant.keeper.vault.port import VaultUnavailable
from evergrant.keeper.wire.fetch import Fetcher
from evergrant.observe.log import fields

_LOG: Final = logging.getLogger("evergrant.keeper.webhooks")
PARKED: Final = 1 << 40
"""Due at no time that comes: visible, and tried again only when somebody says so."""
ARRIVED: Final = "arrived"
"""The header of a stored letter that names the endpoints which have it already."""
BEGUN: Final = "begun"
"""The header that says since when a letter that was parked is tried again."""
BATCH: Final = 50
AT_ONCE: Final = 16
UNDER_WAY: Final = 60
"""A letter that is being sent is not due again for so many seconds, for other processes."""
LEAST, MOST = 5, 3_600
_DOUBLINGS: Final = 12


@dataclass(frozen=True, slots=True)
class Round:
    """What one look into the outbox did."""

    sent: int = 0
    again: int = 0
    parked: int = 0


class Outbox:
    """Delivers, in a loop of its own."""

    def __init__(self, keeper: Keeper, settings: ServingSettings, metrics: KeeperMetrics) -> None:
        self._keeper = keeper
        self._settings = settings
        self._metrics = metrics
        self._fetcher = Fetcher(settings.webhook_reach)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until *stop* is set; trouble with the vault ends a round, never the loop."""
        while not stop.is_set():
            with suppress(VaultUnavailable, KeeperError):
                await self.round()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.webhook_pause):
                    await stop.wait()

    async def round(self) -> Round:
        """Everything that is due now. Raises `VaultUnavailable`."""
        ground = (await self._keeper.rooms()).ground
        done = Round()
        while True:
            due = await ground.vault.letters(ground.clock.now(), limit=BATCH)
            if not due:
                return done
            held = [replace(letter, due=ground.clock.now() + UNDER_WAY) for letter in due]
            await ground.vault.post([], held)
            gate = asyncio.Semaphore(AT_ONCE)
            after = await asyncio.gather(*(self._delivered(ground, letter, gate) for letter in due))
            again = [letter for letter in after if letter is not None]
            gone = {letter.id for letter in due} - {letter.id for letter in again}
            await ground.vault.post(sorted(gone), again)
            parked = sum(letter.due >= PARKED for letter in again)
            done = Round(done.sent + len(gone), done.again + len(again) - parked, done.parked + parked)

    async def waiting(self, tenant: str, *, most: int = 1_000) -> list[Letter]:
        """Letters of *tenant* that have not arrived everywhere, parked ones too."""
        ground = (await self._keeper.rooms()).ground
        return [letter for letter in await ground.vault.letters(PARKED, limit=most) if letter.tenant == tenant]

    def told(self, tenant: str, letter: Letter) -> str:
        """What went wrong with *letter*, for *tenant*: of endpoints that are not its own, no more than their names."""
        own = {one.name for one in self._settings.webhooks if one.tenant == tenant}
        said = [each.partition(": ") for each in letter.last_error.split("; ") if each]
        return "; ".join(f"{name}: {why}" if name in own else f"{name} did not take it" for name, _, why in said)

    async def unpark(self, tenant: str, letter_id: str) -> Letter | None:
        """Try a letter again, now and for another day; None when the tenant has no such letter."""
        ground = (await self._keeper.rooms()).ground
        found = next((letter for letter in await self.waiting(tenant) if letter.id == letter_id), None)
        if found is None:
            return None
        now = ground.clock.now()
        again = replace(found, due=now, tries=0, last_error="", headers={**found.headers, BEGUN: str(now)})
        await ground.vault.post([], [again])
        return again

    async def _delivered(self, ground: Ground, letter: Letter, gate: asyncio.Semaphore) -> Letter | None:
        """None when every endpoint that wants *letter* has it, else the letter for another time."""
        if not self._settings.webhooks and letter.made_at > ground.clock.now() - self._settings.webhook_give_up:
            # Another process may have been told of endpoints that this one knows nothing of.
            return replace(letter, due=ground.clock.now() + MOST)
        have = set(letter.headers.get(ARRIVED, "").split())
        wanted = [one for one in self._settings.webhooks if one.wants(letter.tenant, letter.what)]
        problems = []
        for endpoint in wanted:
            if endpoint.name in have:
                continue
            async with gate:
                problem = await self._sent(ground, endpoint, letter)
            if problem:
                problems.append(f"{endpoint.name}: {problem}")
            else:
                have.add(endpoint.name)
        if not problems:
            return None
        headers = {**letter.headers, ARRIVED: " ".join(sorted(have))}
        return self._again(ground, replace(letter, headers=headers), problems)

    async def _sent(self, ground: Ground, endpoint: Endpoint, letter: Letter) -> str:
        """What went wrong, empty when it arrived."""
        started = ground.clock.monotonic()
        said = {
            "Content-Type": "application/json",
            **webhooks.headers(endpoint.secrets, letter.id, ground.clock.now(), letter.body),
        }
        try:
            answer = await self._fetcher.post(endpoint.url, said, letter.body)
        except Unfetched as error:
            problem = str(error)
        else:
            problem = "" if 200 <= answer.status < 300 else f"status {answer.status}"  # noqa: PLR2004 - success
        self._metrics.webhook_seconds.observe(ground.clock.monotonic() - started)
        self._metrics.webhooks.add("failed" if problem else "arrived")
        return problem[:200]

    def _again(self, ground: Ground, letter: Letter, problems: Sequence[str]) -> Letter:
        tries, now = letter.tries + 1, ground.clock.now()
        wait = _pause(tries, int.from_bytes(ground.entropy.draw(4), "big") / 2**32)
        begun = int(letter.headers.get(BEGUN, "0")) or letter.made_at
        over = now + wait - begun > self._settings.webhook_give_up
        told = "; ".join(problem.replace("; ", ", ") for problem in problems)[:400]
        if over:
            self._metrics.webhooks.add("parked")
            _LOG.error("a webhook is parked: nobody took it", extra=fields(letter=letter.id, what=letter.what))
        return replace(letter, tries=tries, last_error=told, due=PARKED if over else now + wait)


def _pause(tries: int, lot: float) -> int:
    """Seconds to the next try: doubling, at most an hour, and never the same for all letters of one outage."""
    ceiling = min(LEAST * 2 ** min(tries - 1, _DOUBLINGS), MOST)
    return max(LEAST, int(ceiling * (0.5 + lot / 2)))
