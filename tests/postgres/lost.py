"""What a failover lost: the truth, from the standby and the clients, and what the promoted one's trail says of it.

What lives here: looking, counting and judging. What must not: when anything is done (`losing`).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from evergrant.domain.event import What
from evergrant.domain.reason import Reason
from evergrant.domain.secret import digest
from evergrant.issuer.service.refresh import HEAD_DIGEST
from tests.faults import history as histories
from tests.faults.client import generation_of, taken_apart
from tests.faults.history import History
from tests.faults.linear import Kind, Operation, Outcome, Token
from tests.faults.storm import Storm
from tests.postgres.postmaster import Postmaster, wait_for

NOTICES: Final = "notices"
RESTORED: Final = "families that ended as restored"
_SHORT: Final = re.compile(r"the row knew generation (\d+)")


class Kept(NamedTuple):
    """What a standby has that will be promoted: how far it is, each family's generation, the trail's last number."""

    position: str
    generations: dict[bytes, int]
    last: int


def replayed(server: Postmaster) -> str:
    """The last position that came from the primary; it stays what it is after a promotion."""
    ((position,),) = server.ask("SELECT pg_last_wal_replay_lsn()::text")
    return str(position)


def kept_by(standby: Postmaster) -> Kept:
    """Look at a standby whose primary is gone, once it has done what it received."""
    seen: list[Kept] = []

    def still() -> bool:
        before = replayed(standby)
        rows = standby.ask("SELECT id, generation FROM evergrant.family")
        ((last,),) = standby.ask("SELECT coalesce(max(number), 0) FROM evergrant.event")
        seen.append(Kept(before, {bytes(family): generation for family, generation in rows}, last))
        return len(seen) > 1 and seen[-1].position == seen[-2].position == replayed(standby)

    assert wait_for(still), "a standby without a primary does not come to rest"
    return seen[-1]


@dataclass
class Loss:
    """What one family lost. *told*: rotations that were acknowledged; *held*: those behind the token that is held."""

    number: int
    family: bytes
    kept: int
    told: int
    held: int

    def remember(self, history: History, went_back: float, declaring: float, heard: float) -> None:
        """Tell the family's history of it; *heard* is when the last node must know that it was declared."""
        back = Operation(went_back, went_back, Kind.LOSS, Outcome.DONE, None, Token(self.kept, None))
        history.losses += [back, Operation(declaring, heard, Kind.DECLARED, Outcome.DONE)]


def losses(storm: Storm, kept: Kept, since: float) -> list[Loss]:
    """What each client's family has lost of what was acknowledged *since*, where it lost anything."""
    found = []
    for number, (holder, history) in enumerate(zip(storm.holders, storm.histories, strict=True)):
        generation = kept.generations[holder.family]
        newest = (generation_of(answer.got) for answer in history.refreshed if answer.ended > since)
        told = max(max(newest, default=0) - generation, 0)
        held = max(generation_of(holder.token) - generation, 0)
        if told or held:
            found.append(Loss(number, holder.family, generation, max(told, held), held))
    return found


def named(primary: Postmaster, after: int) -> dict[bytes, int]:
    """How many rotations of which families the trail says were lost, in what was told after a number."""
    rows = primary.ask(
        "SELECT family, generation, detail FROM evergrant.event WHERE number > %s AND what = ANY(%s)",
        after, [What.FAMILY_AHEAD, What.FAMILY_ADOPTED, What.FAMILY_ENDED],
    )  # fmt: skip
    found: dict[bytes, int] = {}
    for family, generation, detail in rows:
        if short := _SHORT.search(detail):
            found[bytes(family)] = max(found.get(bytes(family), 0), generation - int(short.group(1)))
    return found


def counts(primary: Postmaster) -> dict[str, int]:
    """How often what happened."""
    found = dict(primary.ask("SELECT what, count(*) FROM evergrant.event GROUP BY what"))
    ((found[NOTICES],),) = primary.ask("SELECT count(*) FROM evergrant.notice")
    ended = "SELECT count(*) FROM evergrant.family WHERE reason = %s"
    ((found[RESTORED],),) = primary.ask(ended, str(Reason.RESTORED))
    return found


def wrongs(primary: Postmaster, living: Sequence[History], former: Sequence[History]) -> list[str]:
    """Everything that cannot be true of families whose store went back, though each time it was declared."""
    found = [wrong for history in [*living, *former] for wrong in histories.wrongs(history)]
    found += [wrong for history in living for wrong in _stored(primary, history)]
    for history in former:
        row = _row(primary, history)
        if row["ended_at"] is not None and row["reason"] != Reason.RESTORED:
            found.append(f"{history.name}: ended as {row['reason']}")
    tally = counts(primary)
    found += [f"{tally[what]} {what}" for what in (What.FAMILY_REUSED, What.FAMILY_FORGED, NOTICES) if tally.get(what)]
    return found


def _stored(primary: Postmaster, history: History) -> Iterable[str]:
    """The row of a family that lives, and what the trail tells of it."""
    row = _row(primary, history)
    if row["ended_at"] is not None:
        yield f"{history.name}: ended as {row['reason']}"
    reached = 0
    for what, generation, detail in primary.ask(
        "SELECT what, generation, detail FROM evergrant.event WHERE family = %s ORDER BY number", history.family
    ):
        if what == What.FAMILY_ADOPTED:
            short = _SHORT.search(detail)
            if short is None or int(short.group(1)) != reached:
                yield f"{history.name}: adopted at {generation}, {detail}, and the trail had come to {reached}"
            reached = generation
        elif what == What.FAMILY_ROTATED:
            if generation != reached + 1:
                yield f"{history.name}: rotated to {generation} after {reached}"
            reached = generation
    if reached != row["generation"]:
        yield f"{history.name}: generation {row['generation']}, and the trail has come to {reached}"
    newest = history.refreshed[-1]
    _, generation, secret = taken_apart(newest.got)
    kept = {row["generation"]: row["digest"], row["generation"] - 1: row["predecessor"]}
    if kept.get(generation) != digest(HEAD_DIGEST, secret):
        yield f"{history.name}: its client holds generation {generation}, and it is not the one that is stored"


def _row(primary: Postmaster, history: History) -> dict[str, Any]:
    names = ("generation", "digest", "predecessor", "ended_at", "reason")
    (row,) = primary.ask(f"SELECT {', '.join(names)} FROM evergrant.family WHERE id = %s", history.family)
    return dict(zip(names, row, strict=True))
