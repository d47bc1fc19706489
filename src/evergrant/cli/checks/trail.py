"""What the audit trail tells: whether the clock can be right, whether it is kept, and what has alarmed it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from evergrant.cli.checks.facts import ALARM_DAYS, DAY, Facts
from evergrant.cli.checks.finding import Finding, fail, ok, warn
from evergrant.cli.output import duration, instant, plural
from evergrant.domain.event import MEANING, What

if TYPE_CHECKING:
    from evergrant.config import Config

# No release of this is older than this instant, and no clock that is earlier can be right.
EARLIEST: Final = 1_760_000_000
TOLERANCE: Final = 60
SHORT_RETENTION: Final = 30 * DAY
BEHIND: Final = 2 * DAY


def clock(facts: Facts, now: int, *, simulated: bool) -> Finding:
    """Judge whether the time can be right."""
    why = "tokens, codes and families end too early or too late, and signatures carry the wrong time"
    if simulated:
        return fail("clock", "simulated: EVERGRANT_TEST_CLOCK is set", why, "unset it: it is for tests")
    if now < EARLIEST:
        return fail("clock", f"it is {instant(now)}, they say", why, "set the clock, and keep it right with NTP")
    if facts.newest is not None and facts.newest.at > now + TOLERANCE:
        ahead = duration(facts.newest.at - now)
        return fail(
            "clock",
            f"the newest event is {ahead} in the future",
            f"either this clock went back or another was ahead: {why}",
            "keep every machine's clock right with NTP, and look for what ended in the meantime",
        )
    return ok("clock", instant(now))


def retention(config: Config, facts: Facts, now: int) -> Finding:
    """Judge for how long the trail is kept, and whether somebody keeps it short."""
    kept = config.audit.retention
    if kept < SHORT_RETENTION:
        return warn(
            "retention",
            f"events are kept for {duration(kept)}",
            "thefts are noticed after weeks, and then there is nothing left to read",
            "let audit.retention be 30 days or more",
        )
    if facts.oldest is not None and facts.oldest.at < now - kept - BEHIND:
        return warn(
            "retention",
            f"the oldest event is {duration(now - facts.oldest.at)} old, but they are to be kept for {duration(kept)}",
            "housekeeping is behind: no server has run for a while, or it removes less than comes in",
            "let a server run, or raise housekeeping.batch",
        )
    return ok("retention", f"events are kept for {duration(kept)}")


def alarms(facts: Facts) -> Iterator[Finding]:
    """Tell what somebody ought to have looked at."""
    grave = {
        What.FAMILY_FORGED: "find out which: was a backup restored, or has somebody a token key? "
        "after a theft run: evergrant key rotate --use mac --now",
        What.FAMILY_AHEAD: "the store went backwards; if it was restored by other means, or failed over, say so: "
        "evergrant restore --declare, after a failover with --failover; else those users have to sign in again",
    }
    for what, todo in grave.items():
        if facts.alarms.get(what):
            count = plural(facts.alarms[what], "event", "events")
            told = "" if not facts.epoch.number else f", in epoch {facts.epoch.number}"
            yield fail("alarms", f"{count} {what} in the last {ALARM_DAYS} days{told}", MEANING[what], _look(todo))
    if facts.alarms.get(What.FAMILY_REPEATS_MANY):
        yield warn(
            "alarms",
            f"{plural(facts.alarms[What.FAMILY_REPEATS_MANY], 'family', 'families')} repeated unusually often",
            MEANING[What.FAMILY_REPEATS_MANY],
            _look("look whether the client retries without end"),
        )
    if not facts.alarms.keys() & {*grave, What.FAMILY_REPEATS_MANY}:
        reuse = plural(facts.alarms.get(What.FAMILY_REUSED, 0), "reuse", "reuses")
        yield ok("alarms", f"none in the last {ALARM_DAYS} days; {reuse} noticed and dealt with")
    if facts.unseen_notices:
        yield warn(
            "notices",
            f"{plural(facts.unseen_notices, 'theft notice was', 'theft notices were')} not yet seen by the user",
            "it is shown at the next sign-in, and until then they do not know that a token of theirs was stolen",
            "tell them another way",
        )


def _look(todo: str) -> str:
    return f"{todo}; see: evergrant event list"
