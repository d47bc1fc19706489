"""One family as a picture in text: a line per generation, and what was told of it, from the audit trail alone.

Pure: events as `event.record` makes them go in, lines come out. ASCII, so that every terminal can show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from evergrant.cli.event import whence
from evergrant.cli.output import duration, instant, plural
from evergrant.domain.event import What

Told = Mapping[str, Any]

_SIGNS: Final = {
    What.FAMILY_STARTED: ("o", "began"),
    What.FAMILY_ROTATED: ("o", "rotated"),
    What.FAMILY_REFRESHED: (".", "refreshed, not rotated"),
    What.FAMILY_REPEATED: ("=", "came again inside the overlap: the same successor"),
    What.FAMILY_REPEATS_MANY: ("!", "came again too often"),
    What.FAMILY_REFUSED: ("-", "refused"),
    What.FAMILY_REUSED: ("X", "came again outside the overlap: reuse"),
    What.FAMILY_FORGED: ("!", "does not match its row: forged, or the database was restored"),
    What.FAMILY_AHEAD: ("!", "is ahead of its row: the store lost a commit"),
    What.FAMILY_ADOPTED: ("!", "was ahead of its row, and believed: a loss had been declared"),
    What.FAMILY_ENDED: ("#", "ended"),
}
_ORDINARY: Final = (What.FAMILY_ROTATED, What.FAMILY_REFRESHED, What.FAMILY_REPEATED)
LEGEND: Final = "o a new head   = the same again   . refreshed   - refused   X reuse   ! alarm   # the end"
# Ordinary rotations in a row beyond this many become one line: nobody looks at a thousand of them.
_RUN: Final = 6


def picture(events: Sequence[Told], *, cut: bool = False) -> str:
    """The family's life, oldest first; *cut* says that the trail is longer than what was read."""
    known = [told for told in events if told["what"] in _SIGNS]
    if not known:
        return "the audit trail says nothing of this family any more"
    first = known[0]
    widest = max(len(str(told["generation"] or 0)) for told in known)
    lines = [LEGEND, ""]
    if cut or first["what"] != What.FAMILY_STARTED:
        lines.append(f"{' ' * (widest + 4)}:  what came before is no longer in the trail, or too long to draw")
    before, where = first["at"], ""
    for row in _rows(known):
        line, here = _drawn(row, before, widest), "  ".join(whence(row[0]))
        # Said only where it changes: the line on which somebody else appears is the one to see.
        lines.append(f"{line}  [{here}]" if here and here != where else line)
        before, where = row[-1]["at"], here or where
    return "\n".join(lines)


def _rows(events: Sequence[Told]) -> Iterator[list[Told]]:
    """The events one by one, except that a run of ordinary ones of a kind is one row."""
    for what, group in groupby(events, key=lambda told: told["what"]):
        run = list(group)
        if what in _ORDINARY and len(run) > _RUN:
            yield run[:1]
            yield run[1:-1]
            yield run[-1:]
        else:
            yield from ([told] for told in run)


def _drawn(row: list[Told], before: int, widest: int) -> str:
    first, last = row[0], row[-1]
    mark, said = _SIGNS[first["what"]]
    generation = "" if first["generation"] is None else str(first["generation"])
    if len(row) > 1:
        text = f"{plural(len(row), 'time', 'times')} {said} in {duration(last['at'] - first['at'])}"
        if first["what"] == What.FAMILY_ROTATED:
            text += f", up to generation {last['generation']}"
        return f"{' ' * widest}    :  {text}"
    why = ", ".join(str(first[name]) for name in ("reason", "detail") if first[name])
    text = f"{said}: {why}" if why else said
    later = f"+{duration(first['at'] - before)}" if first["at"] != before else ""
    return f"  {generation:>{widest}}  {mark}  {instant(first['at'])}  {later:>8}  {text}"
