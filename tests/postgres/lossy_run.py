"""What failovers that lost something came to, and how the page tells of it (`losing`)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

HEADING: Final = "With an asynchronous standby"
_DONE: Final = """
Written by `python -m tests.postgres.losing`. A primary and an asynchronous standby, two nodes, {clients}
honest clients, half of them public, that rotate all the time, throw answers away and hang up on requests. The standby
gets nothing any more while clients are told of rotations for some tenths of a second; then the primary is killed with
SIGKILL, and the standby is promoted without them. What was lost is known from the standby, looked at before it is
promoted, and from what the clients were told. Once the alarm is there, the doctor is asked, and
`evergrant restore --declare --failover` said; whoever is refused tries again until then, and people at public clients
whose last token was lost sign in again. Then a new standby is seeded. At the end everything that anybody was told is
judged: does one linear order of events, in which the store went back to what the standby had, explain every family's
history, and does every client hold what is in the database?
"""


@dataclass
class Round:
    """What one failover came to. *lost*, *held* and *named* count rotations."""

    lost: int
    """Those that were acknowledged and that the promoted one does not know."""
    held: int
    """Those of them whose token somebody still held."""
    named: int
    """Those that the audit trail tells of."""
    families: int
    noticed: float
    """Seconds from the promotion until an alert could have told of the loss."""
    killed: float
    logged: bool
    diagnosed: bool
    went_on: float
    """Seconds from the declaration until every client had a token again."""


@dataclass
class Run:
    """What some rounds came to. *wrongs* must be empty."""

    clients: int
    rounds: list[Round]
    outages: list[float]
    refreshes: int
    unavailable: int
    thrown_away: int
    adopted: int
    restored: int
    sign_ins: int
    reuses: int
    forged: int
    notices: int
    wrongs: list[str] = field(default_factory=list)

    def total(self, of: Callable[[Round], int]) -> int:
        return sum(map(of, self.rounds))


def described(run: Run, minutes: float) -> str:
    """The part of the page."""
    done = _DONE.strip().format(clients=run.clients)
    count, middle = len(run.rounds), len(run.rounds) // 2
    noticed = sorted(each.noticed for each in run.rounds)
    went_on = sorted(each.went_on for each in run.rounds)
    return f"""{done}

| what | count |
|---|--:|
| failovers | {count} |
| those that lost something | {run.total(lambda each: each.lost > 0)} |
| those that an alarm told of: `store_went_backwards` in the metrics | {run.total(lambda each: each.named > 0)} |
| ... and a line in a node's log | {run.total(lambda each: each.logged)} |
| ... and `evergrant doctor`, with what to do about it | {run.total(lambda each: each.diagnosed)} |
| refreshes answered with a token | {run.refreshes:,} |
| acknowledged rotations that the promoted one did not have | {run.total(lambda each: each.lost):,} |
| those of them whose token a client held | {run.total(lambda each: each.held):,} |
| those that the audit trail names, family by family | {run.total(lambda each: each.named):,} |
| families that lost something, over all rounds | {run.total(lambda each: each.families):,} |
| went on from a token that was lost (`family.adopted`) | {run.adopted:,} |
| ended as `store_restored`, public | {run.restored:,} |
| signed in again | {run.sign_ins:,} |
| taken for reuse, forgery or theft; notices to users | {run.reuses + run.forged + run.notices} |
| requests answered with 503 and `Retry-After`, and repeated | {run.unavailable:,} |
| answers that clients threw away | {run.thrown_away:,} |
| median, longest time from the promotion to the alarm | {noticed[middle]:.2f} s, {noticed[-1]:.2f} s |
| median, longest outage, from the last answer to the next | {run.outages[middle]:.2f} s, {run.outages[-1]:.2f} s |
| median, longest time from the declaration until everybody had gone on | {went_on[middle]:.1f} s, {went_on[-1]:.1f} s |
| **promises broken** | **{len(run.wrongs)}** |

{count} rounds in {minutes:.0f} minutes, databases, nodes and clients on one machine of two cores. What the trail cannot
name is a rotation whose answer the client threw away: its client comes with the token before, which is what the
database knows, and goes on as if nothing had happened. `family.ahead`, `family.adopted` and `family.ended` say which
generation the row knew; the difference is what was lost.
"""
