"""Fifty verifiers in five processes, and an issuer of two workers: no dead token is accepted longer than was said.

While the feed is heard that is a second; when it is silent, three beats and the grain of a beat, and then nothing
is accepted at all. The machine that tests run on may be busy, so what is judged is the second bound, always.
"""

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.client import CONFIDENTIAL, PUBLIC, Holder, Wanted, furnish, post, refresh
from tests.faults.cutting import Line, cabled
from tests.faults.place import PLAIN, Place, placed, said_by
from tests.faults.test_clock_steps import step
from tests.faults.verifying import ACCEPTED, Crowd, crowd

PROCESSES: Final = 5
EACH: Final = 10
# Three beats of one second, a beat's grain, and what a busy machine takes to say no.
BOUND: Final = 5.0
SEED: Final = 5


@dataclass
class Scene:
    """An issuer, those who hold families there, the cable, and the crowd that follows through it."""

    place: Place
    holders: list[Holder]
    line: Line
    crowd: Crowd

    def watched(self, name: str) -> Holder:
        """A holder whose access token everybody is looking at."""
        holder = self.holders.pop()
        reply = refresh(self.place, holder)
        assert reply.status == 200, reply.body
        holder.token = reply.token
        self.crowd.watch(name, json.loads(reply.body)["access_token"])
        return holder

    def revoke(self, holder: Holder) -> float:
        """End a family; the moment at which the issuer had answered."""
        reply = post(self.place, "/revoke", holder, token=holder.token)
        assert reply.status == 200
        return time.monotonic()

    def late(self, name: str, answered: float) -> float:
        """How long after the answer the last verifier stopped accepting; afterwards nobody has begun again."""
        self.crowd.all_say(name, None)
        return max(self._stopped(name)) - answered

    def never_again(self, name: str) -> None:
        assert all(lines[-1].what != ACCEPTED for lines in self.crowd.said[name].values())
        for lines in self.crowd.said[name].values():
            answers = [one.what for one in lines]
            assert answers.count(ACCEPTED) == 1, answers

    def _stopped(self, name: str) -> Iterator[float]:
        for lines in self.crowd.said[name].values():
            place = max(n for n, one in enumerate(lines) if one.what == ACCEPTED)
            yield lines[place + 1].at


@contextmanager
def scene(folder: Path, families: int) -> Iterator[Scene]:
    with placed(folder, 2, module=PLAIN) as place, cabled(place.port) as line:
        place.environment["EVERGRANT_SERVER_EXTRA_HOSTS"] = f"127.0.0.1:{line.port}"
        holders = furnish(place.data, Wanted((PUBLIC, CONFIDENTIAL), each=families))
        reader = said_by(place.command("client", "add", "API", "--type", "service", "--json"))
        place.start()
        issuer = f"http://127.0.0.1:{place.port}"
        told = {
            "issuer": issuer, "audience": f"{issuer}/resource", "client_id": reader["id"], "secret": reader["secret"],
            "feed": f"http://127.0.0.1:{line.port}/revocations",
        }  # fmt: skip
        with crowd(PROCESSES, EACH, place.log, **told) as many:
            yield Scene(place, holders, line, many)


def test_a_revoked_token_is_refused_everywhere_in_time_and_never_again_accepted(tmp_path):
    with scene(tmp_path, 3) as here:
        names = [f"token {n}" for n in range(5)]
        held = {name: here.watched(name) for name in names}
        lives = here.watched("lives")
        answered = {name: here.revoke(held[name]) for name in names}
        late = {name: here.late(name, answered[name]) for name in names}
        print({name: round(seconds, 3) for name, seconds in late.items()})
        assert max(late.values()) <= BOUND
        for name in names:
            here.never_again(name)
        here.crowd.all_say("lives", ACCEPTED)
        assert here.late("lives", here.revoke(lives)) <= BOUND


def test_a_feed_that_is_cut_or_falls_silent_makes_nobody_accept_longer_and_is_taken_up_again(tmp_path):
    with scene(tmp_path, 4) as here:
        chance = random.Random(SEED)
        lives = here.watched("lives")
        for number in range(3):
            name = f"token {number}"
            holder = here.watched(name)
            if number == 0:
                here.line.silence(silent=True)  # nobody is told that nothing comes any more
            else:
                here.line.down = True
                here.line.cut()
            time.sleep(chance.random())
            assert here.late(name, here.revoke(holder)) <= BOUND
            here.line.down = False
            here.line.silence(silent=False)
            here.crowd.all_say("lives", ACCEPTED)
            here.crowd.all_say(name, "ENDED")
        here.line.cut()
        assert here.late("lives", here.revoke(lives)) <= BOUND


def test_an_issuer_that_dies_and_starts_again_brings_no_dead_token_back(tmp_path):
    with scene(tmp_path, 4) as here:
        dead, lives = here.watched("dead"), here.watched("lives")
        answered = here.revoke(dead)
        here.place.kill()
        assert here.late("dead", answered) <= BOUND
        here.crowd.all_say("lives", "FEED_SILENT")
        here.place.start()
        here.crowd.all_say("lives", ACCEPTED)
        here.crowd.all_say("dead", "ENDED")
        here.never_again("dead")
        assert here.place.terminate() == 0
        here.place.start()
        here.crowd.all_say("lives", ACCEPTED)
        assert here.late("lives", here.revoke(lives)) <= BOUND
        here.never_again("dead")


def test_an_issuer_whose_clock_steps_ends_tokens_all_the_same(tmp_path):
    with scene(tmp_path, 4) as here:
        for number, seconds in enumerate((250, -250, -3_600, 3_600)):
            name = f"token {number}"
            holder = here.watched(name)
            step(here.place, seconds)
            assert here.late(name, here.revoke(holder)) <= BOUND
            step(here.place, 0)
            here.never_again(name)
