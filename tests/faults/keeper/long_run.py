"""`python -m tests.faults.keeper.long_run`: storms of all kinds, counted, and written to docs/keeper/faults.md.

Each storm is what `test_refresh_kills` runs, longer: processes that lease and refresh are killed at random while the
provider misbehaves, others take their places, and in the end a new process looks at what is left.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.faults.keeper.lessees import judge, scene
from tests.faults.keeper.test_refresh_kills import SPENT_AND_UNTOLD, STRANGE, UNSPENT
from tests.meta.claims import ROOT

PAGE = ROOT / "docs" / "keeper" / "faults.md"
WORDS = {
    "strict": "good once, and presented again it ends its grant",
    "window": "may be repeated for ten minutes",
    "until_used": "may be repeated until its successor is used",
    "safe": "never changes",
}


class Kind(NamedTuple):
    """One kind of storm."""

    facts: str
    mode: str
    title: str


class Count(NamedTuple):
    """What one storm came to."""

    kills: int = 0
    refreshes: int = 0
    leases: int = 0
    twice: int = 0
    killed: int = 0
    asked: int = 0
    failures: int = 0

    def plus(self, other: "Count") -> "Count":
        return Count(*(one + more for one, more in zip(self, other, strict=True)))


def kinds() -> Iterator[Kind]:
    for mode in SPENT_AND_UNTOLD:
        yield Kind("window", mode, "the answer is lost after the spend")
    for facts in ("until_used", "safe"):
        yield Kind(facts, "lost_reply", "the answer is lost after the spend")
    for mode in UNSPENT:
        yield Kind("window", mode, "trouble before anything was spent")
    for mode in STRANGE:
        yield Kind("window", mode, "strange answers")
    yield Kind("strict", "", "nothing but kills")
    yield Kind("strict", "lost_reply", "the answer is lost after the spend")


def storm(kind: Kind, rounds: int, seed: int) -> Count:
    """One storm and its judgement; a broken promise counts as a failure and is printed."""
    name, _, values = kind.mode.partition(":")
    chance = "" if "chance" in values or not kind.mode else "chance=0.3"
    mode = ":".join(filter(None, [name, ",".join(filter(None, [values, chance]))]))
    with tempfile.TemporaryDirectory() as folder, scene(Path(folder), kind.facts, [mode] if mode else []) as made:
        made.storm(rounds, seed, processes=3)
        after = made.aftermath()
        failed = 0
        try:
            judge(made, after)
            assert kind.facts == "strict" or set(after.ends.values()) == {"ok"}, after.ends
        except AssertionError as error:
            failed = 1
            print(f"{kind}, seed {seed}: {error}", flush=True)
        ledger = made.chaos.ledger
        leases = sum("version" in one for one in made.said)
        asked = list(after.ends.values()).count("grant_lost")
        return Count(
            made.kills, len(ledger.refreshes), leases, len(ledger.second_spends), len(ledger.killed), asked, failed
        )


PAGE_TEXT = """\
# Kills and misbehaving providers, counted

Written by `python -m tests.faults.keeper.long_run`. Three processes lease and refresh the tokens of four accounts in
one vault; one after another is killed with SIGKILL at a random moment and replaced, while the chaos provider misbehaves
in three of ten refreshes. Then a new process looks: does every account still get a token, was a token sent twice that
may not be, did two processes ever hand out different tokens of one version, is a doubt left?

{storms} storms, {total.kills} kills, {total.refreshes:,} refreshes, {total.leases:,} leases, in {minutes:.0f} minutes:
**{total.failures} promises broken**.

{table}

Where a token may be repeated, *sent twice* is the repair: the provider answers with the same successor. Where it is
good once, and the process dies or the answer is lost between the provider's commit and our journal, the grant is lost
whatever a client does: its user is asked to come back, once, and told why. Everything else is kept.
"""
HEAD = (
    "a refresh token",
    "what goes wrong",
    "kills",
    "refreshes",
    "sent twice",
    "grants ended by that",
    "users asked to come back",
    "promises broken",
)


def page(rows: dict[tuple[str, str], Count], storms: int, seconds: float) -> str:
    total = Count()
    lines = [f"| {' | '.join(HEAD)} |", "|---|---|--:|--:|--:|--:|--:|--:|"]
    for (facts, title), one in rows.items():
        total = total.plus(one)
        figures = (one.kills, f"{one.refreshes:,}", one.twice, one.killed, one.asked, one.failures)
        lines.append(f"| {WORDS[facts]} | {title} | {' | '.join(map(str, figures))} |")
    return PAGE_TEXT.format(storms=storms, total=total, minutes=seconds / 60, table="\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="kills in each storm")
    parser.add_argument("--storms", type=int, default=1, help="storms of each kind")
    given = parser.parse_args()
    rows: dict[tuple[str, str], Count] = {}
    began, storms = time.monotonic(), 0
    for kind in kinds():
        for seed in range(given.storms):
            one = storm(kind, given.rounds, seed)
            key = (kind.facts, kind.title)
            rows[key] = rows.get(key, Count()).plus(one)
            storms += 1
            print(kind, one, flush=True)
    PAGE.write_text(page(rows, storms, time.monotonic() - began), encoding="utf-8")


if __name__ == "__main__":
    main()
