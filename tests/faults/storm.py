"""Many honest clients who refresh all the time, lose answers, repeat, share tokens between tabs, and never give up.

What lives here: the clients, the killer, the operator, and what was counted. What must not: what may be true
(`history`); starting and stopping (`place`).
"""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.faults.client import KINDS, Holder, Reply, Wanted, form_of, furnish, get, refresh, remember
from tests.faults.crash_points import DISK
from tests.faults.history import OK, REFUSED, Answer, History, stored_wrongs, wrongs
from tests.faults.place import ARMED, PLAIN, Place, placed

PATIENCE: Final = 30.0
UNAVAILABLE: Final = 503
STORE_UNAVAILABLE: Final = 5  # a command's exit code that says: nothing was half done, try again


class Hang(Exception):
    """A request that was taken and never answered, by a server that lives."""


@dataclass
class Counts:
    """What happened."""

    kills: int = 0
    workers_killed: int = 0
    parents_killed: int = 0
    troubles: int = 0
    refreshes: int = 0
    repeats: int = 0
    resets: int = 0
    thrown_away: int = 0
    unavailable: int = 0
    longest_wait: float = 0.0
    ended: int = 0


@dataclass
class Tab:
    """One connection to one of the servers, opened anew whenever it breaks."""

    place: Place
    ports: tuple[int, ...]
    reader: Any = None
    writer: Any = None
    turned: int = 0

    @property
    def port(self) -> int:
        """The node it is led to. With several, the next one whenever this one is of no use."""
        return self.ports[self.turned % len(self.ports)]

    async def present(self, holder: Holder, token: str) -> Reply:
        """One refresh. Status 0 when no whole answer came; then nobody knows what became of it."""
        body, headers = form_of(self.place, "/token", holder, grant_type="refresh_token", refresh_token=token)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        raw = f"POST /token HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n{head}content-length: {len(body)}\r\n\r\n"
        try:
            if self.writer is None:
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
            self.writer.write(raw.encode() + body)
            async with asyncio.timeout(PATIENCE):
                return await self._answer()
        except TimeoutError as error:
            raise Hang(f"no answer in {PATIENCE} seconds") from error
        except (OSError, asyncio.IncompleteReadError):
            self.leave()
            return Reply(0)

    async def _answer(self) -> Reply:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, _, lines = head.partition("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines.splitlines() if line)
        reply = Reply(int(status.split()[1]), await self.reader.readexactly(int(fields["content-length"])))
        if fields.get("connection") == "close":
            self.hang_up()
        return reply._replace(retry_after=fields.get("retry-after", ""))

    def leave(self) -> None:
        self.hang_up()
        self.turned += 1

    def hang_up(self) -> None:
        if self.writer is not None:
            self.writer.transport.abort()
        self.reader = self.writer = None


@dataclass
class Storm:
    """The clients of one place, until `over` is set. A family of n tabs is presented n times each turn."""

    place: Place
    holders: list[Holder]
    tabs: list[int]
    seed: int
    think: float = 0.05
    counts: Counts = field(default_factory=Counts)
    over: bool = False
    histories: list[History] = field(default_factory=list)
    others: tuple[Place, ...] = ()
    """Further nodes over the same database."""
    refused: Callable[["Storm", int], Awaitable[None]] | None = None
    """What a client does that was refused, by its number; it may go on with another token, and another history."""
    asking: dict[int, float] = field(default_factory=dict)
    """Since when those tabs wait for an answer that do."""

    def __post_init__(self) -> None:
        self.histories = [
            History(
                holder.family, holder.kind.rotates, first=holder.token, overlap=holder.kind.overlap,
                proved=bool(holder.secret or holder.prover),
            )
            for holder in self.holders
        ]  # fmt: skip

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(node.port for node in (self.place, *self.others))

    async def rage(self, killer: Callable[["Storm"], Awaitable[None]]) -> None:
        """Let the clients live until *killer* returns, and give every one of them one more turn after that."""
        async with asyncio.TaskGroup() as group:
            for number in range(len(self.holders)):
                group.create_task(self._live(number))
            try:
                await killer(self)
            finally:
                self.over = True

    async def _live(self, number: int) -> None:
        holder = self.holders[number]
        chance = random.Random(f"{self.seed} client {number}")
        tabs = [Tab(self.place, self.ports, turned=number + each) for each in range(self.tabs[number])]
        last = False
        try:
            while not last:
                last = self.over
                history = self.histories[number]
                turns = [self._turn(tab, holder, history, random.Random(chance.random())) for tab in tabs]
                answers = await asyncio.gather(*turns)
                got = {answer.got for answer in answers if answer.status == OK}
                if got:
                    holder.token = got.pop()  # were there two, `wrongs` tells
                elif self.refused is not None and answers[0].status == REFUSED:
                    await self.refused(self, number)
                await asyncio.sleep(chance.expovariate(1 / self.think))
        finally:
            for tab in tabs:
                tab.hang_up()

    async def _turn(self, tab: Tab, holder: Holder, history: History, chance: random.Random) -> Answer:
        """Present the token until there is an answer that is kept."""
        since = time.monotonic()
        await asyncio.sleep(chance.uniform(0, 0.01))
        while True:
            began = time.monotonic()
            if chance.random() < 0.05:
                await self._walk_away(tab, holder)
                history.unanswered.append(_answer(began, holder.token, Reply(0)))
                continue
            self.asking[id(tab)] = began
            try:
                reply = await tab.present(holder, holder.token)
            finally:
                del self.asking[id(tab)]
            answer = _answer(began, holder.token, reply)
            if reply.status == 0:
                self.counts.resets += 1
                history.unanswered.append(answer)
                await asyncio.sleep(chance.uniform(0.01, 0.1))
            elif reply.status == UNAVAILABLE and reply.retry_after:
                self.counts.unavailable += 1
                history.unanswered.append(answer)
                tab.leave()
                await asyncio.sleep(chance.uniform(0.01, 0.1))
            else:
                history.answers.append(answer)
                self.counts.refreshes += reply.status == OK
                self.counts.longest_wait = max(self.counts.longest_wait, answer.ended - since)
                if reply.status != OK or chance.random() > 0.05:
                    return answer
                self.counts.thrown_away += 1  # it died before saving what it had read

    async def _walk_away(self, tab: Tab, holder: Holder) -> None:
        """Ask and hang up before the answer comes."""
        asking = asyncio.ensure_future(tab.present(holder, holder.token))
        await asyncio.sleep(0.001)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        tab.leave()
        self.counts.repeats += 1


def _answer(began: float, presented: str, reply: Reply) -> Answer:
    ended = time.monotonic()
    remember(reply.body)
    if reply.status == OK:
        return Answer(began, ended, presented, OK, reply.token)
    said = reply.error if reply.status == REFUSED else reply.body.decode("utf-8", "replace")[:200]
    return Answer(began, ended, presented, reply.status, "", said)


# ---- who kills


@dataclass
class Killer:
    """kill -9 at chosen moments and a start after each. *beside* is done at each round, as an operator would."""

    rounds: int
    shortest: float = 0.1
    longest: float = 1.0
    beside: Callable[["Storm", int], Awaitable[None]] | None = None
    troubled: bool = False
    """Whether the disk fails for a moment at each round too; every other kill comes in the middle of that."""

    async def __call__(self, storm: Storm) -> None:
        chance = random.Random(f"{storm.seed} killer")
        for number in range(self.rounds):
            await self._under_way(storm)
            acting = asyncio.ensure_future(self.beside(storm, number)) if self.beside else None
            await asyncio.sleep(chance.uniform(self.shortest, self.longest))
            if self.troubled:
                await self._trouble(storm, chance)
            if not self.troubled or number % 2:
                await self._kill(storm, chance)  # in the middle of the trouble, if there is any
            storm.place.disarm()
            if acting:
                await acting
        await self._under_way(storm)

    async def _under_way(self, storm: Storm) -> None:
        """Wait until clients are answered again: a kill that nobody feels proves nothing."""
        before, began = storm.counts.refreshes, time.monotonic()
        while storm.counts.refreshes < before + len(storm.holders):
            if time.monotonic() - began > PATIENCE:
                raise Hang(f"nobody was refreshed in {PATIENCE} seconds after a start")
            await asyncio.sleep(0.01)

    async def _trouble(self, storm: Storm, chance: random.Random) -> None:
        """The disk fails for some moments, and works for some between."""
        for _ in range(4):
            storm.counts.troubles += 1
            storm.place.disarm()
            await asyncio.sleep(chance.uniform(0, 0.1))
            storm.place.arm(chance.choice(sorted(DISK)))
            await asyncio.sleep(chance.uniform(0.02, 0.2))

    async def _kill(self, storm: Storm, chance: random.Random) -> None:
        place, counts = storm.place, storm.counts
        counts.kills += 1
        servants = place.servants if place.workers > 1 else []
        how = chance.choice(("everyone", "worker", "parent")) if servants else "everyone"
        if how == "worker":
            counts.workers_killed += 1
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(servants), signal.SIGKILL)
            return
        if how == "parent":
            counts.parents_killed += 1
            os.kill(place.pid, signal.SIGKILL)
            await asyncio.to_thread(place.left_alone)
        await asyncio.to_thread(place.restart)


# ---- what is tried


@dataclass
class Trial:
    """One storm on a data directory of its own: who takes part, and how it goes."""

    workers: int
    rounds: int
    seed: int
    clients: int = 12
    people: int = 6
    operator: bool = False
    troubled: bool = False
    think: float = 0.05


async def operate(storm: Storm, number: int) -> None:
    """Now and then, end a family or disable somebody, and remember when that was asked and when it was told."""
    chance = random.Random(f"{storm.seed} operator {number}")
    living = [at for at, history in enumerate(storm.histories) if history.ending is None]
    if number % 2 == 0 or len(living) < len(storm.holders) // 2:
        return
    at = chance.choice(living)
    if number % 4 == 1:
        words, ending = ("family", "end", storm.histories[at].name, "--reason", "a storm"), [at]
    else:
        person = storm.holders[at].person
        words = ("user", "disable", person)
        ending = [each for each, holder in enumerate(storm.holders) if holder.person == person]
    began = time.monotonic()
    for each in ending:
        storm.histories[each].ending = storm.histories[each].ending or began
    said = await asyncio.to_thread(storm.place.command, *words)
    while said.returncode == STORE_UNAVAILABLE:
        said = await asyncio.to_thread(storm.place.command, *words)
    assert said.returncode == 0, f"{words}: {said.stderr}"
    for each in ending:
        history = storm.histories[each]
        if history.ended is None:
            history.ended = time.monotonic()
            storm.counts.ended += 1


@dataclass
class Outcome:
    """What one trial came to. *wrongs* must be empty."""

    counts: Counts
    wrongs: list[str]
    clients: int
    families: int


def weather(folder: Path, trial: Trial) -> Outcome:
    """Run one trial and judge it."""
    with placed(folder, trial.workers, module=ARMED if trial.troubled else PLAIN) as place:
        each = trial.clients // len(KINDS)
        holders = furnish(place.data, Wanted(KINDS, each=each, people=trial.people))
        # Every third family is shared by two tabs that wake at the same moment.
        tabs = [2 if at % 3 == 0 and holder.kind.rotates else 1 for at, holder in enumerate(holders)]
        storm = Storm(place, holders, tabs, trial.seed, trial.think)
        place.start()
        killer = Killer(trial.rounds, beside=operate if trial.operator else None, troubled=trial.troubled)
        asyncio.run(storm.rage(killer))
        found = _told_at_the_end(storm)
        place.kill()
        found += stored_wrongs(place.copy(folder / "last"), storm.histories)
    return Outcome(storm.counts, found, sum(tabs), len(holders))


def _told_at_the_end(storm: Storm) -> list[str]:
    """After one more kill -9 and a start: what the histories, the living and the metrics say."""
    storm.place.restart()
    found = [wrong for history in storm.histories for wrong in wrongs(history)]
    for holder, history in zip(storm.holders, storm.histories, strict=True):
        reply = refresh(storm.place, holder)
        if (reply.status == OK) != (history.ended is None):
            found.append(f"{history.name}: {reply.status} at the end")
    metrics = get(storm.place, "/metrics")
    if metrics.status != OK or b"evergrant_refreshes_total" not in metrics.body:
        found.append(f"the metrics do not answer: {metrics.status}")
    return found
